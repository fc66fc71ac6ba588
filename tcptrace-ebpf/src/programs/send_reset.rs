//! Traces `tcp:tcp_send_reset(sk, skb[, reason])`, fired by `tcp_send_active_reset()` and
//! `tcp_v4_send_reset()`. Yields [`KIND_RESET_SENT`] for full sockets; counts the others.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tcptrace_ebpf::{
    counters::set_of,
    record::{FLAG_DETAIL, KIND_RESET_SENT},
    state,
};

use crate::{
    emit::{Event, emit, key},
    maps::{counters, layout},
    sock::Sock,
};

#[btf_tracepoint(function = "tcp_send_reset")]
fn tcp_send_reset(ctx: BtfTracePointContext) -> i32 {
    // A reset for a closed port has no socket; one for a timewait or request socket has no full one.
    let Some(sk) = Sock::new(ctx.arg(0)) else { return foreign() };
    let state = sk.state();
    if state == state::TIME_WAIT || state == state::NEW_SYN_RECV {
        return foreign();
    }
    let Some(tcp) = sk.tcp() else { return foreign() };
    let mut flags = 0;
    let mut detail = 0;
    if layout!(has_reset_reason) != 0 {
        flags = FLAG_DETAIL;
        detail = ctx.arg::<u32>(2);
    }
    let event = Event {
        kind: KIND_RESET_SENT,
        key: key(&ctx, sk),
        old_state: state,
        new_state: state,
        flags,
        detail,
        tcp_flags: 0,
        counter_set: set_of(KIND_RESET_SENT),
        owner: false,
        totals: false,
        segs_in: false,
    };
    emit(&ctx, sk, tcp, event);
    0
}

#[inline(always)]
fn foreign() -> i32 {
    if let Some(counters) = counters(set_of(KIND_RESET_SENT)) {
        counters.foreign_resets += 1;
    }
    0
}
