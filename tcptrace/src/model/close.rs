//! A finished close: what `trace` prints a line for.

use super::{Identity, Owner, Reason, State};

/// Who ended the connection first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Our FIN went first.
    Active,
    /// The peer's FIN came first.
    Passive,
    /// The peer's FIN arrived while ours was unacknowledged (CLOSING was entered).
    Simultaneous,
    /// No exchange of FINs: from ESTABLISHED or CLOSE_WAIT straight to CLOSE.
    Abort,
}

impl Role {
    /// All roles, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Active, Self::Passive, Self::Simultaneous, Self::Abort];

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Simultaneous => "simultaneous",
            Self::Abort => "abort",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Both sides' FINs were acknowledged, as far as this side can know (RFC 9293 section 3.6).
    Fin,
    /// The peer sent a reset.
    ResetReceived,
    /// This side sent a reset.
    ResetSent,
    /// Retransmissions, probes or keep-alives were not answered.
    Timeout,
    /// An administrator ended it (`ss -K`, `tcp_abort()`).
    Killed,
    /// An orphan's peer never sent its FIN within `tcp_fin_timeout`.
    FinWait2Timeout,
    /// Not known.
    Unknown,
}

impl Outcome {
    /// All outcomes, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Fin,
        Self::ResetReceived,
        Self::ResetSent,
        Self::Timeout,
        Self::Killed,
        Self::FinWait2Timeout,
        Self::Unknown,
    ];

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::ResetReceived => "reset_received",
            Self::ResetSent => "reset_sent",
            Self::Timeout => "timeout",
            Self::Killed => "killed",
            Self::FinWait2Timeout => "fin_wait2_timeout",
            Self::Unknown => "unknown",
        }
    }
}

/// A state in which a close spends time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Our FIN is queued or sent, and not acknowledged.
    FinWait1,
    /// Ours is acknowledged, the peer's not here.
    FinWait2,
    /// Both sent, ours not acknowledged.
    Closing,
    /// The peer's is here, our program has not closed.
    CloseWait,
    /// The peer's is here, ours not acknowledged.
    LastAck,
}

/// All phases, in the order of DESIGN and of [`Phases`].
pub const PHASES: [Phase; 5] = [Phase::FinWait1, Phase::FinWait2, Phase::Closing, Phase::CloseWait, Phase::LastAck];

impl Phase {
    /// The phase that a state is.
    #[must_use]
    pub const fn of(state: State) -> Option<Self> {
        match state {
            State::FinWait1 => Some(Self::FinWait1),
            State::FinWait2 => Some(Self::FinWait2),
            State::Closing => Some(Self::Closing),
            State::CloseWait => Some(Self::CloseWait),
            State::LastAck => Some(Self::LastAck),
            _ => None,
        }
    }

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FinWait1 => "fin_wait1",
            Self::FinWait2 => "fin_wait2",
            Self::Closing => "closing",
            Self::CloseWait => "close_wait",
            Self::LastAck => "last_ack",
        }
    }
}

/// Time in each phase, nanoseconds; `None` where not entered or not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases([Option<u64>; 5]);

impl Phases {
    /// Time in one phase, nanoseconds.
    #[must_use]
    pub fn get(&self, phase: Phase) -> Option<u64> {
        self.0.get(phase as usize).copied().flatten()
    }

    /// Sets the time in one phase.
    pub fn set(&mut self, phase: Phase, ns: Option<u64>) {
        if let Some(slot) = self.0.get_mut(phase as usize) {
            *slot = ns;
        }
    }

    /// The network's part: fin_wait1 + closing + last_ack; `None` when none of them is known.
    #[must_use]
    pub fn network_ns(&self) -> Option<u64> {
        [Phase::FinWait1, Phase::Closing, Phase::LastAck]
            .into_iter()
            .filter_map(|phase| self.get(phase))
            .reduce(u64::saturating_add)
    }

    /// The local program's part: close_wait.
    #[must_use]
    pub fn local_app_ns(&self) -> Option<u64> {
        self.get(Phase::CloseWait)
    }

    /// The peer's part: fin_wait2.
    #[must_use]
    pub fn remote_app_ns(&self) -> Option<u64> {
        self.get(Phase::FinWait2)
    }
}

/// How often a segment with our FIN was sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retransmits {
    /// Tail loss probes.
    pub tlp: u16,
    /// By the retransmission timer.
    pub rto: u16,
    /// By neither timer.
    pub fast: u16,
    /// Tried, and did not leave the host.
    pub failed: u16,
}

impl Retransmits {
    /// Those that left the host.
    #[must_use]
    pub fn sent(&self) -> u32 {
        u32::from(self.tlp) + u32::from(self.rto) + u32::from(self.fast)
    }
}

/// What the socket had counted when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Smoothed round-trip time, microseconds.
    pub srtt_us: u32,
    /// Payload bytes sent, each counted once.
    pub bytes_sent: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
}

/// A finished close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// When it ended, CLOCK_MONOTONIC nanoseconds.
    pub end_ns: u64,
    /// The socket.
    pub socket: Identity,
    /// Who closed first.
    pub role: Role,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where known.
    pub reason: Option<Reason>,
    /// Who acted on it, where known.
    pub owner: Option<Owner>,
    /// Time in each phase.
    pub phases: Phases,
    /// Close latency; `None` where the beginning or the end was not seen.
    pub close_ns: Option<u64>,
    /// No program held it at the end.
    pub orphan: bool,
    /// A subflow of an MPTCP connection, which ends by itself: how long the peer or this program took is the
    /// connection's to know, and `None` here.
    pub mptcp: bool,
    /// The peer's FIN came in the segment that acknowledged ours; `None` for roles other than active,
    /// and where it is not known.
    pub three_way: Option<bool>,
    /// Every phase that was entered is known from start to end.
    pub complete: bool,
    /// Segments with FIN that were sent again.
    pub retransmits: Retransmits,
    /// Counted by the socket; `None` where its end was not seen.
    pub totals: Option<Totals>,
    /// From `connect()` to the end; `None` where the connect was not seen.
    pub lifetime_ns: Option<u64>,
    /// Index of the interface that the socket is bound to; 0 for none, or where that is not known.
    pub bound_if: u32,
}

impl Close {
    /// The part of the network's time that a round trip does not explain, nanoseconds: the peer may delay its ACK of
    /// our FIN (`tcp_send_delayed_ack()`, 40 ms and more), and the FIN may have waited behind data. One round trip is
    /// enough for a FIN and its ACK. `None` where that is not the question, for the FIN was sent again or not answered,
    /// and where it has no answer: parts of the close or the round-trip time are not known. `srtt_us` may contain
    /// delayed ACKs of data, so this is no more than the truth.
    #[must_use]
    pub fn ack_wait_ns(&self) -> Option<u64> {
        let srtt_us = self.totals?.srtt_us;
        let told = self.complete && self.outcome == Outcome::Fin && self.retransmits == Retransmits::default();
        let round_trip_ns = u64::from(srtt_us).saturating_mul(1_000);
        let network_ns = self.phases.network_ns().filter(|_| told && srtt_us > 0)?;
        Some(network_ns.saturating_sub(round_trip_ns))
    }
}
