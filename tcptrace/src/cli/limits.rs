//! Limits of memory: where none can be had, std aborts, so a limit that is too low is an error at the start.

use rustix::process::{Resource, getrlimit};

use super::{args::Command, exit::CliError};

/// Address space of any command, bytes: the program and its libraries, the stacks of its threads (2 MiB each), and what
/// it allocates.
const SPACE: u64 = 128 << 20;
/// Of that, what counts as data.
const DATA: u64 = 16 << 20;
/// What a live run takes more of each: its tables grow with the host's closes.
const LIVE_SPACE: u64 = 64 << 20;
const LIVE_DATA: u64 = 80 << 20;
/// Of the ring buffer, this many MiB are in [`LIVE_SPACE`]; it is mapped twice.
const RING_MIB: u32 = 16;

/// Refuses to start where the address space (`ulimit -v`) or the data (`ulimit -d`) is limited to too little.
pub(super) fn check(command: &Command) -> Result<(), CliError> {
    let (space, data) = needs(ring_mib(command));
    for (resource, least, what, option) in
        [(Resource::As, space, "address space", "-v"), (Resource::Data, data, "data segment", "-d")]
    {
        if let Some(limit) = getrlimit(resource).current
            && limit < least
        {
            let (is, needs, kib) = (limit >> 20, least >> 20, least >> 10);
            let why = format!(
                "the {what} is limited to {is} MiB, and this command needs {needs} MiB: raise the limit (ulimit \
                 {option} {kib})"
            );
            return Err(CliError::System { what: "start", source: std::io::Error::other(why) });
        }
    }
    Ok(())
}

/// The ring buffer of a live run, MiB.
fn ring_mib(command: &Command) -> Option<u32> {
    match command {
        Command::Trace(args) => Some(args.live.ring_mib),
        Command::Record(args) => Some(args.trace.live.ring_mib),
        Command::Hist(args) => Some(args.live.ring_mib),
        _ => None,
    }
}

/// Address space and data, bytes.
fn needs(ring_mib: Option<u32>) -> (u64, u64) {
    match ring_mib {
        None => (SPACE, DATA),
        Some(ring_mib) => {
            let larger = u64::from(ring_mib.saturating_sub(RING_MIB)) << 21;
            (SPACE + LIVE_SPACE + larger, DATA + LIVE_DATA)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_ring_buffer_needs_more_space() {
        assert_eq!(needs(None), (SPACE, DATA));
        assert_eq!(needs(Some(1)), needs(Some(RING_MIB)));
        assert_eq!(needs(Some(64)).0 - needs(Some(RING_MIB)).0, 96 << 20);
    }
}
