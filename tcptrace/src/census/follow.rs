//! Sockets from dump to dump.

use std::collections::HashMap;

use super::age;
use crate::{
    diagnosis,
    model::{Identity, Mptcp, NetnsFacts, Snapshot, SocketKey, State},
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
    /// The last dump before that, which would have had it; `None` where there was none.
    not_yet_ns: Option<u64>,
    /// The best lower bound of the moment when the state began, from any look.
    since_ns: u64,
    /// In this round.
    seen: bool,
    /// In the report of the last round.
    listed: bool,
    /// In the report of the round before that.
    was_listed: bool,
}

impl Known {
    fn new(snapshot: &Snapshot, not_yet_ns: Option<u64>) -> Self {
        let mut known = Self {
            snapshot: *snapshot,
            not_yet_ns,
            since_ns: snapshot.time_ns,
            seen: true,
            listed: false,
            was_listed: false,
        };
        known.look(snapshot);
        known
    }

    fn look(&mut self, snapshot: &Snapshot) {
        self.snapshot = *snapshot;
        self.seen = true;
        // The time that a program held it in FIN_WAIT2 is no fault, and the last ACK may be older than the close().
        let at_least_ns = match snapshot.state {
            State::FinWait2 => 0,
            _ => diagnosis::age_lower_bound_ns(snapshot),
        };
        self.since_ns = self.since_ns.min(snapshot.time_ns.saturating_sub(at_least_ns));
    }

    /// In its state at least, nanoseconds; of FIN_WAIT2, since nobody holds it.
    pub(super) fn age_ns(&self, facts: Option<&NetnsFacts>) -> u64 {
        let known_ns = self.snapshot.time_ns.saturating_sub(self.since_ns);
        self.timer_ns(facts).map_or(known_ns, |timer_ns| timer_ns.max(known_ns))
    }

    /// The age that an orphan's timer tells. One that says more than can be was made shorter (TCP_LINGER2).
    fn timer_ns(&self, facts: Option<&NetnsFacts>) -> Option<u64> {
        let facts = facts?;
        let ns = diagnosis::orphan_age_ns(&self.snapshot, facts).or_else(|| match self.snapshot.state {
            State::FinWait1 | State::LastAck => diagnosis::mptcp_orphan_ns(&self.snapshot, facts),
            _ => None,
        })?;
        let most_ns = self.since_dump_ns().unwrap_or(u64::MAX).saturating_add(CLOSE_NS);
        (ns <= most_ns).then_some(ns)
    }

    /// From the last dump that would have had it to the newest look, nanoseconds.
    fn since_dump_ns(&self) -> Option<u64> {
        self.not_yet_ns.map(|ns| self.snapshot.time_ns.saturating_sub(ns))
    }

    /// In its state at most, nanoseconds.
    pub(super) fn upper_bound_ns(&self, facts: Option<&NetnsFacts>) -> Option<u64> {
        // What the timer of TCP tells is the age, not a bound of it.
        let by_timer = self.snapshot.mptcp == Mptcp::No && self.snapshot.state == State::FinWait2;
        let timer_ns = self.timer_ns(facts).filter(|_| by_timer);
        [self.since_dump_ns(), timer_ns, age::upper_bound_ns(&self.snapshot)].into_iter().flatten().min()
    }

    /// Whether it may be noticeably older than [`Known::age_ns`].
    pub(super) fn is_lower_bound(&self, facts: Option<&NetnsFacts>) -> bool {
        let age_ns = self.age_ns(facts);
        let most_ns = self.upper_bound_ns(facts);
        most_ns.is_none_or(|most_ns| most_ns.saturating_sub(age_ns) > CLOSE_NS.max(age_ns / 100))
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

    pub(super) fn has(&self, key: Key) -> bool {
        self.sockets.contains_key(&key)
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

    /// Until they are told anew, the MPTCP connections of a namespace are not seen in this round.
    pub(super) fn unsee_mptcp(&mut self, netns: u32) {
        let concerned = |known: &&mut Known| {
            known.snapshot.socket.netns == netns && matches!(known.snapshot.mptcp, Mptcp::Connection(_))
        };
        self.sockets.values_mut().filter(concerned).for_each(|known| known.seen = false);
    }

    /// Who is in the report of this round; those of the round before no longer count. Says how many were not in it.
    pub(super) fn mark_listed<'a>(&mut self, sockets: impl Iterator<Item = &'a Identity>) -> u64 {
        self.sockets.values_mut().for_each(|known| known.was_listed = std::mem::take(&mut known.listed));
        let mut new = 0;
        for socket in sockets {
            if let Some(known) = self.sockets.get_mut(&key(socket)) {
                known.listed = true;
                new += u64::from(!known.was_listed);
            }
        }
        new
    }
}
