//! Orphans in FIN_WAIT2, which the kernel hands over to timewait sockets at once (`tcp_time_wait()`): no event of
//! theirs tells how long the peer took, except where the kernel lets fexit attach. The peer's own may (`peers`); else
//! sock_diag shows the timewait socket, under the same cookie, and its timer.

use super::{
    config::{EXPIRY_GRACE_NS, LAST_LOOK_NS, LOOK_AGAIN_MAX_NS, LOOK_AGAIN_NS, OVERDUE_NS, TICK_NS, YOUNG_NS},
    fate::{End, Fate},
    lanes::LaneKind,
    run::Engine,
    table::SlotId,
    watch::Watch,
};
use crate::model::{
    Absent, AbsentWhy, Diagnosis, Event, FindingKind, GivesUp, Outcome, Reason, ResetReason, Snapshot, State,
    StuckCause, TIME_WAIT_NS,
};

impl Engine {
    /// `FIN_WAIT2 -> CLOSE` of an orphan without the peer's FIN: the phase goes on in a timewait socket.
    pub(super) fn hand_over(&mut self, id: SlotId, event: &Event, end: End) {
        self.lanes.leave(&mut self.table, id);
        self.forget_look(id);
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.handed_over = true;
        closing.flags.orphan = true;
        closing.rare.take_asked();
        let time_wait_ns = closing.rare.fate().and_then(|fate| fate.time_wait_ns);
        let fate = Fate { end: Some(end), closed_ns: event.time_ns, ..Fate::default() };
        closing.rare.set_fate(fate);
        self.looks.orphans += 1;
        self.count_orphan(id);
        self.lanes.join(&mut self.table, LaneKind::Young, id, event.time_ns);
        if let Some(began_ns) = time_wait_ns {
            self.orphan_closed(id, began_ns, event.time_ns);
        }
    }

    /// The kernel side saw the peer's FIN meet a timewait socket. That can be told before the hand-over:
    /// `tcp_time_wait()` lets other CPUs find the timewait socket before it closes the full one.
    pub(super) fn orphan_met_fin(&mut self, event: &Event) {
        let Some(id) = self.waits_for_fin(event) else { return };
        let Some(closing) = self.table.get_mut(id) else { return };
        if closing.handed_over {
            self.stop_waiting(id);
            self.orphan_closed(id, event.time_ns, event.time_ns);
        } else {
            closing.rare.some_fate().time_wait_ns = Some(event.time_ns);
        }
    }

    /// The socket of such an event, unless this FIN has come before: the kernel side tells those that are sent again
    /// too.
    pub(super) fn waits_for_fin(&self, event: &Event) -> Option<SlotId> {
        let id = self.table.find(event.socket.key)?;
        let closing = self.table.get(id).filter(|closing| closing.socket == event.socket)?;
        let came = closing.rare.fate().is_some_and(|fate| fate.time_wait_ns.is_some());
        (!came).then_some(id)
    }

    /// What it waited for has come: no look and no deadline is due.
    pub(super) fn stop_waiting(&mut self, id: SlotId) {
        if let Some(closing) = self.table.get_mut(id) {
            closing.rare.take_asked();
        }
        self.schedule.clear(&mut self.table, id);
        self.lanes.leave(&mut self.table, id);
    }

    /// One more waits for looks.
    pub(super) fn count_orphan(&mut self, id: SlotId) {
        self.peers.insert(&self.table, id);
        self.orphans_waiting += 1;
        self.orphans_unseen += 1;
    }

    /// One less, if it is one.
    pub(super) fn orphan_done(&mut self, id: SlotId) {
        let Some(closing) = self.table.get(id).filter(|closing| closing.handed_over) else { return };
        let unseen = closing.rare.watch().is_none_or(|watch| watch.alive_ns == 0);
        self.peers.remove(&self.table, id);
        self.orphans_waiting = self.orphans_waiting.saturating_sub(1);
        self.orphans_unseen = self.orphans_unseen.saturating_sub(u64::from(unseen));
    }

    /// A look shows the timewait socket.
    pub(super) fn orphan_seen(&mut self, id: SlotId, snapshot: &Snapshot) {
        self.stop_waiting(id);
        if let Some(began_ns) = snapshot.time_wait_since_ns() {
            self.orphan_closed(id, began_ns, snapshot.time_ns);
            return;
        }
        let Some(closing) = self.table.get_mut(id) else { return };
        let reset_ns = closing.rare.fate().and_then(|fate| fate.peer_reset_ns);
        let outlived = reset_ns.is_some_and(|reset_ns| reset_ns < snapshot.time_ns);
        if outlived {
            // The peer's reset has not arrived.
            closing.rare.some_fate().peer_reset_ns = None;
        }
        let orphan_since_ns = closing.orphan_since_ns();
        let age_ns = snapshot.time_ns.saturating_sub(orphan_since_ns);
        let watch = closing.rare.some_watch();
        self.orphans_unseen = self.orphans_unseen.saturating_sub(u64::from(watch.alive_ns == 0));
        watch.alive_ns = snapshot.time_ns;
        watch.expires_at_ns = snapshot.expires_at_ns();
        let expires_at_ns = watch.expires_at_ns;
        let gives_up = GivesUp::In(expires_at_ns.saturating_sub(snapshot.time_ns));
        watch.diagnosis = Some(Diagnosis {
            cause: StuckCause::PeerOpen,
            gives_up,
            next_attempt_in_ns: None,
            unsent_bytes: Some(0),
            unacked_bytes: Some(0),
        });
        let raised = closing.raised.is_some();
        let stuck_at_ns = orphan_since_ns.saturating_add(self.config.stuck_after_ns);
        if !raised && age_ns >= self.config.stuck_after_ns {
            self.raise_as(id, FindingKind::StuckFinWait2, snapshot.time_ns);
        }
        let now_ns = snapshot.time_ns;
        let mut due_ns = now_ns.saturating_add(self.pace_ns(LOOK_AGAIN_NS).min(LOOK_AGAIN_MAX_NS));
        if snapshot.expires_ms == 0 {
            due_ns = now_ns.saturating_add(OVERDUE_NS);
        } else {
            // Just before the timer expires and just after: only then is it known what ended the socket.
            let before_ns = expires_at_ns.saturating_sub(EXPIRY_GRACE_NS);
            let after_ns = expires_at_ns.saturating_add(EXPIRY_GRACE_NS);
            due_ns = due_ns.min(if now_ns < before_ns { before_ns } else { after_ns });
        }
        if !raised && stuck_at_ns > now_ns {
            due_ns = due_ns.min(stuck_at_ns);
        }
        if reset_ns.is_some() && !outlived {
            due_ns = due_ns.min(now_ns.saturating_add(YOUNG_NS));
        }
        self.schedule.set(&mut self.table, id, due_ns);
    }

