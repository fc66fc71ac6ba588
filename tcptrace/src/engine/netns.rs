//! What is known of network namespaces.

use std::collections::{HashMap, HashSet};

use super::config::NAMESPACES_MAX;
use crate::model::NetnsFacts;

#[derive(Debug, Default)]
pub(super) struct Namespaces {
    known: HashMap<u32, Known>,
    /// Seen in events.
    met: HashSet<u32>,
    /// The one that was met last: most events are of one that was.
    latest: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    facts: NetnsFacts,
    /// The last two readings between which `TCPTimeWaitOverflow` moved.
    overflow: Option<(u64, u64)>,
}

impl Namespaces {
    /// Whether an event has named a namespace for the first time: its counters must be known before they move.
    pub(super) fn meet(&mut self, netns: u32) -> bool {
        if self.latest == Some(netns) {
            return false;
        }
        self.latest = Some(netns);
        !self.met.contains(&netns) && self.met.len() < NAMESPACES_MAX && self.met.insert(netns)
    }

    pub(super) fn learn(&mut self, facts: &NetnsFacts) {
        if let Some(known) = self.known.get_mut(&facts.netns) {
            if facts.timewait_overflow > known.facts.timewait_overflow && known.facts.timewait_overflow.is_some() {
                known.overflow = Some((known.facts.time_ns, facts.time_ns));
            }
            known.facts = *facts;
        } else if self.known.len() < NAMESPACES_MAX {
            self.known.insert(facts.netns, Known { facts: *facts, overflow: None });
        }
    }

    pub(super) fn facts(&self, netns: u32) -> Option<&NetnsFacts> {
        self.known.get(&netns).map(|known| &known.facts)
    }

    /// Whether a timewait socket was refused at some time that may be one between these two.
    pub(super) fn overflowed(&self, netns: u32, from_ns: u64, to_ns: u64) -> bool {
        let moved = self.known.get(&netns).and_then(|known| known.overflow);
        moved.is_some_and(|(before_ns, after_ns)| before_ns <= to_ns && after_ns >= from_ns)
    }
}
