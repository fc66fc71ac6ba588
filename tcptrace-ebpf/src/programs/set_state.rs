//! Traces `sock:inet_sock_set_state(sk, oldstate, newstate)`, fired by `inet_sk_state_store()`.
//! Yields [`KIND_TRANSITION`] for TCP teardown steps and for `connect()`.
//!
//! Two programs do this. The kernel skips a program that a softirq interrupts and wants to run again on the same
//! CPU (`bpf_trace_run`, `prog->active`), which under load costs some events in ten thousand. The second program,
//! attached after the first, handles just those that the first was kept from: see [`crate::nesting`].

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tcptrace_ebpf::{
    counters::{SET_NESTED, set_of},
    record::KIND_TRANSITION,
    state,
};

use crate::{
    emit::{Event, emit, key},
    nesting,
    sock::Sock,
};

const IPPROTO_TCP: u16 = 6;
/// Both bits of `sk_shutdown`.
const SHUTDOWN_MASK: u8 = 3;

#[btf_tracepoint(function = "inet_sock_set_state")]
fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    if let Some((sk, old, new)) = of_interest(&ctx) {
        let key = key(&ctx, sk);
        transition(&ctx, sk, key, (old, new), set_of(KIND_TRANSITION));
        nesting::handled(key, old, new);
    }
    0
}

#[btf_tracepoint(function = "inet_sock_set_state")]
fn set_state_nested(ctx: BtfTracePointContext) -> i32 {
    if let Some((sk, old, new)) = of_interest(&ctx) {
        let key = key(&ctx, sk);
        if !nesting::take(key, old, new) {
            transition(&ctx, sk, key, (old, new), SET_NESTED);
        }
    }
    0
}

#[inline(always)]
fn of_interest(ctx: &BtfTracePointContext) -> Option<(Sock, u8, u8)> {
    let sk = Sock::new(ctx.arg(0))?;
    let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    let (old, new) = (old as u8, new as u8);
    (state::crosses(old, new) && sk.protocol() == IPPROTO_TCP).then_some((sk, old, new))
}

#[inline(always)]
fn transition(ctx: &BtfTracePointContext, sk: Sock, key: u64, (old, new): (u8, u8), counter_set: u32) {
    let Some(tcp) = sk.tcp() else { return };
    let ends = new == state::CLOSE;
    let event = Event {
        kind: KIND_TRANSITION,
        key,
        old_state: old,
        new_state: new,
        flags: 0,
        detail: sk.bound_if(),
        tcp_flags: 0,
        counter_set,
        owner: state::in_owner_context(old, new) || (ends && aborted_by_close(sk, old)),
        totals: ends,
        segs_in: ends || new == state::FIN_WAIT2,
    };
    emit(ctx, sk, tcp, event);
}

/// Whether `-> CLOSE` is made by `close()` itself, in the closer's context.
///
/// In ESTABLISHED and CLOSE_WAIT, `sk_shutdown` has both bits only inside `__tcp_close()`, which
/// sets them first; a reset or a timeout arrives with `sk_err` set and sets the bits afterwards.
#[inline(always)]
fn aborted_by_close(sk: Sock, old: u8) -> bool {
    (old == state::ESTABLISHED || old == state::CLOSE_WAIT)
        && sk.shutdown() & SHUTDOWN_MASK == SHUTDOWN_MASK
        && sk.err() == 0
}
