//! Traces `tcp:tcp_retransmit_skb(sk, skb[, err])`, fired by `__tcp_retransmit_skb()`.
//! Yields [`KIND_RETRANSMIT`] for segments that carry FIN; counts those of data alone.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tcptrace_ebpf::{
    counters::set_of,
    record::{FLAG_DETAIL, FLAG_FAILED, FLAG_RTO, FLAG_TLP, KIND_RETRANSMIT},
};

use crate::{
    emit::{Event, emit, key},
    maps::{counters, layout},
    sock::{Sock, TcpSock, load},
    socket_filter::{in_sample, wants},
};

const TCPHDR_FIN: u16 = 1;
/// `ICSK_TIME_LOSS_PROBE` of `include/net/inet_connection_sock.h`.
const TIME_LOSS_PROBE: u8 = 5;

#[btf_tracepoint(function = "tcp_retransmit_skb")]
fn tcp_retransmit_skb(ctx: BtfTracePointContext) -> i32 {
    let Some(sk) = Sock::new(ctx.arg(0)) else { return 0 };
    let skb: *const u8 = ctx.arg(1);
    if skb.is_null() {
        return 0;
    }
    let tcp_flags = segment_flags(skb);
    if tcp_flags & TCPHDR_FIN == 0 {
        if let Some(counters) = counters(set_of(KIND_RETRANSMIT)) {
            counters.data_retransmits += 1;
        }
        return 0;
    }
    let Some(tcp) = sk.tcp() else { return 0 };
    if !wants(sk, || u16::from_be(tcp.sport())) {
        return 0;
    }
    let key = key(&ctx, sk);
    if !in_sample(key) {
        return 0;
    }
    let mut flags = timer_flags(tcp);
    let mut detail = 0;
    // Older kernels have two arguments, and reading a third one would not verify there.
    if layout!(has_retransmit_err) != 0 {
        let err: i32 = ctx.arg(2);
        if err != 0 {
            flags |= FLAG_FAILED | FLAG_DETAIL;
            detail = err.unsigned_abs();
        }
    }
    let state = sk.state();
    let event = Event {
        kind: KIND_RETRANSMIT,
        key,
        old_state: state,
        new_state: state,
        flags,
        detail,
        tcp_flags,
        counter_set: set_of(KIND_RETRANSMIT),
        owner: None,
        totals: false,
        segs_in: false,
        later: false,
    };
    emit(&ctx, sk, tcp, event);
    0
}

/// `TCP_SKB_CB(skb)->tcp_flags`, whose width differs between kernels.
#[inline(always)]
fn segment_flags(skb: *const u8) -> u16 {
    let offset = layout!(skb_tcp_flags);
    if layout!(skb_tcp_flags_len) == 1 {
        // SAFETY: inside `sk_buff.cb`, at the offset and size that BTF gave.
        u16::from(unsafe { load::<u8>(skb, offset) })
    } else {
        // SAFETY: as above.
        unsafe { load::<u16>(skb, offset) }
    }
}

/// `tcp_write_timer_handler()` clears `icsk_pending` before it retransmits, and leaves it for a probe.
#[inline(always)]
fn timer_flags(tcp: TcpSock) -> u16 {
    match tcp.pending() {
        TIME_LOSS_PROBE => FLAG_TLP,
        0 => FLAG_RTO,
        _ => 0,
    }
}
