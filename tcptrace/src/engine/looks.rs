//! Looks at single sockets: what is asked, and what an answer does to a close that still goes on.

use std::sync::Arc;

use super::{
    config::{GONE_AGAIN_NS, LOOK_PATIENCE_NS, LOOKS_A_SECOND, NO_NAMESPACE_MAX, RECHECK_NS, WANTS_MAX},
    run::Engine,
    table::SlotId,
    watch::Asked,
};
use crate::{
    diagnosis::{Signs, diagnose, leak_cause},
    model::{Absent, AbsentWhy, GivesUp, Look, NeverWhy, Outcome, Reason, Sighting, State, Want},
};

/// The interface that a socket is bound to is not known.
pub(super) const BOUND_IF_UNKNOWN: u32 = u32::MAX;

impl Engine {
    /// The next thing that the engine wants to know, if any. Asking is voluntary; the answers are inputs.
    pub fn poll_want(&mut self) -> Option<Want> {
        self.wants.pop_front()
    }

    /// Asks for a look at a socket.
    pub(super) fn ask(&mut self, id: SlotId, why: Asked) {
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.rare.ask(why);
        let bound_if = if closing.bound_if() == BOUND_IF_UNKNOWN { 0 } else { closing.bound_if() };
        // Whoever called close() holds it no more: no search of all processes, which others would have to wait for.
        let holders = why == Asked::Raise && closing.orphan() == Some(false);
        // Nobody takes them in a replay.
        if self.wants.len() < WANTS_MAX {
            self.wants.push_back(Want::Look(Look { socket: closing.socket, bound_if, holders }));
        }
        self.looks.asked += 1;
        self.schedule.set(&mut self.table, id, self.now_ns.saturating_add(LOOK_PATIENCE_NS));
    }

    /// Time for a look has come, or for an answer has passed.
    pub(super) fn look_due(&mut self, id: SlotId) {
        self.schedule.clear(&mut self.table, id);
        let Some(closing) = self.table.get_mut(id) else { return };
        let again = closing.rare.watch().and_then(|watch| watch.gone);
        let purpose = match (closing.handed_over, again, closing.raised) {
            (true, ..) => Asked::Orphan,
            (false, Some(why), _) => why,
            (false, None, Some(_)) => Asked::Recheck,
            (false, None, None) => Asked::Raise,
        };
        match closing.rare.take_asked() {
            None => self.ask(id, purpose),
            Some(why) => {
                self.looks.unanswered += 1;
                self.unanswered(id, why);
            }
        }
    }

    /// The socket could not be looked at: what is known has to do.
    fn unanswered(&mut self, id: SlotId, why: Asked) {
        match why {
            Asked::Orphan => self.orphan_unseen(id, Reason::OrphanFinWait2),
            Asked::Raise => self.raise(id, self.now_ns),
            Asked::Recheck => self.recheck_later(id),
            Asked::Audit => {}
        }
    }

    pub(super) fn recheck_later(&mut self, id: SlotId) {
        let raised = self.table.get(id).is_some_and(|closing| closing.raised.is_some());
        if raised && self.looks_on {
            let due_ns = self.now_ns.saturating_add(self.pace_ns(RECHECK_NS));
            self.schedule.set(&mut self.table, id, due_ns);
        }
    }

    /// Between two looks at one socket: `least_ns` while few are looked at, and longer the more there are.
    pub(super) fn pace_ns(&self, least_ns: u64) -> u64 {
        least_ns.max(self.schedule.len().saturating_mul(1_000_000_000 / LOOKS_A_SECOND))
    }

    pub(super) fn sighting(&mut self, sighting: &Sighting) {
        let snapshot = &sighting.snapshot;
        self.advance(snapshot.time_ns);
        if snapshot.state == State::Established || snapshot.state == State::SynSent {
            self.audit.saw_birth(snapshot.socket.key);
            return;
        }
        match self.table.find(snapshot.socket.key) {
            None if sighting.asked => {}
            None => self.adopt_sighting(sighting),
            Some(id) => {
                self.audit.saw(id);
                let same = self.table.get(id).is_some_and(|closing| closing.socket == snapshot.socket);
                if same {
                    self.seen(id, sighting);
                }
            }
        }
    }

