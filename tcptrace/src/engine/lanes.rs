//! Deadlines as data: one lane for each kind of wait. All waits of a lane are equally long, so its entries
//! stand in the order of their deadlines, and joining, leaving and looking cost O(1). The links live in the
//! entries, so a lane needs no memory of its own.

use super::table::{NONE, SlotId, Table};

/// Which wait an entry is in; at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneKind {
    /// Until it is stuck.
    Stuck,
    /// Until it is leaked.
    Leak,
    /// Until its end can be judged.
    Settle,
    /// Until a handed-over orphan is looked at.
    Young,
}

/// An entry's place in its lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) lane: Option<LaneKind>,
    prev: SlotId,
    next: SlotId,
    /// When the wait began.
    from_ns: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self { lane: None, prev: NONE, next: NONE, from_ns: 0 }
    }
}

#[derive(Debug)]
struct Lane {
    wait_ns: u64,
    head: SlotId,
    tail: SlotId,
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes([Lane; 4]);

impl Lanes {
    pub(super) fn new(stuck_ns: u64, leak_ns: u64, settle_ns: u64, young_ns: u64) -> Self {
        Self([stuck_ns, leak_ns, settle_ns, young_ns].map(|wait_ns| Lane { wait_ns, head: NONE, tail: NONE }))
    }

    fn lane(&mut self, kind: LaneKind) -> &mut Lane {
        let [stuck, leak, settle, young] = &mut self.0;
        match kind {
            LaneKind::Stuck => stuck,
            LaneKind::Leak => leak,
            LaneKind::Settle => settle,
            LaneKind::Young => young,
        }
    }

    pub(super) fn wait_ns(&self, kind: LaneKind) -> u64 {
        let [stuck, leak, settle, young] = &self.0;
        match kind {
            LaneKind::Stuck => stuck.wait_ns,
            LaneKind::Leak => leak.wait_ns,
            LaneKind::Settle => settle.wait_ns,
            LaneKind::Young => young.wait_ns,
        }
    }

    /// Puts an entry that waits nowhere at the end of a lane; its wait began at `from_ns`.
    pub(super) fn join(&mut self, table: &mut Table, kind: LaneKind, id: SlotId, from_ns: u64) {
        let lane = self.lane(kind);
        let last = lane.tail;
        if let Some(closing) = table.get_mut(id) {
            closing.link = Link { lane: Some(kind), prev: last, next: NONE, from_ns };
            lane.tail = id;
        } else {
            return;
        }
        match table.get_mut(last) {
            Some(before) => before.link.next = id,
            None => lane.head = id,
        }
    }

    /// Takes an entry out of its lane, if it is in one.
    pub(super) fn leave(&mut self, table: &mut Table, id: SlotId) {
        let Some(closing) = table.get_mut(id) else { return };
        let Link { lane: Some(kind), prev, next, .. } = std::mem::take(&mut closing.link) else {
            return;
        };
        let lane = self.lane(kind);
        match table.get_mut(prev) {
            Some(before) => before.link.next = next,
            None => lane.head = next,
        }
        match table.get_mut(next) {
            Some(after) => after.link.prev = prev,
            None => lane.tail = prev,
        }
    }

    /// The first entry of a lane, if any.
    pub(super) fn first(&self, kind: LaneKind) -> Option<SlotId> {
        let [stuck, leak, settle, young] = &self.0;
        let lane = match kind {
            LaneKind::Stuck => stuck,
            LaneKind::Leak => leak,
            LaneKind::Settle => settle,
            LaneKind::Young => young,
        };
        (lane.head != NONE).then_some(lane.head)
    }

    /// When an entry of a lane is due.
    pub(super) fn deadline_ns(&self, table: &Table, kind: LaneKind, id: SlotId) -> Option<u64> {
        let from_ns = table.get(id)?.link.from_ns;
        Some(from_ns.saturating_add(self.wait_ns(kind)))
    }
}
