//! Traces the exit of `tcp_timewait_state_process(tw, skb, th, ..)`, which handles the segments of timewait sockets.
//! Yields [`KIND_TIME_WAIT`] when the peer's FIN has moved an orphan from FIN_WAIT2 to TIME_WAIT, which no tracepoint
//! shows.
//!
//! Optional: not every kernel lets fexit attach.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use tcptrace_ebpf::{counters::set_of, record::KIND_TIME_WAIT, state};

use crate::{
    emit::{Event, emit_timewait},
    sock::{Sock, load},
    socket_filter::{in_sample, wants},
};

/// Byte and bit of FIN in a TCP header (RFC 9293 section 3.1).
const FLAGS_AT: u32 = 13;
const FIN: u8 = 1;

#[fexit(function = "tcp_timewait_state_process")]
fn tcp_timewait_state_process(ctx: FExitContext) -> i32 {
    let Some(tw) = Sock::new(ctx.arg(0)) else { return 0 };
    let header: *const u8 = ctx.arg(2);
    if header.is_null() {
        return 0;
    }
    // SAFETY: a typed pointer from the function's arguments; a TCP header has 20 bytes at least.
    let flags: u8 = unsafe { load(header, FLAGS_AT) };
    // A FIN that is sent again in TIME_WAIT gets through, too: it is rare, and does no harm.
    if flags & FIN == 0 || tw.timewait_substate() != state::TIME_WAIT {
        return 0;
    }
    // It inherits the cookie of its full socket. Without one no event named that socket.
    let cookie = tw.cookie();
    if cookie == 0 || !wants(tw, || tw.num()) || !in_sample(cookie) {
        return 0;
    }
    let event = Event {
        kind: KIND_TIME_WAIT,
        key: cookie,
        old_state: state::TIME_WAIT,
        new_state: state::TIME_WAIT,
        flags: 0,
        detail: 0,
        tcp_flags: 0,
        counter_set: set_of(KIND_TIME_WAIT),
        owner: None,
        totals: false,
        segs_in: false,
        later: false,
    };
    emit_timewait(&ctx, tw, event);
    0
}
