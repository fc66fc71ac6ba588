//! One decoded kernel record.

use super::{Identity, Owner};

/// TCP state of a full socket (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// `TCP_ESTABLISHED`
    Established,
    /// `TCP_SYN_SENT`
    SynSent,
    /// `TCP_SYN_RECV`
    SynRecv,
    /// `TCP_FIN_WAIT1`
    FinWait1,
    /// `TCP_FIN_WAIT2`
    FinWait2,
    /// `TCP_TIME_WAIT`
    TimeWait,
    /// `TCP_CLOSE`
    Close,
    /// `TCP_CLOSE_WAIT`
    CloseWait,
    /// `TCP_LAST_ACK`
    LastAck,
    /// `TCP_LISTEN`
    Listen,
    /// `TCP_CLOSING`
    Closing,
    /// `TCP_NEW_SYN_RECV`
    NewSynRecv,
}

impl State {
    /// The state with the kernel's number; `None` for a number that this version does not know.
    #[must_use]
    pub const fn from_kernel(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            12 => Self::NewSynRecv,
            _ => return None,
        })
    }

    /// The kernel's number.
    #[must_use]
    pub const fn to_kernel(self) -> u8 {
        match self {
            Self::Established => 1,
            Self::SynSent => 2,
            Self::SynRecv => 3,
            Self::FinWait1 => 4,
            Self::FinWait2 => 5,
            Self::TimeWait => 6,
            Self::Close => 7,
            Self::CloseWait => 8,
            Self::LastAck => 9,
            Self::Listen => 10,
            Self::Closing => 11,
            Self::NewSynRecv => 12,
        }
    }

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::SynSent => "syn_sent",
            Self::SynRecv => "syn_recv",
            Self::FinWait1 => "fin_wait1",
            Self::FinWait2 => "fin_wait2",
            Self::TimeWait => "time_wait",
            Self::Close => "close",
            Self::CloseWait => "close_wait",
            Self::LastAck => "last_ack",
            Self::Listen => "listen",
            Self::Closing => "closing",
            Self::NewSynRecv => "new_syn_recv",
        }
    }
}

/// What the socket said of itself at the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `sk_shutdown` has `RCV_SHUTDOWN`.
    pub rcv_shutdown: bool,
    /// `sk_shutdown` has `SEND_SHUTDOWN`.
    pub send_shutdown: bool,
    /// `SOCK_DEAD`: no program holds it.
    pub orphan: bool,
    /// `SOCK_DONE`: the peer's FIN was received.
    pub done: bool,
    /// The key is a masked address, not a cookie.
    pub key_is_address: bool,
    /// A subflow of an MPTCP connection (`tcp_sock.is_mptcp`).
    pub mptcp: bool,
    /// At an abort: nobody had accepted the connection.
    pub unaccepted: bool,
}

/// Why a segment with FIN went out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetransmitKind {
    /// Tail loss probe (`tcp_send_loss_probe()`).
    Tlp,
    /// The retransmission timer (`tcp_retransmit_timer()`).
    Rto,
    /// Neither: recovery on acknowledgements (`tcp_xmit_retransmit_queue()`).
    Fast,
    /// It did not leave the host; the positive errno where known.
    Failed(u32),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `inet_sk_state_store()`.
    Transition {
        /// State before.
        old: State,
        /// State after; equal to `old` where `close()` follows `shutdown()`.
        new: State,
        /// Round-trip time and bytes, at `-> CLOSE`.
        totals: Option<super::Totals>,
        /// `tcp_sock.segs_in`, at `-> FIN_WAIT2`, `-> CLOSING`, `-> LAST_ACK` and `-> CLOSE`.
        segs_in: Option<u32>,
        /// Attempts that nothing has answered, at `-> CLOSE`: `icsk_retransmits` + `icsk_probes_out`. An
        /// acknowledgement sets both to 0 (`tcp_ack()`), and no timer gives up without one (`tcp_write_err()`). `None`
        /// in captures of before this was recorded.
        retries: Option<u16>,
        /// Interface that the socket is bound to, by which sock_diag must look for it; 0 for none.
        bound_if: u32,
    },
    /// The peer's FIN met the timewait socket of an orphan, which goes on from FIN_WAIT2 to TIME_WAIT
    /// (`tcp_timewait_state_process()`).
    TimeWait,
    /// A segment with FIN was sent again, or could not be.
    Retransmit {
        /// State of the socket.
        state: State,
        /// Why.
        kind: RetransmitKind,
        /// TCP header flags of the segment; FIN is bit 0.
        tcp_flags: u16,
    },
    /// `tcp_reset()` runs: a reset arrived, or the peer sent data to a closed socket.
    ResetReceived {
        /// State of the socket.
        state: State,
    },
    /// A reset was sent for this socket.
    ResetSent {
        /// State of the socket; `TimeWait` when it is gone and its timewait socket answered data after `close()`.
        state: State,
        /// `enum sk_rst_reason` of the recording kernel, from 6.10.
        reason: Option<u32>,
    },
}

/// One kernel record, decoded and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// CLOCK_MONOTONIC of the recording host, nanoseconds.
    pub time_ns: u64,
    /// The socket.
    pub socket: Identity,
    /// What happened.
    pub kind: EventKind,
    /// What the socket said of itself.
    pub flags: Flags,
    /// `sk_err`: a positive errno, or 0.
    pub sk_err: u16,
    /// Who acts, where the current task is known to be the one.
    pub owner: Option<Owner>,
    /// Differs from that of the event before when events were lost in between, on any CPU.
    pub loss_mark: u32,
}

impl Event {
    /// Index of the interface that the socket is bound to; 0 for none. Transitions alone tell it.
    #[must_use]
    pub const fn bound_if(&self) -> u32 {
        if let EventKind::Transition { bound_if, .. } = self.kind { bound_if } else { 0 }
    }
}
