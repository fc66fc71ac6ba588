//! What differs between kernels, in one place: since which release, in which function of the kernel's source, and what
//! is lost without it. `tcptrace check` prints it, kernel tests state by it what they need, and `cargo xtask vm`
//! measures it.

use tcptrace_ebpf::layout::Layout;

/// Something that newer kernels have and older ones lack.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// What it is.
    pub name: &'static str,
    /// The first release that has it.
    pub since: (u32, u32),
    /// Where the kernel's source shows it.
    pub source: &'static str,
    /// What is lost without it.
    pub lost: &'static str,
}

/// Without them nothing names a socket for good, and no timewait socket can be found again.
pub const SOCKET_COOKIES: Difference = Difference {
    name: "socket cookies for BPF",
    since: (5, 12),
    source: "bpf_get_socket_cookie() in tracing_prog_func_proto()",
    lost: "sockets are told apart by masked address and generation; no look-up by cookie: FIN_WAIT2 of close()d \
           sockets and reasons of findings in `trace` are unknown",
};

/// Skipped runs of a program become visible.
pub const SKIPPED_RUNS: Difference = Difference {
    name: "skipped program runs",
    since: (5, 12),
    source: "bpf_prog_inc_misses_counter()",
    lost: "events that a softirq hides from a program on the same CPU are not counted as lost",
};

/// The third argument of `tcp_send_reset`.
pub const RESET_REASONS: Difference = Difference {
    name: "reasons of sent resets",
    since: (6, 10),
    source: "trace_tcp_send_reset() in tcp_send_active_reset()",
    lost: "`reason` of `reset_sent` is null",
};

/// `tcp_send_reset` also fires for timewait sockets.
pub const TIMEWAIT_RESETS: Difference = Difference {
    name: "resets of timewait sockets",
    since: (6, 10),
    source: "trace_tcp_send_reset() in tcp_v4_send_reset()",
    lost: "data that arrives after close() ends an orphan in FIN_WAIT2 as `timewait_gone` instead of `reset_sent`",
};

/// The third argument of `tcp_retransmit_skb`.
pub const RETRANSMIT_ERRORS: Difference = Difference {
    name: "failed retransmits (err of tcp_retransmit_skb)",
    since: (6, 17),
    source: "trace_tcp_retransmit_skb() in __tcp_retransmit_skb()",
    lost: "older kernels fire no event for a retransmit that could not leave: `failed` stays 0",
};

/// sock_diag tells of sockets that are bound, and neither connected nor listening.
pub const BOUND_SOCKETS: Difference = Difference {
    name: "bound sockets in sock_diag",
    since: (6, 8),
    source: "inet_diag_dump_icsk() with TCPF_BOUND_INACTIVE",
    lost: "ports of sockets that are bound and not connected are missing in `doctor`'s row ephemeral_ports",
};

/// Bytes of `tcp_skb_cb.tcp_flags`: one on older kernels, where nothing is lost.
pub const WIDE_TCP_FLAGS: Difference = Difference {
    name: "tcp_flags of 2 bytes",
    since: (6, 15),
    source: "struct tcp_skb_cb",
    lost: "nothing: the flags that matter are in the byte that older kernels have",
};

/// What `--cgroup` needs in the kernel.
pub const CGROUP_ANCESTORS: Difference = Difference {
    name: "filters in the kernel, of cgroups too",
    since: (5, 14),
    source: "bpf_get_current_ancestor_cgroup_id() in tracing_prog_func_proto()",
    lost: "what --cgroup leaves out reaches user space all the same, as in a container",
};

/// An event when the peer of an orphan in FIN_WAIT2 closes. Attaching asks for what not every build of a kernel has.
pub const TIME_WAIT_EVENTS: Difference = Difference {
    name: "time-wait events (fexit)",
    since: (5, 12),
    source: "tcp_timewait_state_process(), whose sockets are known by bpf_get_socket_cookie()",
    lost: "when the peer of a close()d socket in FIN_WAIT2 closes is known to a tick (10 ms) by look-ups instead of \
           exactly, or to the peer's LAST_ACK over loopback",
};

/// MPTCP sockets. Linux has them since 5.6, and distributions turned them on later.
pub const MPTCP: Difference = Difference {
    name: "MPTCP",
    since: (5, 16),
    source: "CONFIG_MPTCP in Debian's kernels; tcp_sock.is_mptcp, mptcp_diag",
    lost: "nothing: there are no MPTCP connections",
};

/// When an MPTCP connection last heard of its peer.
pub const MPTCP_AGES: Difference = Difference {
    name: "ages of MPTCP connections",
    since: (6, 10),
    source: "mptcpi_last_ack_recv in mptcp_diag_fill_info()",
    lost: "`stuck` and `leaks` know of MPTCP connections only the time that they watched them",
};

/// The BPF ring buffer, without which there is no tcptrace.
pub const RING_BUFFER: Difference =
    Difference { name: "BPF ring buffer", since: (5, 8), source: "ringbuf_map_alloc()", lost: "nothing runs" };

/// The oldest kernel that was tried, and works.
pub const OLDEST: (u32, u32) = (5, 10);

/// What a resolved and loaded layout shows of it.
#[must_use]
pub fn found(layout: &Layout) -> [(Difference, bool); 5] {
    [
        (SOCKET_COOKIES, layout.has_cookie == 1),
        (RETRANSMIT_ERRORS, layout.has_retransmit_err == 1),
        (RESET_REASONS, layout.has_reset_reason == 1),
        // Of the same release, and the one that can be seen.
        (TIMEWAIT_RESETS, layout.has_reset_reason == 1),
        (WIDE_TCP_FLAGS, layout.skb_tcp_flags_len == 2),
    ]
}

/// `(5, 10)` of `5.10.0-46-cloud-amd64`; None for what does not begin so.
#[must_use]
pub fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    numbers.next().zip(numbers.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_begin_with_two_numbers() {
        assert_eq!(version_of("6.12.117+deb13-cloud-amd64"), Some((6, 12)));
        assert_eq!(version_of("6.1-rc1"), Some((6, 1)));
        assert_eq!(version_of("mine"), None);
    }
}
