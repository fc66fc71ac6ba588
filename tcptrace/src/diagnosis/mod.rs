//! Why a socket is stuck or leaked, from one look at it: pure, and shared by every command.

use crate::model::{Diagnosis, GivesUp, Holders, LeakCause, NetnsFacts, Snapshot, StuckCause};

/// What events add to a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Segments with FIN that were sent again.
    pub fin_sent_again: u32,
    /// Of those that were tried: did not leave the host.
    pub fin_failed: u32,
    /// No program holds the socket; `None` where that is not known.
    pub orphan: Option<bool>,
}

/// Why a socket is stuck.
#[must_use]
pub fn diagnose(_snapshot: &Snapshot, _facts: Option<&NetnsFacts>, _signs: Signs) -> Diagnosis {
    Diagnosis {
        cause: StuckCause::Unknown,
        gives_up: GivesUp::Unknown,
        next_attempt_in_ns: None,
        unsent_bytes: None,
        unacked_bytes: None,
    }
}

/// Why a CLOSE_WAIT is not closed.
#[must_use]
pub fn leak_cause(_snapshot: &Snapshot, _holders: Option<&Holders>) -> LeakCause {
    LeakCause::Unknown
}

/// What to look for in a program that leaks for this cause: one line.
#[must_use]
pub const fn advice(cause: LeakCause) -> &'static str {
    match cause {
        LeakCause::NeverAccepted => {
            "the connections wait in the listener's queue: look for an accept() loop that is blocked, too slow, or gone"
        }
        LeakCause::NotPolled => {
            "no epoll set has the sockets: look for connections that were taken out of the event loop, or parked in a \
             pool, without close()"
        }
        LeakCause::NeverReadEof => {
            "the end of the stream is unread: look for a reader that stopped before read() returned 0, or a handler \
             that is blocked"
        }
        LeakCause::EofSeenNotClosed => {
            "the end of the stream was read: look for a path where read() returns 0 and nobody calls close()"
        }
        LeakCause::Unknown => "the cause is not known: see whether the program reads these sockets, and polls them",
    }
}

/// For how long a socket has been in its state at least, nanoseconds.
#[must_use]
pub fn age_lower_bound_ns(_snapshot: &Snapshot) -> u64 {
    0
}
