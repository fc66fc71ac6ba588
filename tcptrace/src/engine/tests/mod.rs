//! The engine against every fact of the kernel that events alone can show, one topic a file.
//!
//! Times are invented and exact, so each test says a whole history and the one right answer to it.

mod aborts;
mod audits;
mod bounds;
mod clock;
mod findings;
mod handed_over;
mod looks;
mod lost;
mod orderly;
mod owners;
mod peers;
mod recorded;
mod reuse;
mod sightings;
mod support;
mod version2;
mod ways;
