//! Why a socket is stuck, and how long the kernel will go on trying.

use super::StuckCause;

/// When the kernel gives a socket up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GivesUp {
    /// After this many nanoseconds from the look, unless the peer answers.
    In(u64),
    /// Never, as long as nothing changes.
    Never(NeverWhy),
    /// Not known.
    #[default]
    Unknown,
}

/// Why the kernel never gives a socket up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeverWhy {
    /// A program holds it in FIN_WAIT2: `tcp_fin_timeout` is for orphans.
    HeldInFinWait2,
    /// The peer answers zero-window probes (RFC 9293 section 3.8.6.1), and a program holds it.
    ProbesAnswered,
    /// It waits for its program to close it (CLOSE_WAIT).
    WaitsForProgram,
}

impl NeverWhy {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeldInFinWait2 => "held_in_fin_wait2",
            Self::ProbesAnswered => "probes_answered",
            Self::WaitsForProgram => "waits_for_program",
        }
    }
}

/// What one look at a stuck socket tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Why it is stuck.
    pub cause: StuckCause,
    /// When the kernel gives up, from the time of the look.
    pub gives_up: GivesUp,
    /// Until the kernel tries again, nanoseconds from the time of the look; `None` where no timer runs.
    pub next_attempt_in_ns: Option<u64>,
    /// Bytes queued and never sent, without the FIN.
    pub unsent_bytes: Option<u32>,
    /// Bytes sent and not acknowledged, without the FIN.
    pub unacked_bytes: Option<u32>,
}
