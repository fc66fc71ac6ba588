//! How groups of leaks grow from look to look.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
};

/// Groups whose growth is known at a time.
pub const GROUPS_MAX: usize = 4096;
/// Growth is over so long, nanoseconds.
const WINDOW_NS: u64 = 60_000_000_000;
/// Counts kept of a group, one a second.
const COUNTS_MAX: usize = 64;
/// Rounds of a minute, at the shortest interval that `--watch` takes.
const ROUNDS_MAX: usize = 601;
const COUNT_EVERY_NS: u64 = 1_000_000_000;

/// Counts of each group over the last minute.
#[derive(Debug)]
pub(super) struct Trends<G> {
    groups: HashMap<G, VecDeque<(u64, u64)>>,
    began_ns: Option<u64>,
    last_ns: u64,
}

impl<G> Default for Trends<G> {
    fn default() -> Self {
        Self { groups: HashMap::new(), began_ns: None, last_ns: 0 }
    }
}

impl<G: Clone + Eq + Hash> Trends<G> {
    /// Takes a group's count, and says how many more there are a minute. A group that was not there in the round before
    /// had none then.
    pub(super) fn record(&mut self, of: &G, time_ns: u64, count: u64) -> Option<i64> {
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(of) {
            return None;
        }
        let counts = self.groups.entry(of.clone()).or_default();
        if counts.is_empty() && self.began_ns.is_some() {
            counts.push_back((self.last_ns, 0));
        }
        while counts.len() > 1 && counts.get(1).is_some_and(|(at, _)| time_ns.saturating_sub(*at) >= WINDOW_NS) {
            counts.pop_front();
        }
        let growth = counts.front().and_then(|(at, before)| per_minute(time_ns.saturating_sub(*at), *before, count));
        if counts.back().is_none_or(|(at, _)| time_ns.saturating_sub(*at) >= COUNT_EVERY_NS) {
            if counts.len() >= COUNTS_MAX {
                counts.pop_front();
            }
            counts.push_back((time_ns, count));
        }
        growth
    }

    /// Ends a round: groups that are no more are forgotten.
    pub(super) fn end(&mut self, time_ns: u64, present: &HashSet<G>) {
        self.groups.retain(|of, _| present.contains(of));
        self.began_ns.get_or_insert(time_ns);
        self.last_ns = time_ns;
    }
}

/// How many come newly into the report, over the last minute.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// When a round was, and how many were new in it.
    rounds: VecDeque<(u64, u64)>,
}

impl Arrivals {
    /// Takes the number of a round; says it, and how many there are a minute. In the first round all are new, which
    /// tells nothing.
    pub(super) fn record(&mut self, time_ns: u64, new: u64) -> (Option<u64>, Option<u64>) {
        let is_first = self.rounds.is_empty();
        while self.rounds.get(1).is_some_and(|(at, _)| time_ns.saturating_sub(*at) >= WINDOW_NS) {
            self.rounds.pop_front();
        }
        if self.rounds.len() >= ROUNDS_MAX {
            self.rounds.pop_front();
        }
        self.rounds.push_back((time_ns, new));
        let Some((began_ns, _)) = self.rounds.front().filter(|_| !is_first) else { return (None, None) };
        // What the first of these rounds found came before it.
        let sum: u64 = self.rounds.iter().skip(1).map(|(_, new)| new).sum();
        let rate = per_minute(time_ns.saturating_sub(*began_ns), 0, sum);
        (Some(new), rate.and_then(|rate| u64::try_from(rate).ok()))
    }
}

/// Rounded to the nearest, away from zero.
fn per_minute(over_ns: u64, before: u64, now: u64) -> Option<i64> {
    if over_ns == 0 {
        return None;
    }
    let more = i128::from(now) - i128::from(before);
    let (scaled, half) = (more * i128::from(WINDOW_NS), i128::from(over_ns / 2));
    let rounded = (scaled.abs() + half) / i128::from(over_ns) * scaled.signum();
    i64::try_from(rounded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupOf;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_minute_of_counts() {
        let mut trends = Trends::default();
        let of = GroupOf::Unknown;
        let present = HashSet::from([GroupOf::Unknown]);
        let mut record = |time_ns, count| {
            let growth = trends.record(&of, time_ns, count);
            trends.end(time_ns, &present);
            growth
        };
        assert_eq!(record(5 * SECOND, 10), None);
        assert_eq!(record(6 * SECOND, 11), Some(60));
        assert_eq!(record(35 * SECOND, 11), Some(2));
        assert_eq!(record(64 * SECOND, 10), Some(0));
        // What is more than a minute old no longer counts.
        assert_eq!(record(66 * SECOND, 1), Some(-10));
        assert_eq!(record(200 * SECOND, 1), Some(0));
    }

    #[test]
    fn what_is_new_has_grown() {
        let mut trends = Trends::default();
        trends.end(0, &HashSet::new());
        assert_eq!(trends.record(&GroupOf::Unknown, 30 * SECOND, 5), Some(10));
        trends.end(30 * SECOND, &HashSet::new());
        assert_eq!(trends.record(&GroupOf::Unknown, 60 * SECOND, 5), Some(10), "it was away");
    }

    #[test]
    fn arrivals_of_a_minute() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.record(SECOND, 500), (None, None));
        assert_eq!(arrivals.record(11 * SECOND, 5), (Some(5), Some(30)));
        assert_eq!(arrivals.record(31 * SECOND, 0), (Some(0), Some(10)));
        // The first ones are more than a minute ago.
        assert_eq!(arrivals.record(71 * SECOND, 1), (Some(1), Some(1)));
        assert_eq!(arrivals.record(71 * SECOND, 0), (Some(0), Some(1)));
        for round in 0..2000 {
            arrivals.record(72 * SECOND + round, 1);
        }
        assert!(arrivals.rounds.len() <= ROUNDS_MAX);
    }
}