    /// A socket that is followed was seen.
    fn seen(&mut self, id: SlotId, sighting: &Sighting) {
        let snapshot = &sighting.snapshot;
        let Some(closing) = self.table.get_mut(id) else { return };
        if closing.handed_over {
            self.orphan_seen(id, snapshot);
            return;
        }
        // Settling, or older than what the events say.
        if closing.state == State::Close || snapshot.time_ns < closing.since_ns {
            return;
        }
        closing.set_bound_if(snapshot.bound_if);
        if snapshot.timewait || snapshot.state != closing.state {
            self.moved_unseen(id, snapshot);
            return;
        }
        if snapshot.inode == 0 && closing.state != State::CloseWait {
            closing.flags.orphan = true;
        }
        let asked = closing.rare.take_asked();
        if asked.is_none() {
            return;
        }
        self.explain(id, sighting);
        self.schedule.clear(&mut self.table, id);
        match asked {
            Some(Asked::Raise) => self.raise(id, snapshot.time_ns),
            _ => self.recheck_later(id),
        }
    }

    /// Keeps what a look says of the reasons.
    fn explain(&mut self, id: SlotId, sighting: &Sighting) {
        let snapshot = &sighting.snapshot;
        let facts = self.netns.facts(snapshot.socket.netns);
        let Some(closing) = self.table.get_mut(id) else { return };
        let counts = closing.rare.retransmits();
        let signs = Signs { sent: counts.sent(), failed: u32::from(counts.failed), orphan: Some(closing.flags.orphan) };
        let mut diagnosis = diagnose(snapshot, facts, signs);
        if closing.orphan().is_none() && diagnosis.gives_up == GivesUp::Never(NeverWhy::ProbesAnswered) {
            // It may be `close()` that waits (SO_LINGER), and an orphan does not last for ever.
            diagnosis.gives_up = GivesUp::Unknown;
        }
        let watch = closing.rare.some_watch();
        watch.alive_ns = snapshot.time_ns;
        watch.gone = None;
        watch.no_namespace = 0;
        watch.diagnosis = Some(diagnosis);
        if let Some(holders) = &sighting.holders {
            watch.holders = Some(Arc::new(holders.clone()));
            closing.take_owner(holders.sole());
        }
        let Some(watch) = closing.rare.watch_mut() else { return };
        if snapshot.state == State::CloseWait {
            watch.leak_cause = Some(leak_cause(snapshot, watch.holders.as_deref()));
        }
    }

    pub(super) fn absent(&mut self, absent: &Absent) {
        self.advance(absent.time_ns);
        let Some(id) = self.table.find(absent.socket.key) else { return };
        let Some(closing) = self.table.get_mut(id).filter(|closing| closing.socket == absent.socket) else { return };
        if closing.handed_over {
            self.orphan_absent(id, absent);
            return;
        }
        if closing.state == State::Close || absent.time_ns < closing.since_ns {
            return;
        }
        let Some(why) = closing.rare.take_asked() else { return };
        // A look for a socket that is bound to another interface finds nothing; a dump without it settles that.
        let certain = closing.bound_if() != BOUND_IF_UNKNOWN || why == Asked::Audit;
        let after_loss = closing.losses != self.losses;
        self.schedule.clear(&mut self.table, id);
        match absent.why {
            AbsentWhy::Gone | AbsentWhy::Replaced if certain => self.gone(id, why, absent.time_ns),
            // Nobody can look there any more. What a loss may have hidden is given up, and said to be unknown.
            AbsentWhy::NoNamespace if after_loss || self.in_vain(id) => self.heal(id, absent.time_ns),
            _ => self.unanswered(id, why),
        }
    }

    /// A socket was not found: its end is lost, unless the event is on its way.
    fn gone(&mut self, id: SlotId, why: Asked, time_ns: u64) {
        let Some(closing) = self.table.get_mut(id) else { return };
        if closing.rare.some_watch().gone.replace(why).is_some() {
            self.heal(id, time_ns);
        } else {
            self.schedule.set(&mut self.table, id, time_ns.saturating_add(GONE_AGAIN_NS));
        }
    }

    /// Whether nobody has found a way to the socket's namespace for long enough.
    fn in_vain(&mut self, id: SlotId) -> bool {
        let Some(closing) = self.table.get_mut(id) else { return false };
        let watch = closing.rare.some_watch();
        watch.no_namespace = watch.no_namespace.saturating_add(1);
        watch.no_namespace > NO_NAMESPACE_MAX
    }

    /// The end of a close was lost.
    pub(super) fn heal(&mut self, id: SlotId, time_ns: u64) {
        self.looks.healed += 1;
        self.finish_as(id, (Outcome::Unknown, Some(Reason::EventsLost)), time_ns);
    }

    /// A socket moves on: what was asked about its phase is void, except that a threshold was passed.
    pub(super) fn forget_look(&mut self, id: SlotId) {
        let Some(closing) = self.table.get_mut(id).filter(|closing| closing.rare.watch().is_some()) else { return };
        closing.rare.take_asked();
        self.schedule.clear(&mut self.table, id);
        if let Some(closing) = self.table.get_mut(id) {
            closing.rare.forget_watch();
        }
    }
}
