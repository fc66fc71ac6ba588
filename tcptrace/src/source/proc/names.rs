//! Words for network namespaces, told while events come: see [`crate::model::NetnsName`].

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::namespaces::{NAMESPACES_MAX, Namespaces};
use crate::model::NetnsName;

/// A search for an unknown namespace is made at most this often, and takes at most this share of the time:
/// short-lived namespaces could demand one an event.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
const SEARCH_SHARE: u32 = 50;

/// Finds words, each told once.
#[derive(Debug)]
pub struct NetnsNames {
    all: Namespaces,
    told: HashSet<u32>,
    /// The one that was asked for last: most events come in rows of one.
    latest: Option<u32>,
    searched: Option<Instant>,
    cost: Duration,
}

impl Default for NetnsNames {
    fn default() -> Self {
        Self::new()
    }
}

impl NetnsNames {
    /// One that has told nothing.
    #[must_use]
    pub fn new() -> Self {
        let all = Namespaces::new();
        Self { all, told: HashSet::new(), latest: None, searched: None, cost: Duration::ZERO }
    }

    /// The word to tell before an event of a namespace; none if that was done, or nothing leads there.
    pub fn name_for(&mut self, netns: u32) -> Option<NetnsName> {
        if self.latest == Some(netns) {
            return None;
        }
        if self.told.contains(&netns) || self.told.len() >= NAMESPACES_MAX {
            self.latest = Some(netns);
            return None;
        }
        self.search();
        let name = self.all.word(netns)?;
        self.told.insert(netns);
        Some(NetnsName { netns, name })
    }

    /// Searches, if the last time is not too recent.
    fn search(&mut self) {
        let interval = SEARCH_INTERVAL.max(self.cost.saturating_mul(SEARCH_SHARE));
        if self.searched.is_some_and(|at| at.elapsed() < interval) {
            return;
        }
        let began = Instant::now();
        self.all.scan();
        self.cost = began.elapsed();
        self.searched = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::proc::resolve;

    #[test]
    fn a_word_is_told_once_and_leads_back() {
        let own = resolve("self").unwrap();
        let mut names = NetnsNames::new();
        let told = names.name_for(own).unwrap();
        assert_eq!((told.netns, resolve(&told.name)), (own, Ok(own)));
        assert_eq!(names.name_for(own), None);
        assert_eq!(names.name_for(1), None, "nothing leads there");
        assert_eq!(names.name_for(own), None);
    }
}
