//! What one transition does to one close.

use super::{
    births::Birth,
    closing::{Closing, is_act},
    fate::End,
    judge::{conclude, judge},
    lanes::LaneKind,
    packed::Marks,
    paths::legal,
    run::Engine,
    table::SlotId,
    watch::Asked,
};
use crate::model::{
    ConnectFailure, Event, EventKind, FailedConnect, Finding, FindingKind, FindingStatus, Output, Phase, State,
};

impl Engine {
    pub(super) fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Transition { old, new, totals, segs_in, retries, .. } => {
                let legal = legal(old, new);
                self.anomalies.impossible_transitions += u64::from(!legal);
                let (sk_err, unaccepted, lost) =
                    (event.sk_err, event.flags.unaccepted, self.lost_lately(event.time_ns));
                let end = End { old, sk_err, err_before: 0, retries, totals, segs_in, unaccepted, quiet: None, lost };
                match (old, new) {
                    (_, State::SynSent) => self.connect(event),
                    (State::SynSent, State::Close) => self.connect_failed(event),
                    (_, State::Close) if legal => self.transition(event, old, new, end),
                    _ if Phase::of(new).is_some() => self.transition(event, old, new, end),
                    // A listener's end, for one: it ends no connection.
                    _ => {}
                }
            }
            EventKind::TimeWait => self.orphan_met_fin(event),
            EventKind::Retransmit { state, kind, .. } => self.retransmit(event, state, kind),
            EventKind::ResetReceived { state } => self.reset_received(event, state),
            EventKind::ResetSent { state, reason } => self.reset_sent(event, state, reason),
        }
    }

    fn connect(&mut self, event: &Event) {
        self.meet(event);
        self.replace(event);
        let socket = event.socket;
        let birth = Birth { time_ns: event.time_ns, owner: event.owner, netns: socket.netns, remote: socket.remote };
        if !self.births.insert(event.socket.key, birth) {
            self.anomalies.connects_forgotten += 1;
        }
    }

    fn connect_failed(&mut self, event: &Event) {
        self.replace(event);
        let birth = self.births.remove(event.socket.key);
        if self.config.failed_connects {
            self.tell_failed(event, birth);
        }
    }

    fn tell_failed(&mut self, event: &Event, birth: Option<Birth>) {
        let Event { time_ns, socket, sk_err: errno, .. } = *event;
        if birth.is_none() && self.ended.contains(&socket, time_ns) {
            self.anomalies.duplicates += 1;
            return;
        }
        self.ended.put(&socket, time_ns);
        // Another peer's is a former life's, whose end was lost.
        let birth = birth.filter(|birth| (birth.netns, birth.remote) == (socket.netns, socket.remote));
        self.outputs.push_back(Output::FailedConnect(FailedConnect {
            time_ns,
            socket,
            failure: ConnectFailure::of(errno, socket.local.port),
            errno,
            owner: birth.and_then(|birth| birth.owner),
            took_ns: birth.map(|birth| time_ns.saturating_sub(birth.time_ns)),
            mptcp: event.flags.mptcp,
        }));
    }

    fn transition(&mut self, event: &Event, old: State, new: State, end: End) {
        let known = self.table.find(event.socket.key);
        if self.is_duplicate(known, event, old, new) {
            self.anomalies.duplicates += 1;
            return;
        }
        match self.find_life(known, event, old) {
            Some(id) => self.step(id, event, old, new, end),
            None => self.first_step(event, old, new, end),
        }
    }

    fn first_step(&mut self, event: &Event, old: State, new: State, end: End) {
        self.meet(event);
        let closing = self.begin(event, old);
        if !closing.begun_known() {
            self.anomalies.mid_life += 1;
        }
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
        closing.flags = event.flags.into();
        closing.take_owner(event.owner);
        if Phase::of(end.old).is_some() {
            closing.marks.set(Marks::BEGUN_KNOWN, false);
        }
        closing.enter(State::Close, event.time_ns);
        let mut fate = closing.rare.fate().copied().unwrap_or_default();
        fate.end = Some(end);
        self.ended.put(&closing.socket, event.time_ns);
        if let Some(verdict) = judge(&fate, event.flags, event.time_ns, true) {
            self.outputs.push_back(Output::Close(conclude(closing, &fate, verdict, self.losses)));
        }
    }

    fn step(&mut self, id: SlotId, event: &Event, old: State, new: State, end: End) {
        self.raise_if_due(id, event.time_ns);
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.flags = event.flags.into();
        if let EventKind::Transition { bound_if, .. } = event.kind {
            closing.set_bound_if(bound_if);
        }
        closing.marks.set(Marks::ACTED, is_act(event));
        closing.socket = event.socket;
        closing.take_owner(event.owner);
        if event.time_ns < closing.since_ns {
            self.anomalies.time_backwards += 1;
        }
        if !legal(old, new) {
            // Whatever lies between was not seen.
            closing.marks.set(Marks::BEGUN_KNOWN, false);
        }
        if old == new && closing.state == new {
            // close() after shutdown(): the phase goes on, without a program. SOCK_DEAD comes a moment later.
            closing.flags.orphan = true;
            if new == State::FinWait2 {
                closing.rare.set_held_ns(closing.age_ns(event.time_ns));
            }
            if new == State::FinWait2 && closing.lane.is_none() && closing.raised.is_none() {
                self.lanes.join(&mut self.table, LaneKind::Stuck, id, event.time_ns);
            }
            return;
        }
        let err_before = closing.rare.err();
        closing.rare.set_err(event.sk_err);
        if closing.state != old {
            self.jump(id, event, old);
            if old == new {
                self.wait_for(id);
                return;
            }
        }
        if new == State::Close {
            self.end(id, event, End { err_before, ..end });
            return;
        }
        self.leave_phase(id, event.time_ns, FindingStatus::Moved);
        if let Some(closing) = self.table.get_mut(id) {
            closing.enter(new, event.time_ns);
            if matches!(new, State::FinWait2 | State::Closing | State::LastAck) {
                closing.set_segs_in_before(end.segs_in);
            }
        }
        self.count_open(new, 1);
        self.wait_for(id);
    }

    /// The socket is somewhere else than it was seen going.
    pub(super) fn jump(&mut self, id: SlotId, event: &Event, state: State) {
        self.anomalies.mid_life += 1;
        self.jump_to(id, state, event.time_ns);
    }

    pub(super) fn jump_to(&mut self, id: SlotId, state: State, now_ns: u64) {
        self.leave_phase(id, now_ns, FindingStatus::Moved);
        if let Some(closing) = self.table.get_mut(id) {
            closing.jump(state, now_ns);
        }
        self.count_open(state, 1);
    }

    pub(super) fn count_open(&mut self, state: State, by: i64) {
        if let Some(open) = Phase::of(state).and_then(|phase| self.open.get_mut(phase as usize)) {
            *open = open.saturating_add_signed(by);
        }
    }

    /// Puts a socket in the lane of its phase.
    pub(super) fn wait_for(&mut self, id: SlotId) {
        let Some(closing) = self.table.get(id) else { return };
        let lane = match Phase::of(closing.state) {
            Some(Phase::CloseWait) => LaneKind::Leak,
            // Held by its program, FIN_WAIT2 is the peer's right (RFC 9293 section 3.6).
            Some(Phase::FinWait2) if !closing.flags.orphan => return,
            Some(_) => LaneKind::Stuck,
            None => return,
        };
        let since_ns = closing.since_ns;
        self.lanes.join(&mut self.table, lane, id, since_ns);
    }

    /// Ends the present phase: lane, count, length, finding.
    pub(super) fn leave_phase(&mut self, id: SlotId, now_ns: u64, status: FindingStatus) {
        self.lanes.leave(&mut self.table, id);
        let Some(closing) = self.table.get_mut(id) else { return };
        let state = closing.state;
        if let Some(kind) = closing.raised.take() {
            let finding = closing.finding(kind, status, now_ns.max(closing.since_ns));
            self.outputs.push_back(Output::Finding(finding));
        }
        closing.leave(now_ns);
        self.count_open(state, -1);
        self.forget_look(id);
    }

    /// A deadline that passed before this event counts, though no tick came in between.
    pub(super) fn raise_if_due(&mut self, id: SlotId, now_ns: u64) {
        if self.table.get(id).is_some_and(|closing| closing.rare.asked() == Some(Asked::Raise)) {
            // It moves on before it could be looked at.
            self.raise(id, now_ns);
            return;
        }
        let lane = self.table.get(id).and_then(|closing| closing.lane);
        if let Some(kind) = lane
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
        if kind == LaneKind::Young {
            self.ask(id, Asked::Orphan);
        } else if self.looks_on {
            self.ask(id, Asked::Raise);
        } else {
            self.raise(id, due_ns);
        }
    }

    /// A threshold was passed, and whatever can be known of it is known.
    pub(super) fn raise(&mut self, id: SlotId, time_ns: u64) {
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.rare.take_asked();
        let Some(phase) = Phase::of(closing.state) else { return };
        // A second close() puts what is looked at already into its lane again.
        if closing.raised.is_none() {
            self.raise_as(id, FindingKind::of(phase), time_ns);
        }
        self.recheck_later(id);
    }

    pub(super) fn raise_as(&mut self, id: SlotId, kind: FindingKind, time_ns: u64) {
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.raised = Some(kind);
        let alive = closing.rare.watch().is_some_and(|watch| watch.alive_ns > 0);
        let may_be_over = closing.losses != self.losses && !alive;
        let finding = Finding { may_be_over, ..closing.finding(kind, FindingStatus::Raised, time_ns) };
        self.outputs.push_back(Output::Finding(finding));
    }
}
