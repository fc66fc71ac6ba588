//! What one event does to one close.

use super::{
    births::Birth,
    closing::{Closing, End, Fate, phase_of},
    config::DUPLICATE_NS,
    judge::{conclude, judge},
    lanes::LaneKind,
    run::Engine,
    table::SlotId,
};
use crate::model::{
    Event, EventKind, FindingKind, FindingStatus, Outcome, Output, Phase, Reason, ResetReason, RetransmitKind, State,
};

impl Engine {
    pub(super) fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Transition { old, new, totals, segs_in } => match (old, new) {
                (_, State::SynSent) => self.connect(event),
                (State::SynSent, State::Close) => self.connect_failed(event),
                _ => {
                    let end = End { old, sk_err: event.sk_err, totals, segs_in };
                    self.transition(event, old, new, end);
                }
            },
            EventKind::Retransmit { state, kind, .. } => self.retransmit(event, state, kind),
            EventKind::ResetReceived { .. } => {
                // `sk_err` of the `-> CLOSE` that follows says it; alone it ends nothing.
            }
            EventKind::ResetSent { reason, .. } => self.reset_sent(event, reason),
        }
    }

    fn connect(&mut self, event: &Event) {
        self.replace(event);
        let birth = Birth { time_ns: event.time_ns, owner: event.owner };
        if !self.births.insert(event.socket.key, birth) {
            self.anomalies.connects_forgotten += 1;
        }
    }

    fn connect_failed(&mut self, event: &Event) {
        self.replace(event);
        self.births.remove(event.socket.key);
    }

    /// Another life begins under this key: a close that still stands there lost its end.
    fn replace(&mut self, event: &Event) {
        let Some(id) = self.table.find(event.socket.key) else { return };
        if self.table.get(id).is_some_and(|closing| closing.state == State::Close) {
            self.settle(id);
            return;
        }
        self.anomalies.replaced += 1;
        self.finish_as(id, (Outcome::Unknown, Some(Reason::EventsLost)), event.time_ns);
    }

    fn transition(&mut self, event: &Event, old: State, new: State, end: End) {
        if !legal(old, new) {
            self.anomalies.impossible_transitions += 1;
            if phase_of(new).is_none() && new != State::Close {
                return;
            }
        }
        let Some(id) = self.table.find(event.socket.key) else {
            if new == State::Close && self.ended.contains(event.socket.key, event.time_ns) {
                self.anomalies.duplicates += 1;
            } else {
                self.first_step(event, old, new, end);
            }
            return;
        };
        let Some(closing) = self.table.get(id) else { return };
        if is_duplicate(closing, event, old, new) {
            self.anomalies.duplicates += 1;
            return;
        }
        let begins = matches!(old, State::Established | State::SynRecv);
        if begins || closing.state == State::Close {
            self.replace(event);
            self.first_step(event, old, new, end);
        } else {
            self.step(id, event, old, new, end);
        }
    }

    fn first_step(&mut self, event: &Event, old: State, new: State, end: End) {
        let mut closing = Closing::new(event, old);
        if !closing.begun_known {
            self.anomalies.mid_life += 1;
        }
        if let Some(birth) = self.births.remove(event.socket.key) {
            closing.connect_ns = Some(birth.time_ns);
            closing.take_owner(birth.owner);
        }
        closing.fate = self.early_resets.take(event.socket.key);
        if self.table.is_full() {
            self.anomalies.table_full += 1;
            if new == State::Close {
                self.end_unfollowed(closing, event, end);
            }
            return;
        }
        self.count_open(old, 1);
        let id = self.table.insert(closing);
        self.wait_for(id);
        self.step(id, event, old, new, end);
    }

    /// The end of a close that there is no room to follow: judged at once, on what its last event says.
    fn end_unfollowed(&mut self, mut closing: Closing, event: &Event, end: End) {
        closing.flags = event.flags;
        closing.take_owner(event.owner);
        closing.begun_known &= phase_of(end.old).is_none();
        closing.enter(State::Close, event.time_ns);
        let fate = Fate { end: Some(end), ..Fate::default() };
        if let Some(verdict) = judge(&fate, event.flags, event.time_ns, true) {
            closing.fate = Some(Box::new(fate));
            self.outputs.push_back(Output::Close(conclude(closing, verdict)));
        }
    }

    fn step(&mut self, id: SlotId, event: &Event, old: State, new: State, end: End) {
        self.raise_if_due(id, event.time_ns);
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.flags = event.flags;
        closing.socket = event.socket;
        closing.take_owner(event.owner);
        if event.time_ns < closing.since_ns {
            self.anomalies.time_backwards += 1;
        }
        if old == new && closing.state == new {
            // close() after shutdown(): the phase goes on.
            return;
        }
        if closing.state != old {
            self.anomalies.mid_life += 1;
            self.leave_phase(id, event.time_ns, FindingStatus::Moved);
            if let Some(closing) = self.table.get_mut(id) {
                closing.jump(old, event.time_ns);
            }
            self.count_open(old, 1);
            if old == new {
                self.wait_for(id);
                return;
            }
        }
        if new == State::Close {
            self.end(id, event, end);
            return;
        }
        self.leave_phase(id, event.time_ns, FindingStatus::Moved);
        if let Some(closing) = self.table.get_mut(id) {
            closing.enter(new, event.time_ns);
            if new == State::FinWait2 {
                closing.segs_in_fin_wait2 = end.segs_in;
            }
        }
        self.count_open(new, 1);
        self.wait_for(id);
    }

    fn count_open(&mut self, state: State, by: i64) {
        if let Some(open) = phase_of(state).and_then(|phase| self.open.get_mut(phase as usize)) {
            *open = open.saturating_add_signed(by);
        }
    }

    /// Puts a socket in the lane of its phase.
    fn wait_for(&mut self, id: SlotId) {
        let Some(closing) = self.table.get(id) else { return };
        let lane = match phase_of(closing.state) {
            Some(Phase::CloseWait) => LaneKind::Leak,
            // Held by its program, FIN_WAIT2 is the peer's right (RFC 9293 section 3.6).
            Some(Phase::FinWait2) if !closing.flags.orphan => return,
            Some(_) => LaneKind::Stuck,
            None => return,
        };
        self.lanes.join(&mut self.table, lane, id);
    }

    /// Ends the present phase: lane, count, length, finding.
    fn leave_phase(&mut self, id: SlotId, now_ns: u64, status: FindingStatus) {
        self.lanes.leave(&mut self.table, id);
        let Some(closing) = self.table.get_mut(id) else { return };
        let state = closing.state;
        if let Some(kind) = closing.raised.take() {
            let finding = closing.finding(kind, status, now_ns.max(closing.since_ns));
            self.outputs.push_back(Output::Finding(finding));
        }
        closing.leave(now_ns);
        self.count_open(state, -1);
    }

    /// A deadline that passed before this event counts, though no tick came in between.
    fn raise_if_due(&mut self, id: SlotId, now_ns: u64) {
        let lane = self.table.get(id).and_then(|closing| closing.link.lane);
        if let Some(kind @ (LaneKind::Stuck | LaneKind::Leak)) = lane
            && let Some(due_ns) = self.lanes.deadline_ns(&self.table, kind, id)
            && due_ns <= now_ns
        {
            self.expire(kind, id, due_ns);
        }
    }

    /// A deadline has come.
    pub(super) fn expire(&mut self, kind: LaneKind, id: SlotId, due_ns: u64) {
        if kind == LaneKind::Settle {
            self.settle(id);
            return;
        }
        self.lanes.leave(&mut self.table, id);
        let Some(closing) = self.table.get_mut(id) else { return };
        let Some(phase) = phase_of(closing.state) else { return };
        let kind = FindingKind::of(phase);
        closing.raised = Some(kind);
        let finding = closing.finding(kind, FindingStatus::Raised, due_ns);
        self.outputs.push_back(Output::Finding(finding));
    }

    /// `-> CLOSE`: judged now if nothing can change the verdict, else in a moment.
    fn end(&mut self, id: SlotId, event: &Event, end: End) {
        let Some(closing) = self.table.get_mut(id) else { return };
        let mut fate = closing.fate.take().unwrap_or_default();
        fate.end = Some(end);
        let verdict = judge(&fate, event.flags, event.time_ns, false);
        closing.fate = Some(fate);
        if let Some(verdict) = verdict {
            self.finish_as(id, verdict, event.time_ns);
            return;
        }
        // A finding waits with it for the outcome.
        self.lanes.leave(&mut self.table, id);
        let Some(closing) = self.table.get_mut(id) else { return };
        let state = closing.state;
        closing.leave(event.time_ns);
        closing.enter(State::Close, event.time_ns);
        self.count_open(state, -1);
        self.lanes.join(&mut self.table, LaneKind::Settle, id);
    }

    /// The wait is over: judged on what is there.
    fn settle(&mut self, id: SlotId) {
        let Some(closing) = self.table.get(id) else { return };
        let end_ns = closing.since_ns;
        let fate = closing.fate.as_deref().copied().unwrap_or_default();
        let unknown = (Outcome::Unknown, None);
        let verdict = judge(&fate, closing.flags, end_ns, true).unwrap_or(unknown);
        self.finish_as(id, verdict, end_ns);
    }

    /// Takes a close out of the table and reports it.
    fn finish_as(&mut self, id: SlotId, verdict: (Outcome, Option<Reason>), end_ns: u64) {
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
        let Some(mut closing) = self.table.remove(id) else { return };
        self.ended.put(closing.socket.key, end_ns);
        let end_seen = closing.fate.as_deref().is_some_and(|fate| fate.end.is_some());
        if !end_seen && let Some(phase) = phase_of(closing.state) {
            closing.forget_phase(phase);
        }
        if !settling {
            closing.enter(State::Close, end_ns);
        }
        self.outputs.extend(raised.map(Output::Finding));
        self.outputs.push_back(Output::Close(conclude(closing, verdict)));
    }

    fn retransmit(&mut self, event: &Event, state: State, kind: RetransmitKind) {
        let Some(id) = self.table.find(event.socket.key).or_else(|| self.adopt(event, state)) else {
            self.anomalies.stray_events += 1;
            return;
        };
        self.raise_if_due(id, event.time_ns);
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.flags = event.flags;
        let counts = &mut closing.retransmits;
        let count = match kind {
            RetransmitKind::Tlp => &mut counts.tlp,
            RetransmitKind::Rto => &mut counts.rto,
            RetransmitKind::Fast => &mut counts.fast,
            RetransmitKind::Failed(_) => &mut counts.failed,
        };
        *count = count.saturating_add(1);
    }

    /// A socket that was closing before anybody looked shows itself by retransmitting its FIN.
    fn adopt(&mut self, event: &Event, state: State) -> Option<SlotId> {
        phase_of(state)?;
        if self.table.is_full() {
            self.anomalies.table_full += 1;
            return None;
        }
        self.anomalies.mid_life += 1;
        let id = self.table.insert(Closing::new(event, state));
        self.count_open(state, 1);
        self.wait_for(id);
        Some(id)
    }

    fn reset_sent(&mut self, event: &Event, reason: Option<u32>) {
        let reason = self.reset_reason(reason);
        let Some(id) = self.table.find(event.socket.key) else {
            // A live connection is reset before its `-> CLOSE` (keep-alive, `ss -K`).
            self.early_resets.put(event.socket.key, event.time_ns, reason);
            return;
        };
        let Some(closing) = self.table.get_mut(id) else { return };
        let fate = closing.fate.get_or_insert_default();
        fate.reset_sent_ns = Some(event.time_ns);
        fate.reset_reason = reason;
        if closing.state == State::Close {
            self.settle(id);
        }
    }

    fn reset_reason(&self, reason: Option<u32>) -> Option<ResetReason> {
        let number = reason?;
        let found = self.reset_reasons.iter().find(|(known, _)| *known == number);
        found.map(|(_, reason)| *reason)
    }
}

/// Transitions that `tcp_set_state()` makes.
const fn legal(old: State, new: State) -> bool {
    use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynRecv};
    match new {
        FinWait1 => matches!(old, Established | SynRecv | FinWait1),
        FinWait2 => matches!(old, FinWait1 | FinWait2),
        Closing => matches!(old, FinWait1 | Closing),
        CloseWait => matches!(old, Established | SynRecv),
        LastAck => matches!(old, CloseWait | LastAck),
        State::Close => !matches!(old, State::Close | State::Listen | State::TimeWait | State::NewSynRecv),
        _ => false,
    }
}

/// The kernel side may send an event twice, within microseconds (see `nesting` there). No socket makes the same move
/// twice in one life, except onto itself.
fn is_duplicate(closing: &Closing, event: &Event, old: State, new: State) -> bool {
    let same_life = (closing.socket.local, closing.socket.remote) == (event.socket.local, event.socket.remote);
    let recent = event.time_ns.saturating_sub(closing.since_ns) <= DUPLICATE_NS;
    closing.state == new && old != new && same_life && recent
}
