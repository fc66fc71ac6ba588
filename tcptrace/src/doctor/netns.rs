//! Settings and counters of a network namespace, as a capture has them.

use super::{Counters, Settings, Value, keys};
use crate::model::NetnsFacts;

/// Why a fact of a host is not known from a capture.
const NOT_HELD: &str = "the capture does not hold it";

/// Settings of a namespace; what the capture does not hold is unreadable.
pub(super) fn settings(facts: &NetnsFacts) -> Settings {
    let mut settings = Settings::default();
    for (key, _) in keys::SETTINGS {
        settings.set(key, Value::Unreadable(NOT_HELD.to_owned()));
    }
    let numbers = [
        (keys::ORPHAN_RETRIES, facts.orphan_retries),
        (keys::RETRIES2, facts.retries2),
        (keys::FIN_TIMEOUT, facts.fin_timeout_s),
        (keys::RTO_MIN_US, facts.rto_min_us),
        (keys::RTO_MAX_MS, facts.rto_max_ms),
        (keys::MAX_TW_BUCKETS, facts.max_tw_buckets),
        (keys::TW_REUSE, facts.tw_reuse),
        (keys::TW_REUSE_DELAY, facts.tw_reuse_delay_ms),
        (keys::TIMESTAMPS, facts.timestamps),
        (keys::SYNCOOKIES, facts.syncookies),
        (keys::MAX_ORPHANS, facts.max_orphans),
        (keys::KEEPALIVE_TIME, facts.keepalive_time_s),
        (keys::KEEPALIVE_INTVL, facts.keepalive_interval_s),
        (keys::KEEPALIVE_PROBES, facts.keepalive_probes),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            settings.set(key, Value::Is(number.to_string()));
        }
    }
    // Captures have these since there are settings in them at all: what is missing there the kernel lacks.
    if facts.orphan_retries.is_some() {
        for (key, number) in [(keys::RTO_MIN_US, facts.rto_min_us), (keys::RTO_MAX_MS, facts.rto_max_ms)] {
            if number.is_none() {
                settings.set(key, Value::Absent);
            }
        }
    }
    if facts.timestamps.is_some() && facts.tw_reuse_delay_ms.is_none() {
        settings.set(keys::TW_REUSE_DELAY, Value::Absent);
    }
    if let (Some(low), Some(high)) = (facts.port_low, facts.port_high) {
        settings.set(keys::PORT_RANGE, Value::Is(format!("{low} {high}")));
    }
    settings
}

/// Counters of a namespace, as far as the capture holds them.
pub(super) fn counters(facts: &NetnsFacts) -> Counters {
    let mut counters = Counters::default();
    let all = [
        (keys::TW_OVERFLOW, facts.timewait_overflow),
        (keys::TW_RECYCLED, facts.timewait_recycled),
        (keys::ABORT_ON_MEMORY, facts.abort_on_memory),
        (keys::LISTEN_OVERFLOWS, facts.listen_overflows),
        (keys::LISTEN_DROPS, facts.listen_drops),
        (keys::ACTIVE_OPENS, facts.active_opens),
    ];
    for (name, value) in all {
        if let Some(value) = value {
            counters.set(name, value);
        }
    }
    counters
}
