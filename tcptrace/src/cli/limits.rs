//! The limit of address space: where memory cannot be had, std aborts, so a limit that is too low is said beforehand.

use rustix::process::{Resource, getrlimit};

use super::{args::Command, exit::CliError};

/// What any command takes at least, bytes: the program and its libraries, the stacks of its threads (2 MiB each), what
/// it allocates, and a ring buffer of the usual size, which is mapped twice.
const LEAST: u64 = 128 << 20;
/// That ring buffer, MiB.
const RING_MIB: u32 = 16;

/// Refuses to start where the address space (`ulimit -v`) is too small.
pub(super) fn check(command: &Command) -> Result<(), CliError> {
    let ring_mib = match command {
        Command::Trace(args) => args.live.ring_mib,
        Command::Record(args) => args.trace.live.ring_mib,
        Command::Hist(args) => args.live.ring_mib,
        _ => RING_MIB,
    };
    let least = LEAST + (u64::from(ring_mib.saturating_sub(RING_MIB)) << 21);
    match getrlimit(Resource::As).current {
        Some(limit) if limit < least => Err(CliError::System {
            what: "start",
            source: std::io::Error::other(format!(
                "the address space is limited to {} MB, and tcptrace needs {}: raise the limit (ulimit -v {})",
                limit >> 20,
                least >> 20,
                least >> 10
            )),
        }),
        _ => Ok(()),
    }
}
