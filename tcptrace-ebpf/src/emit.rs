//! Fills one record in place in the ring buffer, or counts that there was no room.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_get_socket_cookie, bpf_ktime_get_ns, bpf_probe_read_kernel},
    maps::ring_buf::RingBufEntry,
};
use aya_log_ebpf::debug;
use tcptrace_ebpf::{
    record::{
        FLAG_DONE, FLAG_KEY_IS_ADDRESS, FLAG_MPTCP, FLAG_ORPHAN, FLAG_OWNER, FLAG_RCV_SHUTDOWN, FLAG_SEGS_IN,
        FLAG_SEND_SHUTDOWN, FLAG_TOTALS, Record,
    },
    state,
};

use crate::{
    maps::{EVENTS, counters, layout, loss_mark, mark_loss},
    owners::{self, Fate},
    sock::{Sock, TcpSock},
    stored,
    task::{self, Task},
};

const AF_INET6: u16 = 10;
/// A wake-up is considered once in this many events of a CPU; a power of two.
const WAKE_CHECK_EVENTS: u64 = 256;

/// What differs between kinds; the rest of a record comes from the socket.
pub(crate) struct Event {
    pub(crate) kind: u8,
    /// See [`key`].
    pub(crate) key: u64,
    pub(crate) old_state: u8,
    pub(crate) new_state: u8,
    pub(crate) flags: u16,
    pub(crate) detail: u32,
    pub(crate) tcp_flags: u16,
    /// The program's own set of counters.
    pub(crate) counter_set: u32,
    /// Who acts on the socket, where that is known.
    pub(crate) owner: Option<Task>,
    /// Record round-trip time and bytes both ways.
    pub(crate) totals: bool,
    /// Record the number of segments received.
    pub(crate) segs_in: bool,
    /// Not to be sent yet: see [`stored::connects`](crate::stored).
    pub(crate) later: bool,
}

/// Sends one event of a full socket, or counts it as lost.
#[inline(always)]
pub(crate) fn emit<C: EbpfContext>(ctx: &C, sk: Sock, tcp: TcpSock, event: Event) {
    send(ctx, sk, Some(tcp), event);
}

/// Sends one event of a timewait socket, of which nothing beyond `struct sock_common` may be read: the rest of
/// `struct sock` is not there.
#[inline(always)]
pub(crate) fn emit_timewait<C: EbpfContext>(ctx: &C, sk: Sock, event: Event) {
    send(ctx, sk, None, event);
}

#[inline(always)]
fn send<C: EbpfContext>(ctx: &C, sk: Sock, tcp: Option<TcpSock>, event: Event) {
    // Copies, for a reference would keep the whole event in memory.
    let (kind, old, new) = (event.kind, event.old_state, event.new_state);
    let counter_set = event.counter_set;
    match owners::judge(&event) {
        Fate::Pass => {}
        Fate::PassAfterHeld => stored::send_held(event.key, counter_set),
        Fate::Hold => {
            if stored::hold(sk, tcp, &event) {
                return;
            }
        }
        Fate::Drop => return,
    }
    if event.later && stored::keep_connect(sk, tcp, &event) {
        return;
    }
    let Some((mut entry, wake)) = reserve(counter_set) else {
        debug!(ctx, "ring buffer full: lost {} -> {}", old, new);
        return;
    };
    // SAFETY: reserved memory of this very type, written field by field below, all of them.
    unsafe { fill(entry.as_mut_ptr(), sk, tcp, &event) };
    entry.submit(wake);
    debug!(ctx, "event {}: {} -> {}", kind, old, new);
}

/// Room for one record, and how to submit it. It counts as seen, and as lost where there is none.
#[inline(always)]
pub(crate) fn reserve(counter_set: u32) -> Option<(RingBufEntry<Record>, u64)> {
    let counters = counters(counter_set)?;
    counters.seen += 1;
    let wake = wake_flag(counters.seen);
    match EVENTS.reserve::<Record>(0) {
        Some(entry) => Some((entry, wake)),
        None => {
            counters.lost += 1;
            // SAFETY: the helper takes nothing and only reads a clock.
            mark_loss(unsafe { bpf_ktime_get_ns() });
            None
        }
    }
}

/// What [`reserve`] counted is not sent after all: somebody else has it.
#[inline(always)]
pub(crate) fn unsee(counter_set: u32, found_room: bool) {
    if let Some(counters) = counters(counter_set) {
        counters.seen -= 1;
        counters.lost -= u64::from(!found_room);
    }
}

/// The reader looks by itself every 100 ms, so nobody is woken for an event, only for a buffer that
/// fills up faster than that; and that is looked at rarely, for the look costs too.
#[inline(always)]
fn wake_flag(seen: u64) -> u64 {
    if seen & (WAKE_CHECK_EVENTS - 1) == 0
        && EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) > u64::from(layout!(wake_bytes))
    {
        u64::from(BPF_RB_FORCE_WAKEUP)
    } else {
        u64::from(BPF_RB_NO_WAKEUP)
    }
}

