//! The settings that decide, with the kernel's own values where a kernel has no setting.

use crate::model::{NetnsFacts, TcpDetail};

/// `TCP_RTO_MIN`: the base of the modelled timeout, whatever `tcp_rto_min_us` says (measured on 6.18).
pub(super) const RTO_BASE_MS: u64 = 200;
/// `TCP_RTO_MAX`, which was a constant before `tcp_rto_max_ms` (6.15).
const RTO_MAX_MS: u64 = 120_000;

/// Settings of one namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    orphan_retries: Option<u32>,
    pub(super) retries2: Option<u32>,
    pub(super) fin_timeout_ms: Option<u64>,
    pub(super) rto_max_ms: u64,
}

impl Settings {
    pub(super) fn of(facts: &NetnsFacts) -> Self {
        Self {
            orphan_retries: facts.orphan_retries,
            retries2: facts.retries2,
            fin_timeout_ms: facts.fin_timeout_s.map(|seconds| u64::from(seconds) * 1000),
            rto_max_ms: facts.rto_max_ms.map_or(RTO_MAX_MS, u64::from).max(1),
        }
    }

    /// `tcp_orphan_retries()`: 0 acts as 8 while the peer may be alive.
    pub(super) fn orphan_retries(&self, alive: bool) -> Option<u32> {
        match self.orphan_retries? {
            0 if alive => Some(8),
            retries => Some(retries),
        }
    }

    /// `tcp_model_timeout()`: how long this many retransmissions take, from the first one on.
    pub(super) fn model_timeout_ms(&self, retries: u32) -> u64 {
        // Where doubling reaches the maximum.
        let doublings = (self.rto_max_ms / RTO_BASE_MS).checked_ilog2().unwrap_or(0);
        let doubled = |retries: u32| (2_u64 << retries.min(40)).saturating_sub(1).saturating_mul(RTO_BASE_MS);
        if retries <= doublings {
            return doubled(retries);
        }
        let rest = u64::from(retries - doublings).saturating_mul(self.rto_max_ms);
        doubled(doublings).saturating_add(rest)
    }
}

/// `icsk_rto` without its doublings. At the maximum nothing tells how many there were; then it is taken as the base.
pub(super) fn rto_base_ms(info: &TcpDetail) -> u64 {
    let rto_ms = u64::from(info.rto_us) / 1000;
    (rto_ms >> u32::from(info.backoff).min(63)).max(1)
}
