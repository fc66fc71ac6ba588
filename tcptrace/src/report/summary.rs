//! The summary at the end of a run, as data.

use super::{FailedSummary, ReasonCount};
use crate::model::Status;

/// Quantiles of one latency, nanoseconds; each within 1 % of the exact one, `max` exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Number of values.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 90th percentile.
    pub p90_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// Largest value.
    pub max_ns: u64,
}

/// What is known of a run beside its closes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Lines that `--max-rate` held back; `None` without it.
    pub held_back: Option<u64>,
    /// Each connection stands for this many, where hosts differ at most: N of `--sample 1/N`. Counts of closes,
    /// findings and open sockets are that of all; those of events, anomalies and looks are what happened.
    pub sample_one_in: u64,
    /// Hosts differ: some of those that were seen stand for fewer.
    pub samples_differ: bool,
    /// Names of the hosts, where there are several.
    pub hosts: Vec<String>,
}

/// What a run comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// From the first input to the last, nanoseconds.
    pub duration_ns: u64,
    /// Finished closes that passed the filters.
    pub closes: u64,
    /// Of those, not complete.
    pub incomplete: u64,
    /// Closes by role, in the order of [`crate::model::Role::ALL`].
    pub by_role: Vec<(&'static str, u64)>,
    /// Closes by outcome, in the order of [`crate::model::Outcome::ALL`].
    pub by_outcome: Vec<(&'static str, u64)>,
    /// Closes that did not end with both FINs by outcome and reason, most first.
    pub reasons: Vec<ReasonCount>,
    /// Each phase, then `close`, `network`, `ack_wait`, `local_app`, `remote_app`.
    pub latency: Vec<(&'static str, Quantiles)>,
    /// Findings raised, by kind.
    pub findings: Vec<(&'static str, u64)>,
    /// FIN retransmits of finished closes: tlp, rto, fast, failed.
    pub fin_retransmits: [u64; 4],
    /// Closes whose listener was closed before anybody accepted them.
    pub listener_closed: u64,
    /// Closes of subflows of MPTCP connections.
    pub mptcp: u64,
    /// Connects that failed, where they were asked for.
    pub failed_connects: Option<FailedSummary>,
    /// State of the engines at the end; times in nanoseconds since 1970.
    pub status: Status,
    /// The rest.
    pub run: Run,
}
