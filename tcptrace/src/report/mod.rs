//! From single closes and findings to the summary of a run. Counts what it is given, in whole numbers; what is not
//! known is not counted. No I/O, no clock.

mod context;
mod distribution;
mod failed;
pub mod histogram;
mod reasons;
mod summary;
mod workload;

pub use context::{Cgroup, Context, netns_in_words};
pub use distribution::Distribution;
pub use failed::{FailedSummary, FailedTo, FailureCounts};
pub use reasons::ReasonCount;
pub use summary::{Quantiles, Run, Summary};
pub use workload::Workload;

use crate::model::{Close, Finding, FindingKind, FindingStatus, Outcome, Output, PHASES, Phase, Reason, Role, Status};
use failed::Failed;
use histogram::Of;

/// What a run has come to so far. Its size is bounded, whatever the length of the run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    closes: u64,
    incomplete: u64,
    by_role: [u64; Role::ALL.len()],
    by_outcome: [u64; Outcome::ALL.len()],
    reasons: reasons::Reasons,
    findings: [u64; FindingKind::ALL.len()],
    fin_retransmits: [u64; 4],
    failed: Failed,
    tells_failed: bool,
    listener_closed: u64,
    mptcp: u64,
    /// In the order of [`Of::OF_CLOSE`], without those at its end that are other names for a phase.
    latencies: [Distribution; Of::DISTINCT],
}

impl Report {
    /// The summary tells of failed connects, also that there were none.
    #[must_use]
    pub fn telling_failed_connects(self, tells_failed: bool) -> Self {
        Self { tells_failed, ..self }
    }

    /// Counts one output of the engine, which stands for `weight` of them. Single events do not count: their closes do.
    pub fn record(&mut self, output: &Output, weight: u64) {
        match output {
            Output::Close(close) => self.close(close, weight),
            Output::Finding(finding) => self.finding(finding, weight),
            Output::FailedConnect(failed) => self.failed.record(failed, weight),
            Output::Event(_) => {}
        }
    }

    /// The run so far; `status` is the engines' at this moment, with times since 1970.
    #[must_use]
    pub fn summary(&self, status: Status, run: Run) -> Summary {
        Summary {
            duration_ns: status.last_ns.saturating_sub(status.first_ns),
            closes: self.closes,
            incomplete: self.incomplete,
            by_role: named(Role::ALL.map(Role::as_str), self.by_role),
            by_outcome: named(Outcome::ALL.map(Outcome::as_str), self.by_outcome),
            reasons: self.reasons.counts(),
            latency: Of::OF_CLOSE.into_iter().map(|of| (of.as_str(), self.quantiles(of))).collect(),
            findings: named(FindingKind::ALL.map(FindingKind::as_str), self.findings),
            fin_retransmits: self.fin_retransmits,
            listener_closed: self.listener_closed,
            mptcp: self.mptcp,
            failed_connects: self.tells_failed.then(|| self.failed.summary()),
            status,
            run,
        }
    }

    fn close(&mut self, close: &Close, weight: u64) {
        self.closes += weight;
        self.incomplete += u64::from(!close.complete) * weight;
        self.listener_closed += u64::from(close.reason == Some(Reason::ListenerClosed)) * weight;
        self.mptcp += u64::from(close.mptcp) * weight;
        count(&mut self.by_role, close.role as usize, weight);
        count(&mut self.by_outcome, close.outcome as usize, weight);
        self.reasons.record(close, weight);
        let again = close.retransmits;
        for (sum, n) in self.fin_retransmits.iter_mut().zip([again.tlp, again.rto, again.fast, again.failed]) {
            *sum += u64::from(n) * weight;
        }
        for (of, latency) in Of::OF_CLOSE.into_iter().zip(&mut self.latencies) {
            if let Some(ns) = of.ns(close) {
                latency.record(ns, weight);
            }
        }
    }

    fn quantiles(&self, of: Of) -> Quantiles {
        let place = Of::OF_CLOSE.iter().position(|known| *known == of.first_name());
        place.and_then(|place| self.latencies.get(place)).map(Distribution::quantiles).unwrap_or_default()
    }

    fn finding(&mut self, finding: &Finding, weight: u64) {
        if finding.status == FindingStatus::Raised {
            count(&mut self.findings, finding.kind as usize, weight);
        }
    }
}

/// Whether the close passed through any phase, or may have. An abort from ESTABLISHED goes to CLOSE at once: its 0
/// would drag down the latency of those that do exchange FINs.
#[must_use]
pub fn has_latency(close: &Close) -> bool {
    close.role != Role::Abort || PHASES.into_iter().any(|phase: Phase| close.phases.get(phase).is_some())
}

/// The enums' order is that of their `ALL`.
fn count(counts: &mut [u64], index: usize, weight: u64) {
    if let Some(count) = counts.get_mut(index) {
        *count += weight;
    }
}

fn named<const N: usize>(names: [&'static str; N], counts: [u64; N]) -> Vec<(&'static str, u64)> {
    names.into_iter().zip(counts).collect()
}

#[cfg(test)]
mod tests;
