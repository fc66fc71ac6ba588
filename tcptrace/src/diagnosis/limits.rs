//! How often and how long the kernel tries, as its sysctls have it.

use crate::model::NetnsFacts;

/// `TCP_RTO_MIN`. The model of `retransmits_timed_out()` and `tcp_probe0_base()` use this constant, whatever
/// `tcp_rto_min_us` says (measured on 6.18).
pub(super) const RTO_MIN_US: u64 = 200_000;
/// `TCP_RTO_MAX`, of kernels that have no `tcp_rto_max_ms`.
pub(super) const RTO_MAX_US: u64 = 120_000_000;
/// `TCP_RESOURCE_PROBE_INTERVAL`: between attempts that the local queue refuses; it is not doubled.
pub(super) const RESOURCE_PROBE_US: u64 = 500_000;
/// `TCP_RETR2`, where it decides only how far probes back off.
const RETRIES2: u32 = 15;
/// What 0 acts as in `tcp_orphan_retries()`.
const ORPHAN_RETRIES: u32 = 8;

/// The limits that hold for one socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// `SOCK_DEAD`.
    pub(super) orphan: bool,
    orphan_retries: u32,
    pub(super) retries2: u32,
    /// Timeout of a connection that has no round trip to speak of.
    pub(super) rto_min_us: u64,
    pub(super) rto_max_us: u64,
}

impl Limits {
    /// `None` where the sysctl that decides was not read.
    pub(super) fn of(facts: &NetnsFacts, orphan: bool) -> Option<Self> {
        let (orphan_retries, retries2) =
            if orphan { (facts.orphan_retries?, facts.retries2.unwrap_or(RETRIES2)) } else { (0, facts.retries2?) };
        Some(Self {
            orphan,
            orphan_retries,
            retries2,
            rto_min_us: facts.rto_min_us.map_or(RTO_MIN_US, u64::from),
            rto_max_us: facts.rto_max_ms.map_or(RTO_MAX_US, us_from_ms),
        })
    }

    /// `retry_until` of `tcp_write_timeout()` and `max_probes` of `tcp_probe_timer()`. `alive`: the timeout is still
    /// below its maximum.
    pub(super) const fn retries(&self, alive: bool) -> u32 {
        match (self.orphan, self.orphan_retries) {
            (false, _) => self.retries2,
            (true, 0) if alive => ORPHAN_RETRIES,
            (true, retries) => retries,
        }
    }

    /// `tcp_model_timeout()`: how long that many retries would take a connection whose timeout is `TCP_RTO_MIN`.
    pub(super) fn model_us(&self, retries: u32) -> u64 {
        model_us(retries, self.rto_max_us)
    }

    /// Twice the timeout, as far as it goes.
    pub(super) fn doubled(&self, rto_us: u64) -> u64 {
        rto_us.saturating_mul(2).min(self.rto_max_us)
    }
}

/// How long so many retries last at most, microseconds: `tcp_model_timeout()` adds up timeouts that begin with
/// `TCP_RTO_MIN` (200 ms) and double until they reach `tcp_rto_max_ms` (120 s where the kernel has no such setting).
/// With 8 that is `((2 << 8) - 1) * 200 ms`, 102.2 s.
#[must_use]
pub fn modelled_timeout_us(retries: u32, rto_max_ms: Option<u32>) -> u64 {
    model_us(retries, rto_max_ms.map_or(RTO_MAX_US, us_from_ms))
}

fn model_us(retries: u32, rto_max_us: u64) -> u64 {
    let doublings = (rto_max_us / RTO_MIN_US).checked_ilog2().unwrap_or(0);
    let exponential = shifted(2, retries.min(doublings)).saturating_sub(1).saturating_mul(RTO_MIN_US);
    let linear = u64::from(retries.saturating_sub(doublings)).saturating_mul(rto_max_us);
    exponential.saturating_add(linear)
}

/// A timeout as it really takes: the timer wheel rounds up to 1/63 to 1/8 of it (`calc_wheel_index()`), depending on
/// HZ and where it falls, which is 1/40 on average, and never down.
pub(super) const fn on_the_wheel(us: u64) -> u64 {
    us.saturating_add(lateness(us))
}

/// What the timer wheel adds to a timeout on average.
pub(super) const fn lateness(us: u64) -> u64 {
    us / 40
}

/// `value << by`, and the largest number where that has no room.
pub(super) fn shifted(value: u64, by: u32) -> u64 {
    value.saturating_mul(1_u64.checked_shl(by).unwrap_or(u64::MAX))
}

pub(super) fn us_from_ms(ms: u32) -> u64 {
    u64::from(ms).saturating_mul(1000)
}
