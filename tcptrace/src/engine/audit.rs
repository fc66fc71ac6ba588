//! Comparing the table with dumps: what was closing before anybody looked is adopted, what a loss hid is healed.
//!
//! A dump is no moment: sockets come and go while it runs, and a walk over the kernel's table may pass one by. So
//! absence from a dump is a suspicion, which an exact look confirms, and a socket that ended meanwhile is not adopted.

use std::collections::{HashMap, HashSet};

use super::{
    births::Births,
    closing::Closing,
    config::{
        AUDIT_AFTER_LOSS_NS, AUDIT_COST_SHARE, AUDIT_INTERVAL_NS, AUDIT_PATIENCE_NS, ENDED_IN_AUDIT_MAX, NAMESPACES_MAX,
    },
    run::Engine,
    table::SlotId,
    watch::Asked,
};
use crate::diagnosis::orphan_age_ns;
use crate::model::{DumpAt, DumpMark, Phase, Sighting, Snapshot, SocketKey, State, StateSet, Want};

#[derive(Debug, Default)]
pub(super) struct Audit {
    running_since_ns: Option<u64>,
    /// The next one; `None` before the first.
    due_ns: Option<u64>,
    /// When each namespace's dump began, and whether it was told to its end.
    namespaces: HashMap<u32, (u64, bool)>,
    /// A bit for each slot.
    seen: Vec<u64>,
    /// Sockets that ended while it runs; more than these, and nothing is adopted this time.
    ended: HashSet<SocketKey>,
    with_births: bool,
    births: HashSet<SocketKey>,
    /// The engine's count of losses at the start of the last one.
    losses: u32,
    cost_ns: u64,
    done: u64,
}

impl Audit {
    pub(super) fn running(&self) -> bool {
        self.running_since_ns.is_some()
    }

