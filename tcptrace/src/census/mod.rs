//! Judges whole dumps: which sockets are stuck or leaked, for how long at least, and whose they are.
//!
//! A dump says how a socket is, not since when. What earlier dumps said gives a lower bound, and what `tcp_info`
//! remembers often a better one. Pure: time arrives with the snapshots.

mod age;
mod follow;
mod groups;
mod leaks;
mod listeners;
mod stuck;
#[cfg(test)]
mod tests;
mod trends;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

pub use follow::FOLLOWED_MAX;
pub use groups::SHARERS_MAX;
pub use listeners::LISTENERS_MAX;
pub use trends::GROUPS_MAX;

use crate::{
    diagnosis::{Signs, diagnose, leak_cause},
    model::{
        Finding, FindingKind, FindingReason, FindingStatus, Holders, Identity, Look, NetnsFacts, Phase, Retransmits,
        Round, Snapshot, State, StateSet,
    },
};
use follow::Followed;
use listeners::Listeners;
use trends::Trends;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// FIN_WAIT1, CLOSING, LAST_ACK, and FIN_WAIT2 of orphans.
    Stuck,
    /// CLOSE_WAIT.
    Leaks,
}

/// Between two looks that prove a socket to stay where it is, nanoseconds: no close in good health takes that long on a
/// network of this planet.
pub const STAYS_NS: u64 = 250_000_000;
/// Namespaces whose settings are remembered.
const FACTS_MAX: usize = 4096;

/// All that dumps have said so far.
#[derive(Debug)]
pub struct Census {
    kind: Kind,
    threshold_ns: u64,
    followed: Followed,
    facts: HashMap<u32, NetnsFacts>,
    listeners: Listeners,
    trends: Trends,
    round: Round,
    /// Namespaces of this round that were told to their end, and when that began.
    whole: HashMap<u32, u64>,
}

impl Census {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(kind: Kind, threshold_ns: u64) -> Self {
        Self {
            kind,
            threshold_ns,
            followed: Followed::default(),
            facts: HashMap::new(),
            listeners: Listeners::default(),
            trends: Trends::default(),
            round: Round::default(),
            whole: HashMap::new(),
        }
    }

    /// The states that a dump has to tell with details, and those without.
    #[must_use]
    pub const fn states(&self) -> (StateSet, StateSet) {
        match self.kind {
            Kind::Stuck => {
                let states = [State::FinWait1, State::FinWait2, State::Closing, State::LastAck];
                (StateSet::of(&states), StateSet(0))
            }
            Kind::Leaks => (StateSet::of(&[State::CloseWait]), StateSet::of(&[State::Listen])),
        }
    }

    /// A round of dumps begins.
    pub fn begin(&mut self) {
        self.followed.begin();
        self.listeners = Listeners::default();
        self.whole.clear();
        self.round = Round::default();
    }

    /// Whether a snapshot is of what is looked for. FIN_WAIT2 that a program holds is no fault.
    #[must_use]
    pub fn concerns(&self, snapshot: &Snapshot) -> bool {
        match (self.kind, snapshot.state) {
            (Kind::Leaks, State::CloseWait) => true,
            (Kind::Stuck, State::FinWait1 | State::Closing | State::LastAck) => true,
            (Kind::Stuck, State::FinWait2) => snapshot.inode == 0,
            _ => false,
        }
    }

    /// A socket of a dump, or of a second look.
    pub fn see(&mut self, snapshot: &Snapshot) {
        if snapshot.state == State::Listen {
            self.listeners.learn(snapshot);
        } else if !self.concerns(snapshot) {
            self.followed.forget(&snapshot.socket);
        } else if !self.followed.see(snapshot) {
            self.round.not_followed += 1;
        }
    }

    /// A second look did not find it.
    pub fn unsee(&mut self, socket: &Identity) {
        self.followed.forget(socket);
    }

    /// Settings of a namespace.
    pub fn learn(&mut self, facts: NetnsFacts) {
        if self.facts.len() < FACTS_MAX || self.facts.contains_key(&facts.netns) {
            self.facts.insert(facts.netns, facts);
        }
    }

    /// All of a namespace was told, from this moment on.
    pub fn told(&mut self, netns: u32, began_ns: u64) {
        self.whole.insert(netns, began_ns);
        self.round.namespaces += 1;
    }

