//! The two clocks of a tick.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::model::Tick;

/// Now: CLOCK_MONOTONIC, as `bpf_ktime_get_ns()` reads it, and CLOCK_REALTIME.
pub(super) fn now() -> Tick {
    let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Tick { mono_ns: monotonic_ns(), real_ns: u64::try_from(real.as_nanos()).unwrap_or(u64::MAX) }
}

/// CLOCK_MONOTONIC alone.
pub(super) fn monotonic_ns() -> u64 {
    let mono = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(mono.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(mono.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
