//! Which bug leaves a socket in CLOSE_WAIT.

use crate::model::{Holders, LeakCause, Mptcp, Snapshot};

/// What the receive queue and the holders of a CLOSE_WAIT tell. `tcp_fin()` makes the peer's FIN one more unread byte,
/// which only reading up to end-of-file takes away (`tcp_recvmsg_locked()`).
#[must_use]
pub fn leak_cause(snapshot: &Snapshot, holders: Option<&Holders>) -> LeakCause {
    if snapshot.inode == 0 {
        // Its listener's child, which `inet_csk_accept()` has not taken: an orphan cannot be in CLOSE_WAIT.
        return LeakCause::NeverAccepted;
    }
    match (snapshot.recv_queue_bytes, snapshot.mptcp) {
        // A DATA_FIN takes no room in the queue of an MPTCP connection, read or not (`mptcp_diag_get_info()`).
        (0, Mptcp::Connection(_)) => return LeakCause::Unknown,
        (0, _) => return LeakCause::EofSeenNotClosed,
        _ => {}
    }
    match holders.and_then(|holders| holders.in_epoll) {
        Some(false) => LeakCause::NotPolled,
        Some(true) => LeakCause::NeverReadEof,
        None => LeakCause::Unknown,
    }
}

/// What to look for in the program.
#[must_use]
pub const fn advice(cause: LeakCause) -> &'static str {
    match cause {
        LeakCause::NeverAccepted => {
            "the listener's accept loop is stuck or too slow: its backlog holds connections that peers have given up"
        }
        LeakCause::NotPolled => {
            "unread, and in no epoll set: look for a connection dropped from the event loop, or parked without a reader"
        }
        LeakCause::NeverReadEof => {
            "the event loop has it and does not read to end-of-file: look for a missed EPOLLRDHUP or a stopped reader"
        }
        LeakCause::EofSeenNotClosed => {
            "read() returned 0 and close() never came: look at the end-of-file and error paths of its reader"
        }
        LeakCause::Unknown => {
            "what the program does with the socket is not visible: look where it reads from and closes the socket"
        }
    }
}
