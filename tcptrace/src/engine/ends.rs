//! How a close ends: judged at once or in a moment, and taken out of the table.

use super::{
    fate::{End, Fate},
    judge::{Verdict, conclude, goes_on, judge},
    lanes::LaneKind,
    run::Engine,
    table::SlotId,
};
use crate::model::{Event, FindingStatus, Outcome, Output, Phase, State};

impl Engine {
    /// `-> CLOSE`: judged now if nothing can change the verdict, else in a moment.
    pub(super) fn end(&mut self, id: SlotId, event: &Event, end: End) {
        let Some(closing) = self.table.get_mut(id) else { return };
        let counted = matches!(end.old, State::Closing | State::LastAck) && closing.since_known();
        let quiet = closing.was_quiet(end.segs_in).filter(|_| counted);
        let lost = end.lost || closing.losses != self.losses;
        let mut fate = closing.rare.fate().copied().unwrap_or_default();
        fate.end = Some(End { quiet, lost, ..end });
        if self.looks_on && goes_on(&fate, event.flags, event.time_ns) && !event.flags.key_is_address {
            self.hand_over(id, event, end);
            return;
        }
        if let Some(verdict) = judge(&fate, event.flags, event.time_ns, false) {
            self.tell_peer(id, verdict, event.time_ns);
            self.finish_with(id, &fate, verdict, event.time_ns);
            return;
        }
        closing.rare.set_fate(fate);
        // A finding waits with it for the outcome.
        self.lanes.leave(&mut self.table, id);
        let Some(closing) = self.table.get_mut(id) else { return };
        let state = closing.state;
        closing.leave(event.time_ns);
        closing.enter(State::Close, event.time_ns);
        self.count_open(state, -1);
        self.lanes.join(&mut self.table, LaneKind::Settle, id, event.time_ns);
    }

    /// The wait is over: judged on what is there.
    pub(super) fn settle(&mut self, id: SlotId) {
        let Some(closing) = self.table.get(id) else { return };
        let end_ns = closing.since_ns;
        let fate = closing.rare.fate().copied().unwrap_or_default();
        let verdict = judge(&fate, closing.flags.into(), end_ns, true).unwrap_or((Outcome::Unknown, None));
        self.finish_with(id, &fate, verdict, end_ns);
    }

    /// Takes a close out of the table and reports it.
    pub(super) fn finish_as(&mut self, id: SlotId, verdict: Verdict, end_ns: u64) {
        let fate = self.table.get(id).and_then(|closing| closing.rare.fate().copied()).unwrap_or_default();
        self.finish_with(id, &fate, verdict, end_ns);
    }

    /// The same with a fate that was not put by, for most ends are judged at once.
    fn finish_with(&mut self, id: SlotId, fate: &Fate, verdict: Verdict, end_ns: u64) {
        self.orphan_done(id);
        let raised = self.table.get_mut(id).and_then(|closing| {
            let kind = closing.raised.take()?;
            // A settling one has left its phase; its finding speaks of the end.
            Some(closing.finding(kind, FindingStatus::Ended(verdict.0), end_ns))
        });
        let settling = self.table.get(id).is_some_and(|closing| closing.state == State::Close);
        if settling {
            self.lanes.leave(&mut self.table, id);
        } else {
            self.leave_phase(id, end_ns, FindingStatus::Ended(verdict.0));
        }
        self.forget_look(id);
        let Some(mut closing) = self.table.remove(id) else { return };
        self.audit.ended(closing.socket.key);
        let end_seen = fate.end.is_some();
        if end_seen {
            self.ended.put(&closing.socket, end_ns);
        }
        if !end_seen && let Some(phase) = Phase::of(closing.state) {
            closing.phases.forget(phase);
        }
        if !settling {
            closing.enter(State::Close, end_ns);
        }
        self.outputs.extend(raised.map(Output::Finding));
        self.outputs.push_back(Output::Close(conclude(closing, fate, verdict, self.losses)));
    }
}
