//! Traces `tcp:tcp_send_reset(sk, skb[, reason])`, fired by `tcp_send_active_reset()` and
//! `tcp_v4_send_reset()`. Yields [`KIND_RESET_SENT`] for full sockets and for timewait sockets that have a cookie;
//! counts the others.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tcptrace_ebpf::{
    counters::set_of,
    record::{FLAG_DETAIL, FLAG_ORPHAN, KIND_RESET_SENT},
    state,
};

use crate::{
    emit::{Event, emit, emit_timewait, key},
    maps::{counters, layout},
    sock::Sock,
    socket_filter::{in_sample, wants},
};

#[btf_tracepoint(function = "tcp_send_reset")]
fn tcp_send_reset(ctx: BtfTracePointContext) -> i32 {
    // A reset for a closed port has no socket; one for a timewait or request socket has no full one.
    let Some(sk) = Sock::new(ctx.arg(0)) else { return foreign() };
    let state = sk.state();
    if state == state::NEW_SYN_RECV {
        return foreign();
    }
    let mut flags = 0;
    let mut detail = 0;
    if layout!(has_reset_reason) != 0 {
        flags = FLAG_DETAIL;
        detail = ctx.arg::<u32>(2);
    }
    if state == state::TIME_WAIT {
        return timewait(&ctx, sk, flags, detail);
    }
    let Some(tcp) = sk.tcp() else { return foreign() };
    if !wants(sk, || u16::from_be(tcp.sport())) {
        return 0;
    }
    let key = key(&ctx, sk);
    if !in_sample(key) {
        return 0;
    }
    let event = Event {
        kind: KIND_RESET_SENT,
        key,
        old_state: state,
        new_state: state,
        flags,
        detail,
        tcp_flags: 0,
        counter_set: set_of(KIND_RESET_SENT),
        owner: None,
        totals: false,
        segs_in: false,
        later: false,
    };
    emit(&ctx, sk, tcp, event);
    0
}

/// The answer to data for an orphan in FIN_WAIT2, whose full socket is gone (`tcp_timewait_state_process()`).
#[inline(always)]
fn timewait(ctx: &BtfTracePointContext, sk: Sock, flags: u16, detail: u32) -> i32 {
    // It inherits the cookie of its full socket. Without one no event named that socket, and a new one would be no
    // better.
    let cookie = sk.cookie();
    if cookie == 0 || layout!(has_cookie) == 0 {
        return foreign();
    }
    if !wants(sk, || sk.num()) || !in_sample(cookie) {
        return 0;
    }
    // `tcp_timewait_state_process()` asks for resets in substate FIN_WAIT2 alone, which only orphans reach.
    let flags = flags | FLAG_ORPHAN;
    let (old_state, new_state) = (state::TIME_WAIT, state::TIME_WAIT);
    let event = Event {
        kind: KIND_RESET_SENT,
        key: cookie,
        old_state,
        new_state,
        flags,
        detail,
        tcp_flags: 0,
        counter_set: set_of(KIND_RESET_SENT),
        owner: None,
        totals: false,
        segs_in: false,
        later: false,
    };
    emit_timewait(ctx, sk, event);
    0
}

#[inline(always)]
fn foreign() -> i32 {
    if let Some(counters) = counters(set_of(KIND_RESET_SENT)) {
        counters.foreign_resets += 1;
    }
    0
}
