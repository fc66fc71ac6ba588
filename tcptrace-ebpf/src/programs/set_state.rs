//! Traces `sock:inet_sock_set_state(sk, oldstate, newstate)`, fired by `inet_sk_state_store()`.
//! Yields [`KIND_TRANSITION`] for TCP teardown steps and for `connect()`.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tcptrace_ebpf::{record::KIND_TRANSITION, state};

use crate::{
    emit::{Event, emit},
    sock::Sock,
};

const IPPROTO_TCP: u16 = 6;
/// Both bits of `sk_shutdown`.
const SHUTDOWN_MASK: u8 = 3;

#[btf_tracepoint(function = "inet_sock_set_state")]
fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    let Some(sk) = Sock::new(ctx.arg(0)) else { return 0 };
    let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    let (old, new) = (old as u8, new as u8);
    if !state::crosses(old, new) || sk.protocol() != IPPROTO_TCP {
        return 0;
    }
    let Some(tcp) = sk.tcp() else { return 0 };
    let ends = new == state::CLOSE;
    let event = Event {
        kind: KIND_TRANSITION,
        old_state: old,
        new_state: new,
        flags: 0,
        detail: 0,
        tcp_flags: 0,
        owner: state::in_owner_context(old, new) || (ends && aborted_by_close(sk, old)),
        totals: ends,
        segs_in: ends || new == state::FIN_WAIT2,
    };
    emit(&ctx, sk, tcp, &event);
    0
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
