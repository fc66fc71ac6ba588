//! The runtime that waits for events, time and signals.

use std::{
    io::{self, PipeReader, PipeWriter},
    iter,
};

use tokio::runtime::{Builder, Runtime};

use super::exit::CliError;

/// Files that the runtime opens: an epoll set, an event, and pairs of sockets for signals. It panics where it gets
/// none for those (`tokio::signal`), so whether there is room is tried before, with pipes of two files each.
const PIPES: usize = 4;

/// One on the calling thread.
pub(super) fn start() -> Result<Runtime, CliError> {
    let failed = |source| CliError::System { what: "start the runtime", source };
    let room: io::Result<Vec<(PipeReader, PipeWriter)>> = iter::repeat_with(io::pipe).take(PIPES).collect();
    room.map_err(failed)?;
    Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)
}
