//! Which life an event belongs to: keys come again, events come twice, and some do not come.

use std::num::NonZeroU64;

use super::{
    closing::Closing,
    config::{DUPLICATE_NS, WANTS_MAX},
    paths::leads_to,
    run::Engine,
    table::SlotId,
};
use crate::model::{Event, Outcome, Reason, State, Want};

impl Engine {
    /// Another life begins under this key: a close that still stands there lost its end.
    pub(super) fn replace(&mut self, event: &Event) {
        let Some(id) = self.table.find(event.socket.key) else {
            return;
        };
        self.raise_if_due(id, event.time_ns);
        let Some(closing) = self.table.get(id) else { return };
        if closing.state == State::Close {
            self.settle(id);
            return;
        }
        self.anomalies.replaced += 1;
        self.finish_as(id, (Outcome::Unknown, Some(Reason::EventsLost)), event.time_ns);
    }

    /// The kernel side may send an event twice, within microseconds (see `nesting` there). No socket makes the same
    /// move twice in one life, except onto itself.
    pub(super) fn is_duplicate(&self, known: Option<SlotId>, event: &Event, old: State, new: State) -> bool {
        match known.and_then(|id| self.table.get(id)) {
            // Its end was seen already, and a timewait socket has no events.
            Some(closing) if closing.handed_over => closing.socket == event.socket,
            Some(closing) => {
                let recent = event.time_ns.saturating_sub(closing.since_ns) <= DUPLICATE_NS;
                closing.state == new && old != new && closing.socket == event.socket && recent
            }
            None => new == State::Close && self.ended.contains(&event.socket, event.time_ns),
        }
    }

    /// The close that `event` continues from `state`, if it is the one `known` under its key. What else stands there
    /// is another life's: keys come again where they are addresses, and two lives must never make one number.
    pub(super) fn find_life(&mut self, known: Option<SlotId>, event: &Event, state: State) -> Option<SlotId> {
        let id = known?;
        let closing = self.table.get(id)?;
        if closing.socket == event.socket && leads_to(closing.state, state) {
            return Some(id);
        }
        self.replace(event);
        None
    }

    /// A close first seen now, with what was remembered of its socket.
    pub(super) fn begin(&mut self, event: &Event, state: State) -> Closing {
        let socket = event.socket;
        let mut closing = Closing::new(event, state, self.losses);
        self.take_birth(&mut closing);
        if let Some(fate) = self.early_resets.take(socket.key) {
            closing.rare.set_fate(fate);
        }
        closing
    }

    /// What was remembered of a socket's connect.
    pub(super) fn take_birth(&mut self, closing: &mut Closing) {
        let socket = closing.socket;
        let birth = self.births.remove(socket.key);
        // Another peer's is a former life's, whose end was lost.
        if let Some(birth) = birth.filter(|birth| (birth.netns, birth.remote) == (socket.netns, socket.remote)) {
            closing.connect_ns = NonZeroU64::new(birth.time_ns);
            closing.take_owner(birth.owner);
        }
    }

    /// Asks about a namespace when it is first heard of.
    pub(super) fn meet(&mut self, event: &Event) {
        if self.looks_on && self.netns.meet(event.socket.netns) && self.wants.len() < WANTS_MAX {
            self.wants.push_back(Want::Facts(event.socket.netns));
        }
    }
}