    /// A namespace could not be entered, or its dump broke off.
    pub fn unreachable(&mut self) {
        self.round.unreachable += 1;
    }

    /// All namespaces are done. What no longer is there is forgotten, unless it could not be seen.
    pub fn end_of_dump(&mut self) {
        self.round.gone = self.followed.drop_unseen(std::mem::take(&mut self.whole));
    }

    /// Sockets that may be old enough and have not been seen for long enough to tell.
    #[must_use]
    pub fn doubtful(&self) -> Vec<Look> {
        let doubtful = self.followed.seen().filter(|(_, known)| {
            known.age_ns() < self.threshold_ns && !self.is_young(known) && known.watched_ns() < STAYS_NS
        });
        let look = |snapshot: &Snapshot| Look { socket: snapshot.socket, bound_if: snapshot.bound_if, holders: false };
        doubtful.map(|(_, known)| look(&known.snapshot)).collect()
    }

    /// Inodes of what will be listed, for whoever finds out who holds them. With them those of listeners whose queues
    /// hold a listed socket.
    #[must_use]
    pub fn inodes(&self) -> Vec<u32> {
        let mut inodes: HashSet<u32> = HashSet::new();
        for (_, known) in self.followed.seen().filter(|(_, known)| self.is_listed(known)) {
            let snapshot = &known.snapshot;
            if snapshot.inode != 0 {
                inodes.insert(snapshot.inode);
            } else if self.kind == Kind::Leaks {
                inodes.extend(self.listeners.of(&snapshot.socket).map(|listener| listener.inode));
            }
        }
        inodes.remove(&0);
        inodes.into_iter().collect()
    }

    /// Certainly or most likely younger than the threshold.
    fn is_young(&self, known: &follow::Known) -> bool {
        let facts = self.facts.get(&known.snapshot.socket.netns);
        let bound = [known.upper_bound_ns(), age::likely_ns(&known.snapshot, facts)].into_iter().flatten().min();
        bound.is_some_and(|ns| ns < self.threshold_ns)
    }

    /// Old enough, or perhaps so and still there at a second look.
    fn is_listed(&self, known: &follow::Known) -> bool {
        known.age_ns() >= self.threshold_ns || (!self.is_young(known) && known.watched_ns() >= STAYS_NS)
    }

    /// Ends the round: who is listed, and what is to be said of the round.
    fn close_round(&mut self, time_ns: u64) -> (Vec<follow::Known>, Round) {
        let mut listed = Vec::new();
        let mut young = 0;
        for (_, known) in self.followed.seen() {
            if self.is_listed(known) {
                listed.push(*known);
            } else {
                young += 1;
            }
        }
        listed.sort_by_key(|known| (std::cmp::Reverse(known.age_ns()), known.snapshot.socket.key));
        (listed, Round { time_ns, young, ..self.round })
    }

    /// The finding of a listed socket.
    fn finding(&self, known: &follow::Known, holders: Option<Arc<Holders>>) -> Option<Finding> {
        let snapshot = known.snapshot;
        let kind = FindingKind::of(Phase::of(snapshot.state)?);
        let orphan = match (snapshot.inode, snapshot.state) {
            (0, State::CloseWait) => None,
            (inode, _) => Some(inode == 0),
        };
        let facts = self.facts.get(&snapshot.socket.netns);
        let (reason, diagnosis) = match kind {
            FindingKind::LeakCloseWait => (FindingReason::Leak(leak_cause(&snapshot, holders.as_deref())), None),
            _ => {
                let signs = Signs { orphan, ..Signs::default() };
                let diagnosis = diagnose(&snapshot, facts, signs);
                (FindingReason::Stuck(diagnosis.cause), Some(diagnosis))
            }
        };
        Some(Finding {
            time_ns: snapshot.time_ns,
            socket: snapshot.socket,
            kind,
            reason,
            status: FindingStatus::Raised,
            age_ns: known.age_ns(),
            age_is_lower_bound: known.is_lower_bound(),
            may_be_over: false,
            retransmits: Retransmits::default(),
            orphan,
            mptcp: false,
            owner: holders.as_deref().filter(|holders| !holders.partial).and_then(Holders::sole),
            diagnosis,
            holders,
        })
    }
}
