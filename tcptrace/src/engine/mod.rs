//! The engine: inputs in, closes and findings out. It has no I/O, no clock and cannot fail; time is what the
//! inputs say. `handle` takes one input, `poll` gives outputs until there are none, and only then the next
//! input may come. Deadlines are data (`lanes`), so a replay runs exactly as the live run did.

mod ahead;
mod audit;
mod births;
mod closing;
mod config;
mod ends;
mod fate;
mod judge;
mod lanes;
mod lives;
mod looks;
mod netns;
mod orphans;
mod packed;
mod paths;
mod peers;
mod rare;
mod run;
mod signals;
mod steps;
mod table;
#[cfg(test)]
mod tests;
mod watch;

pub use config::{Bounds, Config};
pub use run::Engine;