    /// A slot's socket was seen.
    pub(super) fn saw(&mut self, id: SlotId) {
        if !self.running() {
            return;
        }
        let (word, bit) = (id as usize / 64, id % 64);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if let Some(word) = self.seen.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    fn has_seen(&self, id: SlotId) -> bool {
        self.seen.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// A socket that does not close yet was seen.
    pub(super) fn saw_birth(&mut self, key: SocketKey) {
        if self.with_births {
            self.births.insert(key);
        }
    }

    /// A close was reported.
    pub(super) fn ended(&mut self, key: SocketKey) {
        if self.running() && self.ended.len() <= ENDED_IN_AUDIT_MAX {
            self.ended.insert(key);
        }
    }

    /// Whether a socket that is not known may be taken for one that is open.
    fn may_adopt(&self, key: SocketKey) -> bool {
        self.running() && self.ended.len() <= ENDED_IN_AUDIT_MAX && !self.ended.contains(&key)
    }

    /// Something was lost: the next audit comes soon.
    pub(super) fn hasten(&mut self, now_ns: u64) {
        let wait_ns = AUDIT_AFTER_LOSS_NS.max(self.cost_ns.saturating_mul(AUDIT_COST_SHARE / 10));
        let soon_ns = now_ns.saturating_add(wait_ns);
        self.due_ns = self.due_ns.map(|due_ns| due_ns.min(soon_ns));
    }
}

impl Engine {
    /// Asks for a dump when its time has come.
    pub(super) fn audit_if_due(&mut self) {
        if !self.looks_on {
            return;
        }
        if let Some(since_ns) = self.audit.running_since_ns {
            if self.now_ns.saturating_sub(since_ns) > AUDIT_PATIENCE_NS {
                self.end_audit(0);
            }
            return;
        }
        if self.audit.due_ns.is_some_and(|due_ns| due_ns > self.now_ns) {
            return;
        }
        let audit = &mut self.audit;
        audit.running_since_ns = Some(self.now_ns);
        // A connect whose end was lost stays remembered until somebody looks.
        audit.with_births = audit.losses != self.losses && !self.births.is_empty();
        audit.losses = self.losses;
        let mut states = StateSet::CLOSING;
        if audit.with_births {
            states.0 |= StateSet::of(&[State::Established, State::SynSent]).0;
        }
        self.wants.push_back(Want::Dump(states));
    }

    pub(super) fn dump_mark(&mut self, mark: &DumpMark) {
        self.advance(mark.time_ns);
        if !self.audit.running() {
            return;
        }
        let namespaces = &mut self.audit.namespaces;
        match mark.at {
            DumpAt::Begin => {
                if namespaces.len() < NAMESPACES_MAX {
                    namespaces.insert(mark.netns, (mark.time_ns, false));
                }
            }
            DumpAt::End => {
                if let Some((_, whole)) = namespaces.get_mut(&mark.netns) {
                    *whole = true;
                }
            }
            DumpAt::BrokeOff => {}
            DumpAt::AllDone { cost_ns } => {
                self.suspect_the_unseen();
                self.end_audit(cost_ns);
            }
        }
    }

    /// Looks at each socket that a whole dump should have shown, and did not.
    fn suspect_the_unseen(&mut self) {
        let audit = &self.audit;
        let losses = self.losses;
        let unseen = |id: SlotId, closing: &Closing| {
            let idle = matches!(closing.rare.asked(), None | Some(Asked::Recheck));
            let idle = idle && !closing.handed_over && Phase::of(closing.state).is_some();
            let missing = match audit.namespaces.get(&closing.socket.netns) {
                Some((began_ns, true)) => closing.since_ns < *began_ns,
                Some((_, false)) => false,
                None => closing.losses != losses,
            };
            idle && missing && !audit.has_seen(id)
        };
        let suspects: Vec<SlotId> =
            self.table.iter().filter(|(id, closing)| unseen(*id, closing)).map(|(id, _)| id).collect();
        for id in suspects {
            match self.table.get_mut(id).filter(|closing| closing.rare.asked().is_some()) {
                // The answer that is on its way will do.
                Some(closing) => closing.rare.ask(Asked::Audit),
                None => self.ask(id, Asked::Audit),
            }
        }
        if self.audit.with_births {
            forget_births(&mut self.births, &self.audit);
        }
    }

    fn end_audit(&mut self, cost_ns: u64) {
        let interval_ns = AUDIT_INTERVAL_NS.max(cost_ns.saturating_mul(AUDIT_COST_SHARE));
        self.audit = Audit {
            due_ns: Some(self.now_ns.saturating_add(interval_ns)),
            cost_ns,
            losses: self.audit.losses,
            done: self.audit.done + 1,
            ..Audit::default()
        };
        if self.losses != self.audit.losses {
            self.audit.hasten(self.now_ns);
        }
    }

    /// A closing socket that nobody knows.
    pub(super) fn adopt_sighting(&mut self, sighting: &Sighting) {
        let snapshot = &sighting.snapshot;
        if Phase::of(snapshot.state).is_none() || !self.audit.may_adopt(snapshot.socket.key) {
            return;
        }
        // The kernel side tells nothing of sockets that other owners close, so nobody would see their end. Those from
        // before the start are nobody's yet.
        if self.owners_filtered && self.audit.done > 0 {
            return;
        }
        if self.table.is_full() {
            self.anomalies.table_full += 1;
            return;
        }
        if self.audit.done == 0 {
            self.looks.found_closing += 1;
        } else {
            self.looks.adopted += 1;
        }
        let facts = self.netns.facts(snapshot.socket.netns);
        let orphan_ns = facts.and_then(|facts| orphan_age_ns(snapshot, facts)).unwrap_or(0);
        let mut closing = Closing::of_snapshot(snapshot, orphan_ns, self.losses);
        self.take_birth(&mut closing);
        self.count_open(snapshot.state, 1);
        let id = self.table.insert(closing);
        self.audit.saw(id);
        if snapshot.timewait {
            self.count_orphan(id);
            self.orphan_seen(id, snapshot);
        } else {
            self.look_when_due(id);
        }
    }

    /// An adopted socket is older than its place in a lane would say.
    fn look_when_due(&mut self, id: SlotId) {
        let Some(closing) = self.table.get(id) else { return };
        let wait_ns = match closing.state {
            State::CloseWait => self.config.leak_after_ns,
            State::FinWait2 if !closing.flags.orphan => return,
            _ => self.config.stuck_after_ns,
        };
        let due_ns = closing.since_ns.saturating_add(wait_ns).max(self.now_ns);
        self.schedule.set(&mut self.table, id, due_ns);
    }

    /// The socket is somewhere else than the events say: one was lost.
    pub(super) fn moved_unseen(&mut self, id: SlotId, snapshot: &Snapshot) {
        if Phase::of(snapshot.state).is_none() && !snapshot.timewait {
            return;
        }
        self.looks.healed += 1;
        let state = if snapshot.timewait { State::FinWait2 } else { snapshot.state };
        self.jump_to(id, state, snapshot.time_ns);
        if !snapshot.timewait {
            self.wait_for(id);
            return;
        }
        if let Some(closing) = self.table.get_mut(id) {
            closing.handed_over = true;
            closing.flags.orphan = true;
        }
        self.count_orphan(id);
        self.orphan_seen(id, snapshot);
    }
}

/// Connects that a whole dump should have shown.
fn forget_births(births: &mut Births, audit: &Audit) {
    births.retain(|key, birth| {
        let whole = audit.namespaces.get(&birth.netns).filter(|(_, whole)| *whole);
        whole.is_none_or(|(began_ns, _)| birth.time_ns >= *began_ns) || audit.births.contains(&key)
    });
}
