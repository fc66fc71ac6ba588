//! What crosses the boundary between the kernel side and user space: the record layout, TCP state
//! numbers, and the names of maps, programs and globals. One definition, compiled for both sides.
//!
//! Nothing here may depend on the host's standard library, and nothing here judges: the kernel
//! side filters, copies and counts, verdicts are user space's.
#![no_std]

pub mod counters;
pub mod filter;
pub mod layout;
pub mod names;
pub mod record;
pub mod state;
