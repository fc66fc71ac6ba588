//! How long a socket has been in its state at least, of one that no event was seen of.

use super::NS_PER_MS;
use super::limits::{RTO_MAX_US, RTO_MIN_US, us_from_ms};
use crate::model::{Mptcp, NetnsFacts, Snapshot, State, TIME_WAIT_MS, TIME_WAIT_NS, TcpDetail, Timer};

/// Longest tick of a kernel (HZ 100): times in ticks are off by less than that.
const TICK_US: u64 = 10_000;
const NS_PER_US: u64 = 1000;
/// A loss probe comes two round trips and this after the FIN at most (`tcp_schedule_loss_probe()`).
const TLP_US: u64 = 200_000;

/// Nanoseconds that the socket has been in its state at least, never more than it has; 0 where nothing tells.
#[must_use]
pub fn age_lower_bound_ns(snapshot: &Snapshot) -> u64 {
    match (snapshot.state, &snapshot.info) {
        (State::CloseWait | State::FinWait2 | State::Closing, None) => {
            mptcp_since_ack_us(snapshot).saturating_mul(NS_PER_US)
        }
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

/// The FIN is in flight, and nothing else.
fn fin_alone(snapshot: &Snapshot, info: &TcpDetail) -> bool {
    let queued = matches!(snapshot.state, State::FinWait1 | State::Closing | State::LastAck);
    let alone = snapshot.send_queue_bytes == 1 && info.unacked_segments == 1 && info.notsent_bytes == 0;
    queued && alone && snapshot.timer == Timer::Retransmit
}

/// The timeouts that passed while the FIN was all there was to acknowledge. It alone is in flight, so what came before
/// is acknowledged, which set `icsk_retransmits` to 0 (`tcp_clean_rtx_queue()`, `tcp_ack()`): each expiry counted since
/// then waited for this FIN. Each timeout was at least half of the next one. The one that runs now is left out: loss
/// probes and TCP_USER_TIMEOUT shorten it. (Under memory pressure `tcp_send_fin()` puts the FIN into a segment that is
/// in flight already, which is then longer than the FIN.)
fn past_timeouts_us(snapshot: &Snapshot, info: &TcpDetail) -> u64 {
    if !fin_alone(snapshot, info) {
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

/// What began these states of an MPTCP connection came with a DATA_ACK (`ack_update_msk()` in
/// `mptcp_incoming_options()`), which Linux puts into each segment; each later one only makes this less.
fn mptcp_since_ack_us(snapshot: &Snapshot) -> u64 {
    match snapshot.mptcp {
        Mptcp::Connection(detail) => us_from_ms(detail.last_ack_recv_ms.unwrap_or(0)).saturating_sub(TICK_US),
        Mptcp::No | Mptcp::Subflow => 0,
    }
}

/// Nanoseconds that an orphan in FIN_WAIT2 has been both, by its timer, which starts with the second of them; `None`
/// where no timer tells.
///
/// `tcp_fin_timeout` up to 60 s is the timer of its timewait socket; what is beyond runs twice, first on the full
/// socket (`__tcp_close()`, `tcp_keepalive_timer()`). TCP_LINGER2 of the program, which nothing shows, would make the
/// timer shorter and this too long: a caller that has seen the socket younger knows better.
#[must_use]
pub fn orphan_age_ns(snapshot: &Snapshot, facts: &NetnsFacts) -> Option<u64> {
    if snapshot.inode != 0 || snapshot.state != State::FinWait2 {
        return None;
    }
    if let Mptcp::Connection(_) = snapshot.mptcp {
        // The timer starts at `close()`, also where the state began later.
        let since_close_ns = mptcp_orphan_ns(snapshot, facts)?;
        return Some(since_close_ns.min(age_lower_bound_ns(snapshot))).filter(|ns| *ns > 0);
    }
    let timeout_ms = facts.fin_timeout_s?.saturating_mul(1000);
    let beyond_ms = timeout_ms.saturating_sub(TIME_WAIT_MS);
    let passed_ms = match (snapshot.timewait, snapshot.timer) {
        (true, _) if beyond_ms > 0 => beyond_ms.saturating_add(beyond_ms.checked_sub(snapshot.expires_ms)?),
        (false, Timer::Keepalive) if beyond_ms > 0 => beyond_ms.checked_sub(snapshot.expires_ms)?,
        (true, _) | (false, Timer::Keepalive) => timeout_ms.checked_sub(snapshot.expires_ms)?,
        (false, _) => return None,
    };
    Some(u64::from(passed_ms).saturating_mul(NS_PER_MS).saturating_sub(TICK_US.saturating_mul(NS_PER_US)))
}

/// Nanoseconds since the program closed an MPTCP connection: `mptcp_start_tout_timer()` runs `net.mptcp.close_timeout`,
/// on older kernels `TCP_TIMEWAIT_LEN`, on `sk_timer`, which sock_diag shows as a keep-alive.
#[must_use]
pub fn mptcp_orphan_ns(snapshot: &Snapshot, facts: &NetnsFacts) -> Option<u64> {
    let is_orphan = matches!(snapshot.mptcp, Mptcp::Connection(_)) && snapshot.inode == 0;
    if !is_orphan || snapshot.timer != Timer::Keepalive {
        return None;
    }
    let timeout_ms = facts.mptcp_close_timeout_s.map_or(TIME_WAIT_MS, |seconds| seconds.saturating_mul(1000));
    let passed_ms = timeout_ms.checked_sub(snapshot.expires_ms)?;
    Some(u64::from(passed_ms).saturating_mul(NS_PER_MS).saturating_sub(TICK_US.saturating_mul(NS_PER_US)))
}

/// Nanoseconds since the FIN first left at most, where it alone is in flight; `None` where that cannot be told.
///
/// As [`age_lower_bound_ns`] adds up the timeouts that passed, this adds up the longest that they can have been, what
/// has passed of the present one, a loss probe before the first, and what the timer wheel adds (`calc_wheel_index()`).
#[must_use]
pub fn since_fin_at_most_ns(snapshot: &Snapshot, facts: Option<&NetnsFacts>) -> Option<u64> {
    let info = snapshot.info.as_ref().filter(|info| fin_alone(snapshot, info))?;
    let passed = u32::from(info.retransmits.max(info.backoff));
    let timeout = u64::from(info.rto_us);
    let first = timeout.checked_shr(passed).unwrap_or(0);
    // Timeouts at the maximum, and those that `tcp_retransmit_timer()` does not double, were as long as this one.
    let most = facts.and_then(|facts| facts.rto_max_ms).map_or(RTO_MAX_US, us_from_ms);
    let doubled = info.retransmits == info.backoff && timeout <= most / 2 && first >= RTO_MIN_US;
    let before = if doubled { timeout.saturating_sub(first) } else { timeout.saturating_mul(passed.into()) };
    let now = timeout.saturating_sub(us_from_ms(snapshot.expires_ms));
    let all = before.saturating_add(now).saturating_add(first.max(TLP_US));
    Some(all.saturating_add(all / 8).saturating_add(TICK_US).saturating_mul(NS_PER_US))
}
