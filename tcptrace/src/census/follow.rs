//! Sockets from dump to dump.

use std::collections::HashMap;

use super::age;
use crate::{
    diagnosis,
    model::{Identity, Snapshot, SocketKey},
};

/// Sockets that are followed at a time: some 60 MiB at most. Those beyond are counted, and not listed.
pub const FOLLOWED_MAX: usize = 1 << 17;
/// Two bounds of an age as close as this are one age: ticks of the kernel, and a round trip.
const CLOSE_NS: u64 = 50_000_000;

/// A cookie is unique in its namespace.
pub(super) type Key = (u32, SocketKey);

pub(super) const fn key(socket: &Identity) -> Key {
    (socket.netns, socket.key)
}

/// One socket in one state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The newest look.
    pub(super) snapshot: Snapshot,
    /// First seen in this state.
    first_ns: u64,
    /// The last dump before that, which would have had it; `None` where there was none.
    not_yet_ns: Option<u64>,
    /// The best lower bound of the moment when the state began, from any look.
    since_ns: u64,
    /// In this round.
    seen: bool,
    /// In the report of the last round.
    listed: bool,
}

impl Known {
    fn new(snapshot: &Snapshot, not_yet_ns: Option<u64>) -> Self {
        let mut known = Self {
            snapshot: *snapshot,
            first_ns: snapshot.time_ns,
            not_yet_ns,
            since_ns: snapshot.time_ns,
            seen: true,
            listed: false,
        };
        known.look(snapshot);
        known
    }

    fn look(&mut self, snapshot: &Snapshot) {
        self.snapshot = *snapshot;
        self.seen = true;
        let begun_ns = snapshot.time_ns.saturating_sub(diagnosis::age_lower_bound_ns(snapshot));
        self.since_ns = self.since_ns.min(begun_ns);
    }

    /// In its state at least, nanoseconds.
    pub(super) fn age_ns(&self) -> u64 {
        self.snapshot.time_ns.saturating_sub(self.since_ns)
    }

    /// From the first look to the newest, nanoseconds.
    pub(super) const fn watched_ns(&self) -> u64 {
        self.snapshot.time_ns.saturating_sub(self.first_ns)
    }

    /// In its state at most, nanoseconds.
    pub(super) fn upper_bound_ns(&self) -> Option<u64> {
        let since_dump = self.not_yet_ns.map(|ns| self.snapshot.time_ns.saturating_sub(ns));
        [since_dump, age::upper_bound_ns(&self.snapshot)].into_iter().flatten().min()
    }

    /// Whether it may be noticeably older than [`Known::age_ns`].
    pub(super) fn is_lower_bound(&self) -> bool {
        let age_ns = self.age_ns();
        self.upper_bound_ns().is_none_or(|upper_ns| upper_ns.saturating_sub(age_ns) > CLOSE_NS.max(age_ns / 100))
    }
}

/// All sockets that are followed.
#[derive(Debug, Default)]
pub(super) struct Followed {
    sockets: HashMap<Key, Known>,
    /// Namespaces that were told to their end in the last round, and when that began.
    told_ns: HashMap<u32, u64>,
    /// Listed, and seen in another state since.
    moved: u64,
    rounds: u64,
}

impl Followed {
    pub(super) fn begin(&mut self) {
        self.sockets.values_mut().for_each(|known| known.seen = false);
        self.moved = 0;
    }

    /// False where there is no room.
    pub(super) fn see(&mut self, snapshot: &Snapshot) -> bool {
        let key = key(&snapshot.socket);
        let not_yet_ns = self.told_ns.get(&key.0).copied();
        let is_full = self.sockets.len() >= FOLLOWED_MAX;
        match self.sockets.get_mut(&key) {
            Some(known) if (known.snapshot.state, known.snapshot.timewait) == (snapshot.state, snapshot.timewait) => {
                known.look(snapshot);
            }
            // It moved on after it was seen.
            Some(known) => {
                self.moved += u64::from(known.listed);
                *known = Known::new(snapshot, Some(known.snapshot.time_ns));
            }
            None if is_full => return false,
            None => drop(self.sockets.insert(key, Known::new(snapshot, not_yet_ns))),
        }
        true
    }

    pub(super) fn forget(&mut self, socket: &Identity) {
        self.sockets.remove(&key(socket));
    }

    /// Forgets what the dumps of these namespaces did not tell; says how many of the listed are gone or moved on,
    /// except in the first round.
    pub(super) fn drop_unseen(&mut self, whole: HashMap<u32, u64>) -> Option<u64> {
        let mut gone = self.moved;
        self.sockets.retain(|(netns, _), known| {
            let stays = known.seen || !whole.contains_key(netns);
            gone += u64::from(!stays && known.listed);
            stays
        });
        self.told_ns = whole;
        self.rounds += 1;
        (self.rounds > 1).then_some(gone)
    }

    /// Those of this round.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&Key, &Known)> {
        self.sockets.iter().filter(|(_, known)| known.seen)
    }

    /// Who is in the report of this round; those of the round before no longer count.
    pub(super) fn mark_listed<'a>(&mut self, sockets: impl Iterator<Item = &'a Identity>) {
        self.sockets.values_mut().for_each(|known| known.listed = false);
        for socket in sockets {
            if let Some(known) = self.sockets.get_mut(&key(socket)) {
                known.listed = true;
            }
        }
    }
}