    /// The peer's FIN has come: TIME_WAIT began then. Its timer counts in ticks, so the moment is moved to where it
    /// must have been: after the hand-over, and before the look.
    pub(super) fn orphan_closed(&mut self, id: SlotId, began_ns: u64, seen_ns: u64) {
        let Some(closing) = self.table.get(id) else { return };
        let closed_ns = closing.rare.fate().map_or(0, |fate| fate.closed_ns);
        let alive_ns = closing.rare.watch().map_or(0, |watch| watch.alive_ns);
        let since_ns = if closing.since_known() { closing.since_ns } else { closing.begun_ns };
        let floor_ns = since_ns.max(closed_ns).max(alive_ns);
        self.finish_as(id, (Outcome::Fin, None), began_ns.clamp(floor_ns, seen_ns.max(floor_ns)));
    }

    /// A look shows no timewait socket.
    pub(super) fn orphan_absent(&mut self, id: SlotId, absent: &Absent) {
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.rare.take_asked();
        if let Some(reset_ns) = closing.rare.fate().and_then(|fate| fate.peer_reset_ns) {
            self.finish_as(id, (Outcome::ResetReceived, None), reset_ns);
            return;
        }
        let closed_ns = closing.rare.fate().map_or(0, |fate| fate.closed_ns);
        let watch = closing.rare.watch().cloned().unwrap_or_default();
        let netns = closing.socket.netns;
        match absent.why {
            AbsentWhy::NotAsked | AbsentWhy::NoNamespace => self.orphan_unseen(id, Reason::OrphanFinWait2),
            AbsentWhy::Replaced => {
                self.looks.timewait_recycled += 1;
                self.orphan_unseen(id, Reason::TimewaitRecycled);
            }
            AbsentWhy::Gone if timed_out(&watch, absent.time_ns) => {
                let end_ns = watch.expires_at_ns.max(watch.alive_ns);
                self.finish_as(id, (Outcome::FinWait2Timeout, None), end_ns);
            }
            AbsentWhy::Gone if watch.alive_ns == 0 && self.netns.overflowed(netns, closed_ns, absent.time_ns) => {
                self.looks.timewait_overflow += 1;
                self.orphan_unseen(id, Reason::TimewaitOverflow);
            }
            AbsentWhy::Gone => {
                self.looks.timewait_gone += 1;
                self.orphan_unseen(id, Reason::TimewaitGone);
            }
        }
    }

    /// Nothing tells how long the peer took: the record ends where the events do.
    pub(super) fn orphan_unseen(&mut self, id: SlotId, reason: Reason) {
        let Some(closing) = self.table.get(id) else { return };
        let closed_ns = closing.rare.fate().map_or(closing.since_ns, |fate| fate.closed_ns);
        self.finish_as(id, (Outcome::Unknown, Some(reason)), closed_ns);
    }

    /// A reset was sent: for the timewait socket, because data came after `close()`, or for the full one just before
    /// (TCP_LINGER2 below 0), which then was not handed over at all.
    pub(super) fn orphan_reset(&mut self, id: SlotId, state: State, time_ns: u64, reason: Option<ResetReason>) {
        let Some(closing) = self.table.get_mut(id) else { return };
        let fate: &mut Fate = closing.rare.some_fate();
        let closed_ns = fate.closed_ns;
        fate.reset_sent_ns = Some(time_ns);
        fate.reset_sent_before = false;
        fate.reset_reason = reason;
        match state {
            State::TimeWait => {
                let verdict = (Outcome::ResetSent, Some(Reason::DataAfterClose));
                self.finish_as(id, verdict, time_ns.max(closed_ns));
            }
            _ => {
                let flags = closing.flags.into();
                let fate = *fate;
                let verdict = super::judge::judge(&fate, flags, closed_ns, true);
                self.finish_as(id, verdict.unwrap_or((Outcome::Unknown, None)), closed_ns);
            }
        }
    }
}

/// Whether the timer ran out in FIN_WAIT2: the socket was there just before, and after a FIN it would have stayed for a
/// minute of TIME_WAIT. One that was seen earlier only may have been reset.
fn timed_out(watch: &Watch, gone_ns: u64) -> bool {
    let late = watch.alive_ns.saturating_add(LAST_LOOK_NS) >= watch.expires_at_ns;
    let overdue = gone_ns.saturating_add(TICK_NS) >= watch.expires_at_ns;
    watch.alive_ns > 0 && late && overdue && gone_ns < watch.alive_ns.saturating_add(TIME_WAIT_NS)
}
