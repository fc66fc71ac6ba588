//! Words for network namespaces, told while events come: see [`crate::model::NetnsName`].

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::namespaces::{NAMESPACES_MAX, Namespaces};
use crate::model::NetnsName;

/// A search for an unknown namespace is made at most this often, and takes at most this share of the time:
/// short-lived namespaces could demand one an event.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
const SEARCH_SHARE: u32 = 50;
/// A namespace's inode is another one's as soon as it is gone, so words are tried again after this time: one look at a
/// file each.
const TRUSTED_NS: u64 = 100_000_000;
/// Names are read from the list of mounts for every unknown namespace, in at most this much of [`TRUSTED_NS`].
const READING_MAX: Duration = Duration::from_millis(5);

/// Finds words, each told once, and told again when it has changed.
#[derive(Debug)]
pub struct NetnsNames {
    all: Namespaces,
    told: HashMap<u32, String>,
    /// Those that were tried a moment ago; begins anew with each moment.
    trusted: HashSet<u32>,
    trusted_since_ns: u64,
    /// The one that was asked for last: most events come in rows of one.
    latest: Option<u32>,
    /// Spent on reading mounts since words were trusted last.
    reading: Duration,
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
        Self {
            all: Namespaces::new(),
            told: HashMap::new(),
            trusted: HashSet::new(),
            trusted_since_ns: 0,
            latest: None,
            reading: Duration::ZERO,
            searched: None,
            cost: Duration::ZERO,
        }
    }

    /// Time passes, CLOCK_MONOTONIC nanoseconds.
    pub fn tick(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.trusted_since_ns) >= TRUSTED_NS {
            self.trusted_since_ns = now_ns;
            self.trusted.clear();
            self.reading = Duration::ZERO;
            self.latest = None;
        }
    }

    /// The word to tell before an event of a namespace, an empty one if there is none any more; `None` if what was told
    /// holds.
    pub fn name_for(&mut self, netns: u32) -> Option<NetnsName> {
        if self.latest == Some(netns) {
            return None;
        }
        self.latest = Some(netns);
        if !self.trusted.insert(netns) || (self.told.len() >= NAMESPACES_MAX && !self.told.contains_key(&netns)) {
            return None;
        }
        if !self.all.leads_to(netns) {
            self.read_mounts();
        }
        if !self.all.leads_to(netns) {
            self.search();
        }
        let name = self.all.word(netns).unwrap_or_default();
        if self.told.get(&netns).map_or("", String::as_str) == name {
            return None;
        }
        self.told.insert(netns, name.clone());
        Some(NetnsName { netns, name })
    }

    /// Reads the names of `ip netns`, unless that has taken too long a moment ago.
    fn read_mounts(&mut self) {
        if self.reading < READING_MAX {
            let began = Instant::now();
            self.all.scan_mounts();
            self.reading += began.elapsed();
        }
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
        names.tick(TRUSTED_NS);
        assert_eq!(names.name_for(own), None, "it holds");
        assert_eq!((names.trusted.len(), names.told.len()), (1, 1));
    }
}
