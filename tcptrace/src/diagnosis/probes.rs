//! `tcp_probe_timer()`, run ahead: zero-window probes, and segments that this host itself does not let out.

use super::settings::{RTO_BASE_MS, Settings};
use crate::model::TcpDetail;

/// What becomes of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Given up after this time, unless the window opens.
    DiesInMs(u64),
    /// The peer answers, and a program holds the socket.
    Never,
    /// A setting is not known.
    Unknown,
}

/// Acknowledgements of probes are limited to one in this time (`tcp_invalid_ratelimit`).
const ANSWER_INTERVAL_MS: u64 = 500;
/// More than any limit.
const EXPIRIES_MAX: u32 = 1024;

/// What does not leave the host (`lost_here`) is not answered.
pub(super) fn fate(info: &TcpDetail, expires_ms: u64, settings: &Settings, orphan: bool, lost_here: bool) -> Fate {
    let Some(retries2) = settings.retries2 else { return Fate::Unknown };
    let base_ms = (u64::from(info.rto_us) / 1000).max(RTO_BASE_MS);
    let backed_off = |backoff: u32| base_ms.saturating_mul(1 << backoff.min(40)).min(settings.rto_max_ms);
    let mut backoff = u32::from(info.backoff);
    let mut probes = u32::from(info.probes);
    let interval_ms = backed_off(backoff);
    let answered = !lost_here && is_answered(info, interval_ms, expires_ms);
    if answered && !orphan {
        return Fate::Never;
    }
    let mut now_ms = expires_ms;
    let mut since_ack_ms = u64::from(info.last_ack_recv_ms).saturating_add(expires_ms);
    for _ in 0..EXPIRIES_MAX {
        let mut max_probes = retries2;
        if orphan {
            let alive = backed_off(backoff) < settings.rto_max_ms;
            let Some(retries) = settings.orphan_retries(alive) else { return Fate::Unknown };
            max_probes = retries;
            if !alive && backoff >= max_probes {
                return Fate::DiesInMs(now_ms);
            }
        }
        if probes >= max_probes {
            return Fate::DiesInMs(now_ms);
        }
        // `tcp_send_probe0()`; an answer sets `icsk_probes_out` back, and leaves the interval as it is.
        probes = probes.saturating_add(1);
        if answered && since_ack_ms >= ANSWER_INTERVAL_MS {
            (probes, since_ack_ms) = (0, 0);
        }
        backoff = backoff.saturating_add(1).min(retries2);
        let interval_ms = backed_off(backoff);
        now_ms = now_ms.saturating_add(interval_ms);
        since_ack_ms = since_ack_ms.saturating_add(interval_ms);
    }
    Fate::Unknown
}

/// Whether the peer acknowledges probes: every one so far, or it could not yet, because it had just sent one.
fn is_answered(info: &TcpDetail, interval_ms: u64, expires_ms: u64) -> bool {
    let since_probe_ms = interval_ms.saturating_sub(expires_ms);
    let ack_before_probe_ms = u64::from(info.last_ack_recv_ms).saturating_sub(since_probe_ms);
    info.probes == 0 || (info.probes == 1 && ack_before_probe_ms < ANSWER_INTERVAL_MS)
}
