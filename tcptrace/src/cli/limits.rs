//! The limit of address space: where memory cannot be had, std aborts, so a limit that is too low is said beforehand.

use rustix::process::{Resource, getrlimit};

use super::exit::CliError;

/// What any command takes at least, bytes: the program, its threads' stacks, and what it allocates.
const LEAST: u64 = 128 << 20;

/// Refuses to start where the address space (`ulimit -v`) is too small.
pub(super) fn check() -> Result<(), CliError> {
    match getrlimit(Resource::As).current {
        Some(limit) if limit < LEAST => Err(CliError::System {
            what: "start",
            source: std::io::Error::other(format!(
                "the address space is limited to {} MB, and tcptrace needs {}: raise the limit (ulimit -v {})",
                limit >> 20,
                LEAST >> 20,
                LEAST >> 10
            )),
        }),
        _ => Ok(()),
    }
}
