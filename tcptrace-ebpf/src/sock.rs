//! Typed reads of `struct sock` and `struct tcp_sock` at the offsets user space resolved.
//!
//! The arguments of a BTF tracepoint are typed pointers: loads through them are checked by the
//! verifier and cannot fault, so they need no `bpf_probe_read_kernel()`.

use aya_ebpf::helpers::generated::bpf_skc_to_tcp_sock;
use tcptrace_ebpf::filter::span;

use crate::maps::layout;

/// `struct sock`, as a tracepoint hands it over; never null.
#[derive(Clone, Copy)]
pub(crate) struct Sock(*const u8);

/// `struct tcp_sock`; never null.
#[derive(Clone, Copy)]
pub(crate) struct TcpSock(*const u8);

/// # Safety
/// `base` is a typed kernel pointer and `offset` that of a field of type `T` from BTF.
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(base: *const u8, offset: u32) -> T {
    // SAFETY: by the caller; the verifier checks both, and faults read as zero.
    unsafe { base.add(offset as usize).cast::<T>().read_volatile() }
}

impl Sock {
    #[inline(always)]
    pub(crate) fn new(sk: *const u8) -> Option<Self> {
        if sk.is_null() { None } else { Some(Self(sk)) }
    }

    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *const u8 {
        self.0
    }

    /// The socket as TCP's own; `None` for what is no full TCP socket (timewait, request, MPTCP).
    #[inline(always)]
    pub(crate) fn tcp(self) -> Option<TcpSock> {
        // SAFETY: a typed pointer from the tracepoint, as the helper demands.
        let tcp = unsafe { bpf_skc_to_tcp_sock(self.0.cast_mut().cast()) }.cast::<u8>();
        if tcp.is_null() { None } else { Some(TcpSock(tcp.cast_const())) }
    }
}

macro_rules! fields {
    ($owner:ident: $($(#[$doc:meta])* $name:ident: $type:ty = $offset:ident;)*) => {
        impl $owner {
            $($(#[$doc])* #[inline(always)]
            pub(crate) fn $name(self) -> $type {
                // SAFETY: the offset is that field's, resolved from BTF with its size checked.
                unsafe { load(self.0, layout!($offset)) }
            })*
        }
    };
}

fields! { Sock:
    family: u16 = sk_family;
    state: u8 = sk_state;
    dport: u16 = sk_dport;
    saddr4: u32 = sk_saddr4;
    daddr4: u32 = sk_daddr4;
    saddr6: [u32; 4] = sk_saddr6;
    daddr6: [u32; 4] = sk_daddr6;
    flags: u64 = sk_flags;
    /// 0 until somebody has asked for it.
    cookie: u64 = sk_cookie;
    /// In host order; 0 where the socket is bound no more.
    num: u16 = sk_num;
    /// Index of the interface that the socket is bound to, or 0.
    bound_if: u32 = sk_bound_if;
    err: u32 = sk_err;
    shutdown: u8 = sk_shutdown;
    protocol: u16 = sk_protocol;
    net: *const u8 = sk_net;
    /// `struct socket`, through which a program holds it.
    socket: *const u8 = sk_socket;
}

fields! { TcpSock:
    sport: u16 = tp_sport;
    /// `icsk_pending`: which timer is armed.
    pending: u8 = tp_pending;
    /// Timeouts since the last acknowledgement.
    retransmits: u8 = tp_retransmits;
    /// Probes (window, keep-alive) since the last acknowledgement.
    probes_out: u8 = tp_probes_out;
    /// Smoothed round-trip time, in eighths of a microsecond.
    srtt_eighths: u32 = tp_srtt;
    segs_in: u32 = tp_segs_in;
    bytes_sent: u64 = tp_bytes_sent;
    bytes_retrans: u64 = tp_bytes_retrans;
    bytes_received: u64 = tp_bytes_received;
}

impl TcpSock {
    /// Whether an MPTCP socket holds it (`sk_is_mptcp()`).
    #[inline(always)]
    pub(crate) fn is_mptcp(self) -> bool {
        let at = layout!(tp_mptcp);
        // SAFETY: the byte that the flag is in, from BTF.
        at != 0 && u32::from(unsafe { load::<u8>(self.0, at) }) & layout!(mptcp_mask) != 0
    }
}

impl Sock {
    /// Whether nobody has accepted the connection yet: it has no file, and is no orphan either.
    #[inline(always)]
    pub(crate) fn is_unaccepted(self) -> bool {
        self.socket().is_null() && !self.has_flag(layout!(bit_dead))
    }

    /// `tw_substate` of a timewait socket, which shares nothing but `struct sock_common` with others.
    #[inline(always)]
    pub(crate) fn timewait_substate(self) -> u8 {
        // SAFETY: the verifier knows the type, and refuses the load from any other socket.
        unsafe { load(self.0, layout!(tw_substate)) }
    }

    /// Inode of the socket's network namespace.
    #[inline(always)]
    pub(crate) fn netns(self) -> u32 {
        // SAFETY: `skc_net` is a typed pointer too; a fault reads as zero.
        unsafe { load(self.net(), layout!(net_inum)) }
    }

    /// The ports that `connect()` chooses from where none is bound (`__inet_hash_connect()`), as
    /// [`tcptrace_ebpf::filter::span`]. A socket can narrow them (IP_LOCAL_PORT_RANGE), and not widen.
    #[inline(always)]
    pub(crate) fn ephemeral_ports(self) -> u32 {
        let (net, at) = (self.net(), layout!(net_ports));
        if at == 0 {
            return span(0, u16::MAX);
        }
        // SAFETY: as above; one or two `int`, by the size that BTF gave.
        unsafe {
            if layout!(net_ports_len) == 4 {
                load(net, at)
            } else {
                span(load::<u32>(net, at) as u16, load::<u32>(net, at + 4) as u16)
            }
        }
    }

    /// `sk_flags` has this bit.
    #[inline(always)]
    pub(crate) fn has_flag(self, bit: u32) -> bool {
        self.flags() >> (bit & 63) & 1 == 1
    }
}
