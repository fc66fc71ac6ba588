//! Why a close ended as it did.

/// Why it ended so, or why it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Reset sent: `close()` with unread data.
    UnreadData,
    /// Reset sent: `close()` with SO_LINGER 0.
    Linger0,
    /// Reset sent: `connect(AF_UNSPEC)` on a live connection.
    Disconnect,
    /// Reset sent: TCP_LINGER2 below 0.
    Linger2,
    /// Reset sent: too many orphans or no memory for them.
    OrphanMemory,
    /// Reset sent: data arrived after `close()`.
    DataAfterClose,
    /// Reset sent: the listener was closed before anybody accepted the connection (`inet_csk_listen_stop()`).
    ListenerClosed,
    /// Reset sent: the MPTCP connection above was closed with unread data or with SO_LINGER 0, or dissolved
    /// (`mptcp_do_fastclose()`).
    MptcpFastclose,
    /// Timeout: keep-alive probes unanswered.
    Keepalive,
    /// Timeout: an ICMP error was the last thing heard (`sk_err_soft`).
    Unreachable,
    /// Unknown: the kernel moved the orphan to a FIN_WAIT2 timewait socket, whose end no tracepoint shows.
    OrphanFinWait2,
    /// Unknown: the orphan's timewait socket was given to another connection (`tcp_tw_reuse`, or a new SYN).
    TimewaitRecycled,
    /// Unknown: the kernel refused the orphan's timewait socket (`tcp_max_tw_buckets`).
    TimewaitOverflow,
    /// Unknown: the orphan's timewait socket went away before its time, as a reset makes it.
    TimewaitGone,
    /// Unknown: events were lost, and another connection took the socket's place.
    EventsLost,
    /// Unknown: events were lost just before, which may be the one that would tell the cause.
    CauseLost,
    /// Reset sent: the kernel gives a reason for which there is no word above; its own name in lower case.
    Kernel(&'static str),
}

impl Reason {
    /// The length of an orphan's FIN_WAIT2 is not known.
    #[must_use]
    pub const fn hides_fin_wait2(self) -> bool {
        matches!(self, Self::OrphanFinWait2 | Self::TimewaitRecycled | Self::TimewaitOverflow | Self::TimewaitGone)
    }

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnreadData => "unread_data",
            Self::Linger0 => "linger_0",
            Self::Disconnect => "disconnect",
            Self::Linger2 => "linger2",
            Self::OrphanMemory => "orphan_memory",
            Self::DataAfterClose => "data_after_close",
            Self::ListenerClosed => "listener_closed",
            Self::MptcpFastclose => "mptcp_fastclose",
            Self::Keepalive => "keepalive",
            Self::Unreachable => "unreachable",
            Self::OrphanFinWait2 => "orphan_fin_wait2",
            Self::TimewaitRecycled => "timewait_recycled",
            Self::TimewaitOverflow => "timewait_overflow",
            Self::TimewaitGone => "timewait_gone",
            Self::EventsLost => "events_lost",
            Self::CauseLost => "cause_lost",
            Self::Kernel(name) => name,
        }
    }
}
