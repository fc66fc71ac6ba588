//! `tcp_retransmit_timer()` and `tcp_write_timeout()`, run ahead: at which expiry a socket is given up.

use super::{
    Signs,
    settings::{Settings, rto_base_ms},
};
use crate::model::TcpDetail;

/// More expiries than any limit allows (`tcp_retries2` is at most 255).
const EXPIRIES_MAX: u32 = 1024;

/// Milliseconds until the socket is given up, unless the peer answers; `None` where a setting is not known.
///
/// `retransmits_timed_out()` compares the time since the first retransmission with a modelled one, at each expiry. The
/// first one's time (`retrans_stamp`) is not told; it follows from the number of expiries and the timeouts, which double.
pub(super) fn dies_in_ms(
    info: &TcpDetail,
    expires_ms: u64,
    settings: &Settings,
    orphan: bool,
    signs: Signs,
) -> Option<u64> {
    let mut rto_ms = u64::from(info.rto_us) / 1000;
    let mut retransmits = u32::from(info.retransmits);
    // Times are relative to the look; the first retransmission may lie before it.
    let mut now_ms = i64::try_from(expires_ms).ok()?;
    let mut first_ms = (retransmits > 0).then(|| now_ms.saturating_sub(past_ms(info, retransmits, signs)));
    if retransmits == 0 && info.total_retrans == 0 && signs.fin_sent_again == 0 {
        // What runs is most likely the tail loss probe's timer, which is told as the same one: a whole timeout follows.
        now_ms = now_ms.saturating_add(i64::try_from(rto_ms).ok()?);
    }
    for _ in 0..EXPIRIES_MAX {
        // `alive` is judged by the timeout that has just run out.
        let alive = rto_ms < settings.rto_max_ms;
        let retries = if orphan { settings.orphan_retries(alive) } else { settings.retries2 }?;
        if let Some(first_ms) = first_ms {
            let elapsed_ms = u64::try_from(now_ms.saturating_sub(first_ms)).unwrap_or(0);
            if elapsed_ms >= settings.model_timeout_ms(retries) {
                return u64::try_from(now_ms).ok();
            }
        }
        first_ms.get_or_insert(now_ms);
        retransmits = retransmits.saturating_add(1);
        rto_ms = rto_ms.saturating_mul(2).min(settings.rto_max_ms);
        now_ms = now_ms.saturating_add(i64::try_from(rto_ms).ok()?);
    }
    None
}

/// From the first retransmission to the coming expiry: each timeout that ran out since, and the one that runs.
fn past_ms(info: &TcpDetail, retransmits: u32, signs: Signs) -> i64 {
    let base_ms = rto_base_ms(info);
    let rto_ms = u64::from(info.rto_us) / 1000;
    let lengths = (0..retransmits.min(EXPIRIES_MAX)).map(|doublings| (rto_ms >> doublings.min(63)).max(base_ms));
    let mut past_ms = lengths.fold(0, u64::saturating_add);
    // What never left keeps the time of the original segment, one timeout earlier (`tcp_skb_timestamp_ts()`).
    if info.total_retrans == 0 && signs.fin_sent_again == 0 {
        past_ms = past_ms.saturating_add(base_ms);
    }
    i64::try_from(past_ms).unwrap_or(i64::MAX)
}
