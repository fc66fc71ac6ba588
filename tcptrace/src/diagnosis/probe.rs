//! The timer of zero-window probes, `tcp_probe_timer()`, computed forward.

use super::end::within;
use super::limits::{Limits, RESOURCE_PROBE_US, RTO_MIN_US, lateness, on_the_wheel, shifted, us_from_ms};
use crate::model::{GivesUp, NeverWhy, TcpDetail};

/// `icsk_probes_out` and `icsk_backoff` have 8 bits each.
const ROUNDS: u32 = 600;
/// `sysctl_tcp_invalid_ratelimit`: a Linux peer answers an empty probe only this long after the one before
/// (`tcp_oow_rate_limited()`).
const ANSWERS_APART_US: u64 = 500_000;
/// `ilog2(TCP_RTO_MAX / TCP_RTO_MIN) + 1`, the limit in `tcp_probe0_when()`.
const MOST_DOUBLINGS: u32 = 10;
/// An answer that has not come in two round trips and this has not come at all.
const PATIENCE_US: u64 = 50_000;

/// When probes end. `nothing_leaves`: what this host itself drops is not answered.
pub(super) fn gives_up(left_us: u64, info: &TcpDetail, limits: &Limits, nothing_leaves: bool) -> GivesUp {
    let probes = Probes::of(left_us, info, limits);
    match if nothing_leaves { Some(false) } else { answered(left_us, info, limits) } {
        Some(answered) => probes.run(limits, answered),
        None => {
            // Not to be told yet; for small limits it makes no difference.
            let (yes, no) = (probes.run(limits, true), probes.run(limits, false));
            if yes == no { yes } else { GivesUp::Unknown }
        }
    }
}

/// Whether the peer answers probes; `None` where it need not have done so yet.
fn answered(left_us: u64, info: &TcpDetail, limits: &Limits) -> Option<bool> {
    let now = wait_us(info, limits, u32::from(info.backoff));
    match (info.probes, info.backoff) {
        (0, 0) => None,
        (0, _) => Some(true),
        (1, backoff) => {
            let last = u32::from(backoff).checked_sub(1).map_or(0, |before| wait_us(info, limits, before));
            let patience = u64::from(info.srtt_us).saturating_mul(2).saturating_add(PATIENCE_US);
            let overdue = now.saturating_sub(left_us) >= patience;
            (overdue && last >= ANSWERS_APART_US).then_some(false)
        }
        _ => Some(false),
    }
}

/// `tcp_probe0_when()`.
fn wait_us(info: &TcpDetail, limits: &Limits, backoff: u32) -> u64 {
    let base = u64::from(info.rto_us).max(RTO_MIN_US);
    shifted(base, backoff.min(MOST_DOUBLINGS)).min(limits.rto_max_us)
}

struct Probes<'a> {
    info: &'a TcpDetail,
    /// Until the expiry at hand.
    at: u64,
    out: u32,
    backoff: u32,
    /// Since the last answer, as of that expiry.
    unanswered_us: u64,
    /// The local queue refuses them (`tcp_write_wakeup() > 0`), so nothing is doubled.
    congested: bool,
}

impl<'a> Probes<'a> {
    fn of(left_us: u64, info: &'a TcpDetail, limits: &Limits) -> Self {
        let (out, backoff) = (u32::from(info.probes), u32::from(info.backoff));
        let wait = wait_us(info, limits, backoff);
        let since_ack = us_from_ms(info.last_ack_recv_ms).saturating_add(left_us);
        Self {
            info,
            at: left_us.saturating_add(lateness(wait)),
            out,
            backoff,
            // The peer counts answers to probes alone, so the first one is not too early.
            unanswered_us: if backoff == 0 { ANSWERS_APART_US } else { since_ack },
            congested: out > backoff && backoff < limits.retries2,
        }
    }

    fn run(&self, limits: &Limits, answered: bool) -> GivesUp {
        let (mut at, mut out, mut backoff, mut unanswered_us) = (self.at, self.out, self.backoff, self.unanswered_us);
        for _ in 0..ROUNDS {
            // `inet_csk_rto_backoff()`
            let alive = shifted(u64::from(self.info.rto_us), backoff) < limits.rto_max_us;
            let most = limits.retries(alive);
            if out >= most || (limits.orphan && !alive && backoff >= most) {
                return within(at);
            }
            let before = (out, backoff);
            out = out.saturating_add(1);
            if answered && unanswered_us >= ANSWERS_APART_US {
                (out, unanswered_us) = (0, 0);
            }
            // `tcp_send_probe0()`: it stops doubling at `tcp_retries2`, and then an orphan may live for ever.
            if backoff < limits.retries2 && !self.congested {
                backoff = backoff.saturating_add(1);
            }
            if answered && before == (out, backoff) {
                return GivesUp::Never(NeverWhy::ProbesAnswered);
            }
            let wait = if self.congested { RESOURCE_PROBE_US } else { wait_us(self.info, limits, backoff) };
            at = at.saturating_add(on_the_wheel(wait));
            unanswered_us = unanswered_us.saturating_add(wait);
        }
        GivesUp::Unknown
    }
}
