//! The retransmission timer, `tcp_retransmit_timer()`, computed forward until `tcp_write_timeout()` gives up.

use super::Signs;
use super::limits::{Limits, RESOURCE_PROBE_US, lateness, on_the_wheel};
use crate::model::TcpDetail;

/// `icsk_retransmits` has 8 bits.
const ROUNDS: u32 = 256;

/// Until the first expiry at which `retransmits_timed_out()` holds. `None` where that never comes.
pub(super) fn ends_in_us(left_us: u64, info: &TcpDetail, limits: &Limits, signs: Signs) -> Option<u64> {
    let congested = is_congested(info);
    let mut rto = u64::from(info.rto_us);
    let mut at = left_us.saturating_add(lateness(rto));
    let mut loss_probe = is_loss_probe(info, signs);
    // Since the first retransmission (`retrans_stamp`), as of the expiry at hand.
    let mut tried = (info.retransmits > 0).then(|| tried_us(info, limits));
    for _ in 0..ROUNDS {
        let alive = rto < limits.rto_max_us;
        if tried.is_some_and(|tried| tried >= limits.model_us(limits.retries(alive))) {
            return Some(at);
        }
        let wait = if loss_probe {
            // `tcp_send_loss_probe()` is no retry, and the timeout starts anew without being doubled.
            loss_probe = false;
            on_the_wheel(rto)
        } else {
            let wait = if congested {
                RESOURCE_PROBE_US
            } else {
                rto = limits.doubled(rto);
                rto
            };
            let wait = on_the_wheel(wait);
            tried = Some(tried.unwrap_or(0).saturating_add(wait));
            wait
        };
        at = at.saturating_add(wait);
    }
    None
}

/// sock_diag shows a tail loss probe that is due as a retransmission that is due. It is the first that is sent again
/// (`tcp_schedule_loss_probe()`), unless something was before.
const fn is_loss_probe(info: &TcpDetail, signs: Signs) -> bool {
    info.retransmits == 0 && info.total_retrans == 0 && signs.sent == 0 && signs.failed == 0
}

/// The local queue refused some of them (`tcp_retransmit_skb() > 0`): these count as retries and double nothing.
const fn is_congested(info: &TcpDetail) -> bool {
    info.retransmits > info.backoff
}

/// From the first retransmission to the coming expiry: what `retrans_stamp` would tell if it were exported. Each
/// timeout was half of the next one, up to the last.
fn tried_us(info: &TcpDetail, limits: &Limits) -> u64 {
    let rto = u64::from(info.rto_us);
    let retries = u32::from(info.retransmits);
    let doublings = if is_congested(info) { u32::from(info.backoff) } else { retries };
    let base = if rto < limits.rto_max_us {
        rto.checked_shr(doublings).unwrap_or(0)
    } else {
        // Which of the doublings reached the maximum is not to be seen any more, but where they must have begun is.
        let least = limits.rto_max_us.checked_shr(doublings).unwrap_or(0);
        u64::from(info.srtt_us).saturating_add(limits.rto_min_us).max(least)
    };
    // Without a route there was nothing to stamp: `tcp_retransmit_skb()` takes the time of the first transmission.
    let unstamped = retries > info.total_retrans;
    let mut total = if unstamped { on_the_wheel(base) } else { 0 };
    let mut wait = base;
    for _ in 0..doublings {
        wait = limits.doubled(wait);
        total = total.saturating_add(on_the_wheel(wait));
    }
    let refused = u64::from(retries.saturating_sub(doublings));
    total.saturating_add(on_the_wheel(RESOURCE_PROBE_US).saturating_mul(refused))
}