/// # Safety
/// `to` points at memory for one record, all of which is written.
#[inline(always)]
pub(crate) unsafe fn fill(to: *mut Record, sk: Sock, tcp: Option<TcpSock>, event: &Event) {
    let mut flags = event.flags;
    let family = sk.family();
    // SAFETY: `to` is valid for writes, and helpers are given pointers to memory that we own.
    unsafe {
        (*to).time_ns = bpf_ktime_get_ns();
        (*to).key = event.key;
        if layout!(has_cookie) == 0 {
            flags |= FLAG_KEY_IS_ADDRESS;
        }
        (*to).netns = sk.netns();
        (*to).kind = event.kind;
        (*to).old_state = event.old_state;
        (*to).new_state = event.new_state;
        (*to).family = family as u8;
        (*to).remote_port = u16::from_be(sk.dport());
        (*to).detail = event.detail;
        (*to).tcp_flags = event.tcp_flags;
        (*to).pad = 0;
        (*to).loss_mark = loss_mark();
        addresses(to, sk, family);
        match event.owner {
            Some(task) => {
                task.fill(to);
                flags |= FLAG_OWNER;
            }
            None => task::clear(to),
        }
        flags |= totals(to, tcp.filter(|_| event.totals));
        (*to).segs_in = 0;
        match tcp {
            Some(tcp) => {
                flags |= socket_flags(sk);
                if tcp.is_mptcp() {
                    flags |= FLAG_MPTCP;
                }
                // A connect that has no port yet has that of a former one in `inet_sport`.
                let connecting = event.new_state == state::SYN_SENT;
                (*to).local_port = if connecting { sk.num() } else { u16::from_be(tcp.sport()) };
                (*to).sk_err = sk.err() as u16;
                if event.segs_in {
                    (*to).segs_in = tcp.segs_in();
                    flags |= FLAG_SEGS_IN;
                }
            }
            None => {
                (*to).local_port = sk.num();
                (*to).sk_err = 0;
            }
        }
        (*to).flags = flags;
    }
}

/// The socket's cookie; where the kernel gives none, its address under a mask.
#[inline(always)]
pub(crate) fn key<C: EbpfContext>(ctx: &C, sk: Sock) -> u64 {
    if layout!(has_cookie) == 0 {
        return first_argument(ctx) ^ layout!(address_mask);
    }
    // The helper makes a cookie at the first call; later a load will do.
    let cookie = sk.cookie();
    if cookie != 0 {
        return cookie;
    }
    // SAFETY: a typed pointer from the tracepoint, as the helper demands.
    unsafe { bpf_get_socket_cookie(sk.as_ptr().cast_mut().cast()) }
}

/// The socket's address as a number, which the verifier lets nobody make of the pointer itself.
#[inline(always)]
fn first_argument<C: EbpfContext>(ctx: &C) -> u64 {
    let mut address = 0_u64;
    // SAFETY: reads eight bytes of the tracepoint's arguments into a variable of that size.
    unsafe { bpf_probe_read_kernel((&raw mut address).cast(), 8, ctx.as_ptr()) };
    address
}

#[inline(always)]
fn socket_flags(sk: Sock) -> u16 {
    let mut flags = u16::from(sk.shutdown()) & (FLAG_RCV_SHUTDOWN | FLAG_SEND_SHUTDOWN);
    if sk.has_flag(layout!(bit_dead)) {
        flags |= FLAG_ORPHAN;
    }
    if sk.has_flag(layout!(bit_done)) {
        flags |= FLAG_DONE;
    }
    flags
}

/// # Safety
/// As [`fill`].
#[inline(always)]
unsafe fn addresses(to: *mut Record, sk: Sock, family: u16) {
    // SAFETY: by the caller; the arrays are 4-byte aligned within the record (offsets 72 and 88).
    unsafe {
        let local = (&raw mut (*to).local_addr).cast::<[u32; 4]>();
        let remote = (&raw mut (*to).remote_addr).cast::<[u32; 4]>();
        if family == AF_INET6 && layout!(has_ipv6) != 0 {
            *local = sk.saddr6();
            *remote = sk.daddr6();
        } else {
            *local = [sk.saddr4(), 0, 0, 0];
            *remote = [sk.daddr4(), 0, 0, 0];
        }
    }
}

/// # Safety
/// As [`fill`].
#[inline(always)]
unsafe fn totals(to: *mut Record, tcp: Option<TcpSock>) -> u16 {
    // SAFETY: by the caller.
    unsafe {
        let Some(tcp) = tcp else {
            (*to).srtt_us = 0;
            (*to).bytes_sent = 0;
            (*to).bytes_received = 0;
            return 0;
        };
        (*to).srtt_us = tcp.srtt_eighths() >> 3;
        (*to).bytes_sent = tcp.bytes_sent().wrapping_sub(tcp.bytes_retrans());
        (*to).bytes_received = tcp.bytes_received();
        FLAG_TOTALS
    }
}
