//! Traces `tcp:tcp_receive_reset(sk)`, fired by `tcp_reset()` before the socket is closed.
//! Yields [`KIND_RESET_RECEIVED`].

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tcptrace_ebpf::{counters::set_of, record::KIND_RESET_RECEIVED};

use crate::{
    emit::{Event, emit, key},
    sock::Sock,
    socket_filter::{in_sample, wants},
};

#[btf_tracepoint(function = "tcp_receive_reset")]
fn tcp_receive_reset(ctx: BtfTracePointContext) -> i32 {
    let Some(sk) = Sock::new(ctx.arg(0)) else { return 0 };
    let Some(tcp) = sk.tcp() else { return 0 };
    if !wants(sk, || u16::from_be(tcp.sport())) {
        return 0;
    }
    let key = key(&ctx, sk);
    if !in_sample(key) {
        return 0;
    }
    let state = sk.state();
    let event = Event {
        kind: KIND_RESET_RECEIVED,
        key,
        old_state: state,
        new_state: state,
        flags: 0,
        detail: 0,
        tcp_flags: 0,
        counter_set: set_of(KIND_RESET_RECEIVED),
        owner: None,
        totals: false,
        segs_in: false,
        later: false,
    };
    emit(&ctx, sk, tcp, event);
    0
}
