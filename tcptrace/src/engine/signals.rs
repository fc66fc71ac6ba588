//! What an event does that is no transition: a retransmit, a reset sent or received.

use super::{fate::Fate, packed::Marks, run::Engine, table::SlotId};
use crate::model::{Event, Phase, ResetReason, RetransmitKind, State};

impl Engine {
    pub(super) fn retransmit(&mut self, event: &Event, state: State, kind: RetransmitKind) {
        let known = self.table.find(event.socket.key);
        let Some(id) = self.find_life(known, event, state).or_else(|| self.adopt(event, state)) else {
            self.anomalies.stray_events += 1;
            return;
        };
        self.raise_if_due(id, event.time_ns);
        if self.table.get(id).is_some_and(|closing| closing.state != state) {
            self.jump(id, event, state);
            self.wait_for(id);
        }
        let Some(closing) = self.table.get_mut(id) else { return };
        closing.flags = event.flags.into();
        closing.rare.set_err(event.sk_err);
        closing.marks.set(Marks::ACTED, false);
        let counts = closing.rare.retransmits_mut();
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
        Phase::of(state)?;
        if self.table.is_full() {
            self.anomalies.table_full += 1;
            return None;
        }
        self.anomalies.mid_life += 1;
        let closing = self.begin(event, state);
        let id = self.table.insert(closing);
        self.count_open(state, 1);
        self.wait_for(id);
        Some(id)
    }

    pub(super) fn reset_sent(&mut self, event: &Event, state: State, reason: Option<u32>) {
        // Listeners answer strays, and a `connect()` that fails is no close.
        if matches!(state, State::Listen | State::SynSent) {
            return;
        }
        let reason = self.reset_reason(reason);
        let known = self.table.find(event.socket.key);
        if let Some(id) = known {
            self.raise_if_due(id, event.time_ns);
        }
        let closing = known.and_then(|id| self.table.get_mut(id));
        let Some((id, closing)) = known.zip(closing.filter(|closing| closing.socket == event.socket)) else {
            if matches!(state, State::Close | State::TimeWait) {
                // Its close was judged long ago.
                self.anomalies.stray_events += 1;
            } else {
                // A live connection is reset before its `-> CLOSE` (keep-alive, `ss -K`).
                let (reset_sent_ns, reset_reason) = (Some(event.time_ns), reason);
                let fate = Fate { reset_sent_ns, reset_reason, reset_sent_before: true, ..Fate::default() };
                self.early_resets.put(event.socket.key, fate);
            }
            return;
        };
        if closing.handed_over {
            self.orphan_reset(id, state, event.time_ns, reason);
            return;
        }
        if state == State::TimeWait {
            // The full socket is gone, so it says nothing of how that one's phases went.
            self.anomalies.stray_events += 1;
            return;
        }
        let fate = closing.rare.some_fate();
        fate.reset_sent_ns = Some(event.time_ns);
        fate.reset_sent_before = fate.end.is_none();
        fate.reset_reason = reason;
        let ended = closing.state == State::Close;
        self.tell_peer_of_reset(id, event.time_ns);
        if ended {
            self.settle(id);
        }
    }

    /// `tcp_reset()` runs, and closes the socket next: the evidence for what `-> CLOSE` then says.
    pub(super) fn reset_received(&mut self, event: &Event, state: State) {
        // The answer to a SYN ends a `connect()`, and tells nothing of a connection that this socket has later.
        if state == State::SynSent {
            return;
        }
        let known = self.table.find(event.socket.key);
        let closing = known.and_then(|id| self.table.get_mut(id)).filter(|closing| closing.socket == event.socket);
        match closing {
            // Its end was seen, or a timewait socket has taken its place.
            Some(closing) if closing.handed_over || closing.state == State::Close => self.anomalies.stray_events += 1,
            Some(closing) => {
                closing.rare.set_err(event.sk_err);
                closing.rare.some_fate().reset_received_ns = Some(event.time_ns);
            }
            None => {
                let fate = Fate { reset_received_ns: Some(event.time_ns), ..Fate::default() };
                self.early_resets.put(event.socket.key, fate);
            }
        }
    }

    fn reset_reason(&self, reason: Option<u32>) -> Option<ResetReason> {
        // What names the numbers may be missing from a damaged capture.
        let number = reason.filter(|_| !self.reset_reasons.is_empty())?;
        let found = self.reset_reasons.iter().find(|(known, _)| *known == number);
        Some(found.map_or_else(|| ResetReason::from_number(number), |(_, reason)| *reason))
    }
}
