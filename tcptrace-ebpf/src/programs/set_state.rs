//! Traces `sock:inet_sock_set_state(sk, oldstate, newstate)`, fired by `inet_sk_state_store()`.
//! Yields [`KIND_TRANSITION`] for TCP teardown steps and for `connect()`.
//!
//! Two programs do this. The kernel skips a program that a softirq interrupts and wants to run again on the same
//! CPU (`bpf_trace_run`, `prog->active`), which under load costs some events in ten thousand. The second program,
//! attached after the first, handles just those that the first was kept from: see [`crate::nesting`].

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tcptrace_ebpf::{
    counters::{SET_NESTED, set_of},
    record::{FLAG_UNACCEPTED, KIND_TRANSITION, RETRIES_KNOWN},
    state,
};

use crate::{
    emit::{Event, emit, key},
    maps::layout,
    nesting,
    sock::{Sock, TcpSock},
    socket_filter::{self, Wanted, in_sample},
    stored,
    task::Task,
};

const IPPROTO_TCP: u16 = 6;
/// Both bits of `sk_shutdown`.
const SHUTDOWN_MASK: u8 = 3;

#[btf_tracepoint(function = "inet_sock_set_state")]
fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    if let Some(change) = of_interest(&ctx, set_of(KIND_TRANSITION)) {
        let Change { key, old, new, .. } = change;
        transition(&ctx, change, set_of(KIND_TRANSITION));
        // Also what was held or dropped: the second program must not do so again.
        nesting::handled(key, old, new);
    }
    0
}

#[btf_tracepoint(function = "inet_sock_set_state")]
fn set_state_nested(ctx: BtfTracePointContext) -> i32 {
    if let Some(change) = of_interest(&ctx, SET_NESTED)
        && !nesting::take(change.key, change.old, change.new)
    {
        transition(&ctx, change, SET_NESTED);
    }
    0
}

/// One step of a socket that is wanted.
struct Change {
    sk: Sock,
    key: u64,
    old: u8,
    new: u8,
    /// It is not known yet whether it is wanted.
    later: bool,
}

/// The same for both programs, whoever of them handles it.
#[inline(always)]
fn of_interest(ctx: &BtfTracePointContext, counter_set: u32) -> Option<Change> {
    let sk = Sock::new(ctx.arg(0))?;
    let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    let (old, new) = (old as u8, new as u8);
    if old == state::SYN_SENT && socket_filter::connects_wait() && sk.protocol() == IPPROTO_TCP {
        settle_connect(ctx, sk, counter_set);
    }
    if !state::crosses(old, new) || sk.protocol() != IPPROTO_TCP {
        return None;
    }
    if !socket_filter::wants_connects() && (old == state::SYN_SENT || new == state::SYN_SENT) {
        return None;
    }
    let connecting = new == state::SYN_SENT;
    // What a former connection has left in `inet_sport` is nothing to go by.
    let port = || if connecting { sk.num() } else { local_port(sk) };
    let wanted = socket_filter::judge(sk, port, connecting);
    if wanted == Wanted::No {
        return None;
    }
    let key = key(ctx, sk);
    in_sample(key).then_some(Change { sk, key, old, new, later: wanted == Wanted::Later })
}

/// A connect got as far as it gets, and by now its local port is known: what was kept is sent, or forgotten.
#[inline(always)]
fn settle_connect(ctx: &BtfTracePointContext, sk: Sock, counter_set: u32) {
    let wanted = socket_filter::wants(sk, || local_port(sk));
    if !wanted && !socket_filter::may_have_waited(sk) {
        return;
    }
    let key = key(ctx, sk);
    if !stored::has_connect(key) {
        return;
    }
    if wanted {
        stored::send_connect(key, counter_set);
    } else {
        stored::forget_connect(key);
    }
}

/// A load where the socket is bound. `tcp_set_state()` unbinds it before it tells of CLOSE.
#[inline(always)]
fn local_port(sk: Sock) -> u16 {
    match sk.num() {
        0 => sk.tcp().map_or(0, |tcp| u16::from_be(tcp.sport())),
        bound => bound,
    }
}

#[inline(always)]
fn transition(ctx: &BtfTracePointContext, change: Change, counter_set: u32) {
    let Change { sk, key, old, new, later } = change;
    let Some(tcp) = sk.tcp() else { return };
    let ends = new == state::CLOSE;
    let aborts = ends && (old == state::ESTABLISHED || old == state::CLOSE_WAIT);
    // MPTCP takes the file from its subflows when its own is closed, too (`__mptcp_close()`).
    let unaccepted = aborts && sk.is_unaccepted() && !tcp.is_mptcp();
    let acts = state::in_owner_context(old, new) || (aborts && is_callers(sk, unaccepted));
    let event = Event {
        kind: KIND_TRANSITION,
        key,
        old_state: old,
        new_state: new,
        flags: if unaccepted { FLAG_UNACCEPTED } else { 0 },
        detail: sk.bound_if(),
        tcp_flags: if ends { retries(tcp) } else { 0 },
        counter_set,
        owner: if acts { Task::current() } else { None },
        totals: ends,
        segs_in: ends || matches!(new, state::FIN_WAIT2 | state::CLOSING | state::LAST_ACK),
        later,
    };
    emit(ctx, sk, tcp, event);
}

/// What tells the kernel's giving up (`tcp_write_err()`) from an end that a left-over `sk_err` only seems to explain.
#[inline(always)]
fn retries(tcp: TcpSock) -> u16 {
    if layout!(tp_retransmits) == 0 {
        return 0;
    }
    RETRIES_KNOWN | (u16::from(tcp.retransmits()) + u16::from(tcp.probes_out()))
}

/// Whether `-> CLOSE` from ESTABLISHED or CLOSE_WAIT is made by a call that the current task is in.
///
/// - `close()` of the socket: `sk_shutdown` has both bits only inside `__tcp_close()`, which sets them first;
///   `tcp_done()` of a reset or a timeout sets them after the state. `sk_err` says nothing: it may be left over.
/// - `close()` of its listener, before anybody accepted it: `inet_csk_listen_stop()` takes it out of the queue, and
///   `inet_child_forget()` disconnects it. A reset or a timeout arrives with `sk_err` set.
#[inline(always)]
fn is_callers(sk: Sock, unaccepted: bool) -> bool {
    sk.shutdown() & SHUTDOWN_MASK == SHUTDOWN_MASK || (unaccepted && sk.err() == 0)
}
