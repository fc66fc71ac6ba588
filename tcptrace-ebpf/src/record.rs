//! The record: 128 bytes of integers, the same for every kind, explicit to the last byte.
//!
//! Fields that a kind or a kernel does not supply are 0, and a flag says so where 0 could be meant.

use core::mem::{offset_of, size_of};

/// Version of [`Record`] and [`crate::counters::Counters`]; a capture names the one it holds.
///
/// Version 2 has the layout of version 1, and flags that version 1 never set ([`FLAG_MPTCP`], [`FLAG_UNACCEPTED`]). In
/// version 1, `comm` was the name of the acting thread, and a kernel thread could be an owner.
pub const WIRE_VERSION: u16 = 2;
/// The oldest version whose records can be read as those of this one.
pub const WIRE_VERSION_OLDEST: u16 = 1;

/// A state transition (`sock:inet_sock_set_state`).
pub const KIND_TRANSITION: u8 = 1;
/// A retransmit of a segment that carries FIN (`tcp:tcp_retransmit_skb`).
pub const KIND_RETRANSMIT: u8 = 2;
/// `tcp:tcp_receive_reset`, which `tcp_reset()` fires before the socket is closed.
pub const KIND_RESET_RECEIVED: u8 = 3;
/// `tcp:tcp_send_reset` for a full socket, or for a timewait socket (state TIME_WAIT), which stands for its full one:
/// the same cookie, no owner, no `sk_err`, no `sk_shutdown`.
pub const KIND_RESET_SENT: u8 = 4;
/// The peer's FIN has reached a timewait socket (`tcp_timewait_state_process()`, where fexit can be had): TIME_WAIT
/// begins now for an orphan, unless the FIN came again. State TIME_WAIT; no owner, no `sk_err`, no `sk_shutdown`.
pub const KIND_TIME_WAIT: u8 = 5;

/// `sk_shutdown` bit `RCV_SHUTDOWN`.
pub const FLAG_RCV_SHUTDOWN: u16 = 1;
/// `sk_shutdown` bit `SEND_SHUTDOWN`.
pub const FLAG_SEND_SHUTDOWN: u16 = 1 << 1;
/// `SOCK_DEAD`: no program holds the socket (an orphan).
pub const FLAG_ORPHAN: u16 = 1 << 2;
/// `SOCK_DONE`: the peer's FIN was received (`tcp_fin()`).
pub const FLAG_DONE: u16 = 1 << 3;
/// `pid`, `cgroup_id` and `comm` are those of the task that acts on the socket. A kernel thread never counts as one.
pub const FLAG_OWNER: u16 = 1 << 4;
/// `srtt_us`, `bytes_sent` and `bytes_received` are filled.
pub const FLAG_TOTALS: u16 = 1 << 5;
/// `segs_in` is filled.
pub const FLAG_SEGS_IN: u16 = 1 << 6;
/// `key` is a masked socket address, because the kernel gives no cookie here.
pub const FLAG_KEY_IS_ADDRESS: u16 = 1 << 7;
/// The retransmit is a tail loss probe (`ICSK_TIME_LOSS_PROBE`).
pub const FLAG_TLP: u16 = 1 << 8;
/// The retransmit was made by the retransmission timer (no timer pending while it runs).
pub const FLAG_RTO: u16 = 1 << 9;
/// The retransmit did not leave (`err` of the tracepoint, in `detail`).
pub const FLAG_FAILED: u16 = 1 << 10;
/// `detail` holds what its documentation says.
pub const FLAG_DETAIL: u16 = 1 << 11;
/// `tcp_sock.is_mptcp`: a subflow, which an MPTCP socket holds. Of full sockets, where the kernel has MPTCP.
pub const FLAG_MPTCP: u16 = 1 << 12;
/// `sk_socket` is NULL and `SOCK_DEAD` is not set: the connection never had a file, because nobody accepted it. Set at
/// `-> CLOSE` from ESTABLISHED or CLOSE_WAIT alone, and never of a subflow, which MPTCP takes the file from.
pub const FLAG_UNACCEPTED: u16 = 1 << 13;
/// Every flag that this version defines.
pub const FLAGS_KNOWN: u16 = (1 << 14) - 1;

