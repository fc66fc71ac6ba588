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

/// For how long a socket has been in its state at least, nanoseconds.
#[must_use]
pub fn age_lower_bound_ns(_snapshot: &Snapshot) -> u64 {
    0
}
