//! Connects that failed, counted by process and destination.

use std::collections::HashMap;

use crate::model::{Comm, ConnectFailure, Endpoint, FailedConnect};

/// Processes and destinations that are counted each; about 100 bytes each. Who connects everywhere (a port scan) must
/// not fill memory: what comes after these is one row.
const KEYS_MAX: usize = 4096;
/// Rows of a summary: those with most failures.
const ROWS_MAX: usize = 10;

/// Counts by failure, in the order of [`ConnectFailure::ALL`].
pub type FailureCounts = [u64; ConnectFailure::ALL.len()];

/// Failures of one process at one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedTo {
    /// Name of the process; `None` where it is not known.
    pub comm: Option<Comm>,
    /// Whom it wanted to reach.
    pub remote: Endpoint,
    /// How often, and why.
    pub counts: FailureCounts,
}

impl FailedTo {
    /// All failures.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What a summary says of failed connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedSummary {
    /// All of them.
    pub counts: FailureCounts,
    /// Processes and destinations with most, in this order.
    pub rows: Vec<FailedTo>,
    /// Failures that are in no row.
    pub others: u64,
}

impl FailedSummary {
    /// All failures.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What has come so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Failed {
    counts: FailureCounts,
    by: HashMap<(Option<Comm>, Endpoint), FailureCounts>,
}

impl Failed {
    pub(super) fn record(&mut self, failed: &FailedConnect, weight: u64) {
        let place = failed.failure as usize;
        let add = |counts: &mut FailureCounts| super::count(counts, place, weight);
        add(&mut self.counts);
        let key = (failed.owner.map(|owner| owner.comm), failed.socket.remote);
        if self.by.len() < KEYS_MAX || self.by.contains_key(&key) {
            add(self.by.entry(key).or_default());
        }
    }

    pub(super) fn summary(&self) -> FailedSummary {
        let row = |(key, counts): (&(Option<Comm>, Endpoint), &FailureCounts)| {
            let (comm, remote) = *key;
            FailedTo { comm, remote, counts: *counts }
        };
        let mut rows: Vec<FailedTo> = self.by.iter().map(row).collect();
        // By name and destination where counts are equal, so that a replay says the same.
        rows.sort_by_key(|row| (std::cmp::Reverse(row.total()), row.comm, row.remote.ip(), row.remote.port));
        rows.truncate(ROWS_MAX);
        let shown: u64 = rows.iter().map(FailedTo::total).sum();
        let total: u64 = self.counts.iter().sum();
        FailedSummary { counts: self.counts, rows, others: total.saturating_sub(shown) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identity, SocketKey};

    fn failed(remote: u16, failure: ConnectFailure) -> FailedConnect {
        let end = |port| Endpoint::from_bytes([0; 16], false, port);
        let socket = Identity { key: SocketKey(1), netns: 1, local: end(1), remote: end(remote) };
        FailedConnect { time_ns: 1, socket, failure, errno: 0, owner: None, took_ns: None, mptcp: false }
    }

    #[test]
    fn those_with_most_come_first() {
        let mut all = Failed::default();
        for port in [80, 443, 443] {
            all.record(&failed(port, ConnectFailure::Refused), 2);
        }
        all.record(&failed(443, ConnectFailure::TimedOut), 1);
        let summary = all.summary();
        let rows: Vec<_> = summary.rows.iter().map(|row| (row.remote.port, row.total(), row.counts[1])).collect();
        assert_eq!((rows.as_slice(), summary.total(), summary.others), ([(443, 5, 1), (80, 2, 0)].as_slice(), 7, 0));
    }

    #[test]
    fn who_connects_everywhere_does_not_fill_memory() {
        let mut all = Failed::default();
        for port in 0..u16::MAX {
            all.record(&failed(port, ConnectFailure::Refused), 1);
        }
        let summary = all.summary();
        assert_eq!((all.by.len(), summary.rows.len()), (KEYS_MAX, ROWS_MAX));
        assert_eq!((summary.total(), summary.others), (65_535, 65_525));
    }
}