/// Of `tcp_flags` of a transition to CLOSE: the other bits hold `icsk_retransmits` + `icsk_probes_out`, the attempts
/// that nothing has answered. Not set in records of before this was recorded.
pub const RETRIES_KNOWN: u16 = 1 << 15;

/// What one ring buffer entry holds, in the machine's own byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// `bpf_ktime_get_ns()`: CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// Socket cookie (`sock_gen_cookie()`), or see [`FLAG_KEY_IS_ADDRESS`].
    pub key: u64,
    /// cgroup v2 id of the acting task; see [`FLAG_OWNER`].
    pub cgroup_id: u64,
    /// Payload bytes sent, each counted once: `tcp_sock.bytes_sent - bytes_retrans`.
    pub bytes_sent: u64,
    /// `tcp_sock.bytes_received`, in which the peer's FIN counts as one.
    pub bytes_received: u64,
    /// Inode of the network namespace (`net.ns.inum`).
    pub netns: u32,
    /// Process id (thread group) of the acting task in the initial pid namespace.
    pub pid: u32,
    /// Smoothed round-trip time in microseconds (`srtt_us >> 3`).
    pub srtt_us: u32,
    /// `tcp_sock.segs_in`, modulo 2^32.
    pub segs_in: u32,
    /// Reset sent: `enum sk_rst_reason` of this kernel. Retransmit: the errno that failed it. See [`FLAG_DETAIL`].
    /// Transition: index of the interface that the socket is bound to (`skc_bound_dev_if`), needs no flag: 0 is none,
    /// or a record from before this was recorded, which says 0 too.
    pub detail: u32,
    /// One of the `KIND_*` constants.
    pub kind: u8,
    /// State before, or the state now for kinds that are no transition.
    pub old_state: u8,
    /// State after, or the state now.
    pub new_state: u8,
    /// `AF_INET` (2) or `AF_INET6` (10).
    pub family: u8,
    /// Local port, host order, of a timewait socket `skc_num`; 0 at `CLOSE -> SYN_SENT`.
    pub local_port: u16,
    /// Remote port, host order.
    pub remote_port: u16,
    /// `sk_err`, a positive errno or 0; 0 for a timewait socket, which has none.
    pub sk_err: u16,
    /// `FLAG_*` bits.
    pub flags: u16,
    /// Local address: 4 bytes and 12 zeros for `AF_INET`.
    pub local_addr: [u8; 16],
    /// Remote address, in the same way.
    pub remote_addr: [u8; 16],
    /// Name of the acting task's thread group leader, which is the name of a process; NUL padded. See [`FLAG_OWNER`].
    pub comm: [u8; 16],
    /// Retransmit: `tcp_skb_cb.tcp_flags` of the segment. Transition to CLOSE: see [`RETRIES_KNOWN`].
    pub tcp_flags: u16,
    /// Always 0.
    pub pad: u16,
    /// Changes whenever an event has found no room on any CPU: a reader learns of a loss from the very next record.
    /// (The time of the last loss in units of 1024 ns, modulo 2^32; 0 before the first.)
    pub loss_mark: u32,
}

/// Size of a record on the wire.
pub const RECORD_LEN: usize = 128;

const _: () = {
    assert!(size_of::<Record>() == RECORD_LEN);
    assert!(offset_of!(Record, bytes_received) == 32);
    assert!(offset_of!(Record, netns) == 40);
    assert!(offset_of!(Record, detail) == 56);
    assert!(offset_of!(Record, kind) == 60);
    assert!(offset_of!(Record, local_port) == 64);
    assert!(offset_of!(Record, flags) == 70);
    assert!(offset_of!(Record, local_addr) == 72);
    assert!(offset_of!(Record, comm) == 104);
    assert!(offset_of!(Record, tcp_flags) == 120);
    assert!(offset_of!(Record, pad) == 122);
    assert!(offset_of!(Record, loss_mark) == 124);
};
