//! What sock_diag says of sockets, and what it is asked.

use super::{Identity, State};

/// Which timer of a socket runs (`idiag_timer` of `inet_sk_diag_fill()`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Timer {
    /// None.
    #[default]
    None,
    /// Retransmission, tail loss probe or reordering (`ICSK_TIME_RETRANS`, `_LOSS_PROBE`, `_REO_TIMEOUT`).
    Retransmit,
    /// Keep-alive, or an orphan's wait in FIN_WAIT2.
    Keepalive,
    /// That of a timewait socket.
    TimeWait,
    /// Zero-window probes (`ICSK_TIME_PROBE0`).
    Probe,
}

impl Timer {
    /// From the kernel's number; one that no kernel has counts as none.
    #[must_use]
    pub const fn from_kernel(number: u8) -> Self {
        match number {
            1 => Self::Retransmit,
            2 => Self::Keepalive,
            3 => Self::TimeWait,
            4 => Self::Probe,
            _ => Self::None,
        }
    }

    /// The kernel's number.
    #[must_use]
    pub const fn to_kernel(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Retransmit => 1,
            Self::Keepalive => 2,
            Self::TimeWait => 3,
            Self::Probe => 4,
        }
    }
}

/// The part of `struct tcp_info` that a verdict needs; timewait sockets have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpDetail {
    /// `icsk_retransmits`: expiries of the retransmission timer since the last progress.
    pub retransmits: u8,
    /// `icsk_probes_out`: zero-window probes that were not answered.
    pub probes: u8,
    /// `icsk_backoff`: doublings of the timeout.
    pub backoff: u8,
    /// Retransmission timeout, doublings included, microseconds.
    pub rto_us: u32,
    /// Segments sent and not acknowledged, a FIN included.
    pub unacked_segments: u32,
    /// Bytes queued and never sent; a FIN counts as one.
    pub notsent_bytes: u32,
    /// The peer's window, bytes; `None` where the kernel does not tell (before 5.4).
    pub snd_wnd_bytes: Option<u32>,
    /// Maximum segment size in use, bytes.
    pub snd_mss_bytes: u32,
    /// `retrans_out`: segments that are in flight for another time.
    pub retrans_out: u32,
    /// Segments ever retransmitted.
    pub total_retrans: u32,
    /// Since data was last sent, milliseconds.
    pub last_data_sent_ms: u32,
    /// Since data was last received, milliseconds.
    pub last_data_recv_ms: u32,
    /// Since a segment with ACK was last received, milliseconds.
    pub last_ack_recv_ms: u32,
    /// Smoothed round-trip time, microseconds.
    pub srtt_us: u32,
    /// `sk_wmem_queued`: memory that the send queue takes, bytes; `None` where it was not asked for. Not in captures.
    pub send_memory_bytes: Option<u32>,
}

/// Whether a socket belongs to an MPTCP connection (RFC 8684), and to which of its two levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mptcp {
    /// Plain TCP, or a timewait socket, of which sock_diag does not say it.
    #[default]
    No,
    /// A TCP socket that carries such a connection: its states are those of one path.
    Subflow,
    /// The connection above its subflows: its states are what its program sees.
    Connection(MptcpDetail),
}

impl Mptcp {
    /// Whether it belongs to one.
    #[must_use]
    pub const fn is(self) -> bool {
        !matches!(self, Self::No)
    }
}

/// The part of `struct mptcp_info` that a verdict needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MptcpDetail {
    /// `write_seq - snd_una`: bytes that no DATA_ACK covers, sent or not; a DATA_FIN counts as one.
    pub unacked_bytes: Option<u32>,
    /// Since data was last received, milliseconds; `None` where the kernel does not tell (before 6.10).
    pub last_data_recv_ms: Option<u32>,
    /// Since a DATA_ACK was last received, milliseconds; `None` where the kernel does not tell (before 6.10).
    pub last_ack_recv_ms: Option<u32>,
}

