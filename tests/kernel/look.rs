//! What sock_diag says of one socket of the calling thread's namespace, and what the namespace says of itself.

use anyhow::{Context, Result};
use tcptrace::{
    model::{NetnsFacts, Snapshot, StateSet},
    source::{diag::DiagSocket, proc::read_facts},
};
use tcptrace_tests::pair::Ends;

/// The socket with these ends, if it is there.
pub(crate) fn at(ends: Ends) -> Result<Option<Snapshot>> {
    let mut socket = DiagSocket::open().context("cannot open sock_diag")?;
    let mut found = None;
    socket.dump(StateSet(u32::MAX), true, 0, &mut |snapshot| {
        let same =
            |end: &tcptrace::model::Endpoint, wanted: std::net::SocketAddr| end.to_string() == wanted.to_string();
        if same(&snapshot.socket.local, ends.local) && same(&snapshot.socket.remote, ends.remote) {
            found = Some(snapshot);
        }
    })?;
    Ok(found)
}

/// The settings of the namespace.
pub(crate) fn facts() -> NetnsFacts {
    read_facts(0)
}
