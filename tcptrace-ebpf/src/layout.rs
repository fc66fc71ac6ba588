//! Where the running kernel keeps what the programs read.
//!
//! rustc emits no CO-RE relocations, so user space resolves each offset and size from the kernel's
//! BTF and hands them over in this read-only global. The verifier knows its values, so loads at these
//! offsets are checked against the types, and what is switched off is pruned.

/// Offsets in bytes from the start of the named structure; sizes in bytes; switches are 0 or 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// `sock.__sk_common.skc_family`, `u16`.
    pub sk_family: u32,
    /// `sock.__sk_common.skc_state`, `u8`.
    pub sk_state: u32,
    /// `sock.__sk_common.skc_dport`, big-endian `u16`.
    pub sk_dport: u32,
    /// `sock.__sk_common.skc_rcv_saddr`, 4 bytes.
    pub sk_saddr4: u32,
    /// `sock.__sk_common.skc_daddr`, 4 bytes.
    pub sk_daddr4: u32,
    /// `sock.__sk_common.skc_v6_rcv_saddr`, 16 bytes; see `has_ipv6`.
    pub sk_saddr6: u32,
    /// `sock.__sk_common.skc_v6_daddr`, 16 bytes.
    pub sk_daddr6: u32,
    /// `sock.__sk_common.skc_net`, a pointer to `struct net`.
    pub sk_net: u32,
    /// `net.ns.inum`, `u32`.
    pub net_inum: u32,
    /// `net.ipv4.ip_local_ports.range`: the ports that `connect()` chooses from; 0 where it was not found.
    pub net_ports: u32,
    /// Its size: 4 (the last in the upper half), or 8 (two `int`) before 6.8.
    pub net_ports_len: u32,
    /// `sock.__sk_common.skc_flags`, `unsigned long`.
    pub sk_flags: u32,
    /// Bit number of `SOCK_DEAD`.
    pub bit_dead: u32,
    /// Bit number of `SOCK_DONE`.
    pub bit_done: u32,
    /// `sock.__sk_common.skc_cookie`, `u64`; 0 until somebody asks for it.
    pub sk_cookie: u32,
    /// `sock.__sk_common.skc_num`, `u16` in host order: the local port while the socket is bound.
    pub sk_num: u32,
    /// `sock.__sk_common.skc_bound_dev_if`, `int`.
    pub sk_bound_if: u32,
    /// `sock.sk_err`, `int`.
    pub sk_err: u32,
    /// `sock.sk_socket`, a pointer to `struct socket`: NULL before `accept()` and after `close()`.
    pub sk_socket: u32,
    /// `sock.sk_shutdown`, `u8`.
    pub sk_shutdown: u32,
    /// `sock.sk_protocol`, `u16`.
    pub sk_protocol: u32,
    /// `inet_sock.inet_sport` within `tcp_sock`, big-endian `u16`; outlives the unbinding at CLOSE.
    pub tp_sport: u32,
    /// `inet_connection_sock.icsk_pending` within `tcp_sock`, `u8`.
    pub tp_pending: u32,
    /// `inet_connection_sock.icsk_retransmits` within `tcp_sock`, `u8`; 0 where it or the next one was not found.
    pub tp_retransmits: u32,
    /// `inet_connection_sock.icsk_probes_out` within `tcp_sock`, `u8`.
    pub tp_probes_out: u32,
    /// `tcp_sock.srtt_us`, `u32`.
    pub tp_srtt: u32,
    /// `tcp_sock.segs_in`, `u32`.
    pub tp_segs_in: u32,
    /// `tcp_sock.bytes_sent`, `u64`.
    pub tp_bytes_sent: u32,
    /// `tcp_sock.bytes_retrans`, `u64`.
    pub tp_bytes_retrans: u32,
    /// `tcp_sock.bytes_received`, `u64`.
    pub tp_bytes_received: u32,
    /// The byte that holds `tcp_sock.is_mptcp`; 0 where the kernel has no MPTCP.
    pub tp_mptcp: u32,
    /// Its bits in that byte: all of a `bool`, or one of a bit field.
    pub mptcp_mask: u32,
    /// `inet_timewait_sock.tw_substate`, `u8`; 0 where the kernel shows none, and then no program reads it.
    pub tw_substate: u32,
    /// Always 0: makes the size a multiple of 8 without hidden bytes.
    pub pad: u32,
    /// `task_struct.tgid`, `int`.
    pub task_tgid: u32,
    /// `task_struct.comm`, 16 bytes.
    pub task_comm: u32,
    /// `task_struct.flags`, `unsigned int`.
    pub task_flags: u32,
    /// `task_struct.group_leader`, a pointer to `struct task_struct`.
    pub task_leader: u32,
    /// 1 where `bpf_get_current_task_btf()` gives a typed pointer (5.11); elsewhere its fields are read by a helper.
    pub has_task_btf: u32,
    /// `task_struct.cgroups`, a pointer to `struct css_set`; 0 in a kernel without cgroups.
    pub task_cgroups: u32,
    /// `css_set.dfl_cgrp`, a pointer to `struct cgroup`: that of cgroup v2.
    pub css_set_cgroup: u32,
    /// `cgroup.kn`, a pointer to `struct kernfs_node`.
    pub cgroup_node: u32,
    /// `kernfs_node.id`, `u64`.
    pub node_id: u32,
    /// `sk_buff.cb` plus `tcp_skb_cb.tcp_flags`.
    pub skb_tcp_flags: u32,
    /// Size of `tcp_skb_cb.tcp_flags`: 1, or 2 on newer kernels.
    pub skb_tcp_flags_len: u32,
    /// 1 where the kernel was built with IPv6.
    pub has_ipv6: u32,
    /// 1 where `tcp_retransmit_skb` has a third argument `err` (6.17).
    pub has_retransmit_err: u32,
    /// 1 where `tcp_send_reset` has a third argument `reason` (6.10).
    pub has_reset_reason: u32,
    /// 1 where `bpf_get_socket_cookie()` loads in tracing programs.
    pub has_cookie: u32,
    /// Wake the reader when this many bytes wait in the ring buffer.
    pub wake_bytes: u32,
    /// Hides socket addresses where they stand in for cookies: a random number, new at each load.
    pub address_mask: u64,
}