/// One socket at one moment (`inet_diag_msg`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When the answer arrived, CLOCK_MONOTONIC nanoseconds.
    pub time_ns: u64,
    /// The socket; its key is the cookie.
    pub socket: Identity,
    /// Interface that it is bound to, 0 for none.
    pub bound_if: u32,
    /// State; the substate for a timewait socket.
    pub state: State,
    /// A timewait socket: FIN_WAIT2 of an orphan, or TIME_WAIT.
    pub timewait: bool,
    /// Which timer runs.
    pub timer: Timer,
    /// Until it expires, milliseconds.
    pub expires_ms: u32,
    /// Inode of the socket; 0 when no program holds it.
    pub inode: u32,
    /// Unread bytes, the peer's FIN counts as one; of a listener, connections that wait for `accept()`.
    pub recv_queue_bytes: u32,
    /// Unacknowledged and unsent bytes, a FIN counts as one.
    pub send_queue_bytes: u32,
    /// Of a full socket, where it was asked for.
    pub info: Option<TcpDetail>,
    /// Whether it belongs to an MPTCP connection. Not in captures.
    pub mptcp: Mptcp,
}

/// `TCP_TIMEWAIT_LEN`: TIME_WAIT lasts this long on every kernel.
pub const TIME_WAIT_MS: u32 = 60_000;
/// The same in nanoseconds.
pub const TIME_WAIT_NS: u64 = TIME_WAIT_MS as u64 * 1_000_000;

impl Snapshot {
    /// When the timer expires, CLOCK_MONOTONIC nanoseconds; exact to the kernel's tick (1 to 10 ms).
    #[must_use]
    pub const fn expires_at_ns(&self) -> u64 {
        self.time_ns.saturating_add(self.expires_ms as u64 * 1_000_000)
    }

    /// When TIME_WAIT began: `inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN)`, at the peer's FIN. `None` in other states.
    #[must_use]
    pub const fn time_wait_since_ns(&self) -> Option<u64> {
        match self.state {
            State::TimeWait => Some(self.expires_at_ns().saturating_sub(TIME_WAIT_NS)),
            _ => None,
        }
    }
}

/// A set of TCP states (`idiag_states`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSet(pub u32);

impl StateSet {
    /// These states.
    #[must_use]
    pub const fn of(states: &[State]) -> Self {
        let mut bits = 0;
        let mut rest = states;
        while let [first, others @ ..] = rest {
            bits |= 1 << first.to_kernel();
            rest = others;
        }
        Self(bits)
    }

    /// The states of a close, FIN_WAIT2 of timewait sockets included.
    pub const CLOSING: Self =
        Self::of(&[State::FinWait1, State::FinWait2, State::Closing, State::CloseWait, State::LastAck]);

    /// Whether a state is in the set.
    #[must_use]
    pub const fn has(self, state: State) -> bool {
        self.0 & (1 << state.to_kernel()) != 0
    }
}

/// One socket that the engine wants to know about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The socket.
    pub socket: Identity,
    /// Interface that it is bound to, which the kernel's look-up needs; 0 for none.
    pub bound_if: u32,
    /// Also who holds it.
    pub holders: bool,
}

/// What the engine wants to know. The answers are inputs; a replay has them in its capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// One socket.
    Look(Look),
    /// Every socket in these states, in every namespace.
    Dump(StateSet),
    /// Settings and counters of a namespace, by its inode.
    Facts(u32),
}

/// Why a look-up found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbsentWhy {
    /// No connection has these ends.
    Gone,
    /// Another socket has them.
    Replaced,
    /// The kernel could not be asked: no privilege, or no answer came.
    NotAsked,
    /// No process, mount or open file leads to its namespace.
    NoNamespace,
}

/// A look-up that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// When the answer arrived, CLOCK_MONOTONIC nanoseconds.
    pub time_ns: u64,
    /// The socket that was looked for.
    pub socket: Identity,
    /// Why.
    pub why: AbsentWhy,
}

/// A dump of one namespace begins or ends; its sockets stand in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpMark {
    /// When, CLOCK_MONOTONIC nanoseconds.
    pub time_ns: u64,
    /// Inode of the network namespace; 0 at the end of a dump of all namespaces.
    pub netns: u32,
    /// States that were asked for.
    pub states: StateSet,
    /// Where in the dump.
    pub at: DumpAt,
}

/// Beginning and end of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DumpAt {
    /// It begins.
    Begin,
    /// Every socket was told.
    End,
    /// It broke off: the namespace went away, or the kernel refused.
    BrokeOff,
    /// All namespaces are done; in this many nanoseconds of work.
    AllDone {
        /// Time of a processor, nanoseconds.
        cost_ns: u64,
    },
}
