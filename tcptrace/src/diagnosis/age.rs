//! How long a socket has been in its state at least, of one that no event was seen of.

use super::NS_PER_MS;
use super::limits::us_from_ms;
use crate::model::{Snapshot, State, TIME_WAIT_NS, TcpDetail, Timer};

/// Longest tick of a kernel (HZ 100): times in ticks are off by less than that.
const TICK_US: u64 = 10_000;
const NS_PER_US: u64 = 1000;

/// Nanoseconds that the socket has been in its state at least, never more than it has; 0 where nothing tells.
#[must_use]
pub fn age_lower_bound_ns(snapshot: &Snapshot) -> u64 {
    match (snapshot.state, &snapshot.info) {
        (State::TimeWait, _) if snapshot.timewait => in_time_wait_ns(snapshot),
        (State::CloseWait | State::FinWait2 | State::Closing, Some(info)) => {
            since_ack_us(info).saturating_mul(NS_PER_US)
        }
        (State::FinWait1 | State::LastAck, Some(info)) => past_timeouts_us(snapshot, info).saturating_mul(NS_PER_US),
        _ => 0,
    }
}

/// `inet_twsk_reschedule()` starts 60 s as the state begins, and again when the peer repeats its FIN, which only makes
/// this less.
fn in_time_wait_ns(snapshot: &Snapshot) -> u64 {
    let left_ns = u64::from(snapshot.expires_ms).saturating_mul(NS_PER_MS);
    TIME_WAIT_NS.saturating_sub(left_ns).saturating_sub(TICK_US.saturating_mul(NS_PER_US))
}

/// The segment that began these states, the peer's FIN or its ACK of ours, went through `tcp_ack()`, which sets
/// `rcv_tstamp`; each later one sets it again, which only makes this less. A FIN that the network let a newer ACK
/// overtake does not set it, so what networks reorder by is taken off: a round trip.
fn since_ack_us(info: &TcpDetail) -> u64 {
    us_from_ms(info.last_ack_recv_ms).saturating_sub(u64::from(info.srtt_us)).saturating_sub(TICK_US)
}

/// The timeouts that passed while the FIN was all there was to acknowledge. It alone is in flight, so what came before
/// is acknowledged, which set `icsk_retransmits` to 0 (`tcp_clean_rtx_queue()`, `tcp_ack()`): each expiry counted since
/// then waited for this FIN. Each timeout was at least half of the next one. The one that runs now is left out: loss
/// probes and TCP_USER_TIMEOUT shorten it. (Under memory pressure `tcp_send_fin()` puts the FIN into a segment that is
/// in flight already, which is then longer than the FIN.)
fn past_timeouts_us(snapshot: &Snapshot, info: &TcpDetail) -> u64 {
    let fin_alone = snapshot.send_queue_bytes == 1 && info.unacked_segments == 1 && info.notsent_bytes == 0;
    if snapshot.timer != Timer::Retransmit || !fin_alone {
        return 0;
    }
    // `icsk_backoff` survives an ACK that gave no valid round trip, `icsk_retransmits` counts what was not doubled.
    let passed = info.retransmits.min(info.backoff);
    let mut timeout = u64::from(info.rto_us);
    let mut total: u64 = 0;
    for _ in 0..passed {
        timeout /= 2;
        total = total.saturating_add(timeout);
    }
    total.saturating_sub(TICK_US)
}
