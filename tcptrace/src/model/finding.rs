//! A socket that closes too slowly: raised when it passes its threshold, cleared when it moves on.

use std::sync::Arc;

use super::{Diagnosis, Holders, Identity, Outcome, Owner, Phase, Retransmits};

/// Which threshold was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// Longer than `--stuck-after` in FIN_WAIT1.
    StuckFinWait1,
    /// Longer than `--stuck-after` in FIN_WAIT2 while no program holds it.
    StuckFinWait2,
    /// Longer than `--stuck-after` in CLOSING.
    StuckClosing,
    /// Longer than `--stuck-after` in LAST_ACK.
    StuckLastAck,
    /// Longer than `--leak-after` in CLOSE_WAIT.
    LeakCloseWait,
}

impl FindingKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::StuckFinWait1, Self::StuckFinWait2, Self::StuckClosing, Self::StuckLastAck, Self::LeakCloseWait];

    /// The kind for a phase that lasts too long.
    #[must_use]
    pub const fn of(phase: Phase) -> Self {
        match phase {
            Phase::FinWait1 => Self::StuckFinWait1,
            Phase::FinWait2 => Self::StuckFinWait2,
            Phase::Closing => Self::StuckClosing,
            Phase::CloseWait => Self::LeakCloseWait,
            Phase::LastAck => Self::StuckLastAck,
        }
    }

    /// The phase that lasts too long.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self {
            Self::StuckFinWait1 => Phase::FinWait1,
            Self::StuckFinWait2 => Phase::FinWait2,
            Self::StuckClosing => Phase::Closing,
            Self::StuckLastAck => Phase::LastAck,
            Self::LeakCloseWait => Phase::CloseWait,
        }
    }

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StuckFinWait1 => "stuck_fin_wait1",
            Self::StuckFinWait2 => "stuck_fin_wait2",
            Self::StuckClosing => "stuck_closing",
            Self::StuckLastAck => "stuck_last_ack",
            Self::LeakCloseWait => "leak_close_wait",
        }
    }
}

/// Why a socket is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StuckCause {
    /// The FIN went out, and is not acknowledged.
    FinUnacked,
    /// Data before the FIN has not been sent yet, though the peer's window is open.
    UnsentData,
    /// The peer's window is closed, so the FIN cannot leave.
    ZeroWindow,
    /// This host itself drops what it sends: a firewall, a missing route, a full queue.
    LocalDrop,
    /// Orphaned FIN_WAIT2: ours is acknowledged, the peer does not close.
    PeerOpen,
    /// Not known.
    Unknown,
}

impl StuckCause {
    /// All causes, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::FinUnacked, Self::UnsentData, Self::ZeroWindow, Self::LocalDrop, Self::PeerOpen, Self::Unknown];
}

/// Why a CLOSE_WAIT is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeakCause {
    /// The connection still waits in its listener's queue for `accept()`.
    NeverAccepted,
    /// Unread, and in no epoll set: no program looks at it.
    NotPolled,
    /// Polled, but never read up to end-of-file.
    NeverReadEof,
    /// The program has read end-of-file, and did not `close()`.
    EofSeenNotClosed,
    /// Not known.
    Unknown,
}

impl LeakCause {
    /// All causes, in the order of reports.
    pub const ALL: [Self; 5] =
        [Self::NeverAccepted, Self::NotPolled, Self::NeverReadEof, Self::EofSeenNotClosed, Self::Unknown];
}

/// Why a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingReason {
    /// Of a stuck socket.
    Stuck(StuckCause),
    /// Of a leak.
    Leak(LeakCause),
}

impl FindingReason {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stuck(StuckCause::FinUnacked) => "fin_unacked",
            Self::Stuck(StuckCause::UnsentData) => "unsent_data",
            Self::Stuck(StuckCause::ZeroWindow) => "zero_window",
            Self::Stuck(StuckCause::LocalDrop) => "local_drop",
            Self::Stuck(StuckCause::PeerOpen) => "peer_open",
            Self::Leak(LeakCause::NeverAccepted) => "never_accepted",
            Self::Leak(LeakCause::NotPolled) => "not_polled",
            Self::Leak(LeakCause::NeverReadEof) => "never_read_eof",
            Self::Leak(LeakCause::EofSeenNotClosed) => "eof_seen_not_closed",
            Self::Stuck(StuckCause::Unknown) | Self::Leak(LeakCause::Unknown) => "unknown",
        }
    }
}

/// Whether a finding begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingStatus {
    /// The threshold was passed.
    Raised,
    /// The socket moved on to another phase.
    Moved,
    /// The connection is over.
    Ended(Outcome),
}

impl FindingStatus {
    /// The word in JSON: `raised` or `cleared`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Moved | Self::Ended(_) => "cleared",
        }
    }
}

/// A socket that is stuck or leaked, as it arises and as it clears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// When this was said, CLOCK_MONOTONIC nanoseconds.
    pub time_ns: u64,
    /// The socket.
    pub socket: Identity,
    /// Which threshold.
    pub kind: FindingKind,
    /// Why.
    pub reason: FindingReason,
    /// Begins or ends.
    pub status: FindingStatus,
    /// Time in the phase so far.
    pub age_ns: u64,
    /// The phase began before it was seen.
    pub age_is_lower_bound: bool,
    /// Events were lost since: the socket may have moved on without anybody seeing it.
    pub may_be_over: bool,
    /// Segments with FIN that were sent again.
    pub retransmits: Retransmits,
    /// No program holds it, as of the last event; `None` where that event was the close itself: `SOCK_DEAD` is set a
    /// moment later, and `shutdown(SHUT_RDWR)` looks the same until then.
    pub orphan: Option<bool>,
    /// A subflow of an MPTCP connection.
    pub mptcp: bool,
    /// Who acted on it last, where known.
    pub owner: Option<Owner>,
    /// What a look at the socket told, where there was one.
    pub diagnosis: Option<Diagnosis>,
    /// Who holds it, where that was looked up.
    pub holders: Option<Arc<Holders>>,
}
