//! Closes that did not end with both FINs, by outcome and reason, and whose they were. Bounded by the words there are,
//! and by the names that each of them keeps.

use std::collections::BTreeMap;

use crate::model::{Close, Comm, Outcome};

/// Names of owners that are told apart for each outcome and reason; a host has few programs that reset connections.
const OWNERS_MAX: usize = 256;
/// Owners that a summary names.
const OWNERS_SHOWN: usize = 10;

/// The closes of one outcome and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonCount {
    /// How they ended.
    pub outcome: &'static str,
    /// Why, where it is known.
    pub reason: Option<&'static str>,
    /// How many, weighted.
    pub closes: u64,
    /// Names of the owners with most of them, most first; `None` where nobody knows.
    pub owners: Vec<(Option<Comm>, u64)>,
    /// How many more names there are.
    pub other_owners: u64,
    /// There are more than that: too many to be told apart.
    pub other_owners_is_at_least: bool,
    /// Closes of those.
    pub other_closes: u64,
}

/// Counts them.
#[derive(Clone, Debug, Default)]
pub(super) struct Reasons(BTreeMap<(Outcome, Option<&'static str>), Tally>);

#[derive(Clone, Debug, Default)]
struct Tally {
    closes: u64,
    owners: BTreeMap<Option<Comm>, u64>,
    /// Of names that found no room.
    nameless: u64,
}

impl Reasons {
    pub(super) fn record(&mut self, close: &Close, weight: u64) {
        let reason = close.reason.map(|reason| reason.as_str());
        if close.outcome == Outcome::Fin && reason.is_none() {
            return;
        }
        let tally = self.0.entry((close.outcome, reason)).or_default();
        tally.closes = tally.closes.saturating_add(weight);
        let name = close.owner.map(|owner| owner.comm);
        if tally.owners.len() >= OWNERS_MAX && !tally.owners.contains_key(&name) {
            tally.nameless = tally.nameless.saturating_add(weight);
            return;
        }
        let count = tally.owners.entry(name).or_default();
        *count = count.saturating_add(weight);
    }

    /// Most first.
    pub(super) fn counts(&self) -> Vec<ReasonCount> {
        let mut counts: Vec<ReasonCount> = self.0.iter().map(|(key, tally)| tally.count(*key)).collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.closes));
        counts
    }
}

impl Tally {
    fn count(&self, (outcome, reason): (Outcome, Option<&'static str>)) -> ReasonCount {
        let mut owners: Vec<(Option<Comm>, u64)> = self.owners.iter().map(|(name, count)| (*name, *count)).collect();
        owners.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let others = owners.split_off(owners.len().min(OWNERS_SHOWN));
        ReasonCount {
            outcome: outcome.as_str(),
            reason,
            closes: self.closes,
            owners,
            other_owners: others.len() as u64,
            other_owners_is_at_least: self.nameless > 0,
            other_closes: others.iter().fold(self.nameless, |sum, (_, count)| sum.saturating_add(*count)),
        }
    }
}
