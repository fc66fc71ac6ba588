//! Why a CLOSE_WAIT is not closed.

use crate::model::{Holders, LeakCause, Snapshot};

/// The program's bug, as far as a look can tell. The peer's FIN counts as one unread byte (`tcp_rcv_nxt_update()`), so a
/// receive queue that is empty was read to its end.
///
/// A program that waits in `poll()`, `select()`, `read()` or io_uring is in no epoll set: `not_polled` speaks of epoll.
#[must_use]
pub fn leak_cause(snapshot: &Snapshot, holders: Option<&Holders>) -> LeakCause {
    if snapshot.inode == 0 {
        return LeakCause::NeverAccepted;
    }
    if snapshot.recv_queue_bytes == 0 {
        return LeakCause::EofSeenNotClosed;
    }
    match holders.and_then(|holders| holders.in_epoll) {
        Some(true) => LeakCause::NeverReadEof,
        Some(false) => LeakCause::NotPolled,
        None => LeakCause::Unknown,
    }
}

/// What to look for in the program.
#[must_use]
pub const fn advice(cause: LeakCause) -> &'static str {
    match cause {
        LeakCause::NeverAccepted => {
            "the peer gave up before accept(): look for a blocked or missing accept loop, or too few workers for the backlog"
        }
        LeakCause::NotPolled => {
            "nobody reads these: look for connections parked in a pool or list without a read or an event registration"
        }
        LeakCause::NeverReadEof => {
            "polled, but never read to the end: look for a handler that ignores readable or hang-up events, or stops reading early"
        }
        LeakCause::EofSeenNotClosed => {
            "read() returned 0 and close() never came: look for error and end-of-file paths that drop the connection without closing"
        }
        LeakCause::Unknown => "the cause could not be seen: run as root, so that the holder's files can be looked at",
    }
}
