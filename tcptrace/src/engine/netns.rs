//! What is known of network namespaces.

use std::collections::HashMap;

use super::config::NAMESPACES_MAX;
use crate::model::NetnsFacts;

#[derive(Debug, Default)]
pub(super) struct Namespaces(HashMap<u32, Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    facts: NetnsFacts,
    /// The last two readings between which `TCPTimeWaitOverflow` moved.
    overflow: Option<(u64, u64)>,
}

impl Namespaces {
    pub(super) fn learn(&mut self, facts: &NetnsFacts) {
        if let Some(known) = self.0.get_mut(&facts.netns) {
            if facts.timewait_overflow > known.facts.timewait_overflow && known.facts.timewait_overflow.is_some() {
                known.overflow = Some((known.facts.time_ns, facts.time_ns));
            }
            known.facts = *facts;
        } else if self.0.len() < NAMESPACES_MAX {
            self.0.insert(facts.netns, Known { facts: *facts, overflow: None });
        }
    }

    pub(super) fn facts(&self, netns: u32) -> Option<&NetnsFacts> {
        self.0.get(&netns).map(|known| &known.facts)
    }

    /// Whether a timewait socket was refused at some time that may be one between these two.
    pub(super) fn overflowed(&self, netns: u32, from_ns: u64, to_ns: u64) -> bool {
        let moved = self.0.get(&netns).and_then(|known| known.overflow);
        moved.is_some_and(|(before_ns, after_ns)| before_ns <= to_ns && after_ns >= from_ns)
    }
}
