//! Deadlines as data: one lane for each kind of wait. All waits of a lane are equally long, so its entries
//! stand in the order of their deadlines, and joining, leaving and looking cost O(1). A lane is a queue of slot
//! numbers in which leavers leave a gap, because links between entries would touch two cold neighbours each time.

use std::collections::VecDeque;

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

/// Entries in the order in which they joined; `NONE` where one left.
#[derive(Debug)]
struct Lane {
    wait_ns: u64,
    queue: VecDeque<SlotId>,
    /// Place of the first in the queue. Places are given in sequence, modulo 2^32.
    first: u32,
    waiting: usize,
}

/// A queue that is longer than this many times what waits in it is closed up: those who left have saved what that costs.
const SLACK: usize = 3;
/// Queues this short are left alone.
const SHORT: usize = 1 << 10;

impl Lane {
    fn new(wait_ns: u64) -> Self {
        Self { wait_ns, queue: VecDeque::new(), first: 0, waiting: 0 }
    }

    fn push(&mut self, table: &mut Table, id: SlotId) -> u32 {
        if self.queue.len() >= SHORT.max(self.waiting.saturating_mul(SLACK)) {
            self.close_up(table);
        }
        let place = self.first.wrapping_add(u32::try_from(self.queue.len()).unwrap_or(NONE));
        self.queue.push_back(id);
        self.waiting += 1;
        place
    }

    fn clear(&mut self, place: u32) {
        if let Some(id) = self.queue.get_mut(place.wrapping_sub(self.first) as usize) {
            *id = NONE;
        }
        self.waiting = self.waiting.saturating_sub(1);
        while self.queue.front() == Some(&NONE) {
            self.queue.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    fn close_up(&mut self, table: &mut Table) {
        self.queue.retain(|id| *id != NONE);
        self.queue.shrink_to(self.waiting.saturating_mul(SLACK).max(SHORT));
        let mut place = self.first;
        for id in &self.queue {
            if let Some(closing) = table.get_mut(*id) {
                closing.place = place;
            }
            place = place.wrapping_add(1);
        }
    }
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes([Lane; 4]);

impl Lanes {
    pub(super) fn new(stuck_ns: u64, leak_ns: u64, settle_ns: u64, young_ns: u64) -> Self {
        Self([stuck_ns, leak_ns, settle_ns, young_ns].map(Lane::new))
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

    fn ref_lane(&self, kind: LaneKind) -> &Lane {
        let [stuck, leak, settle, young] = &self.0;
        match kind {
            LaneKind::Stuck => stuck,
            LaneKind::Leak => leak,
            LaneKind::Settle => settle,
            LaneKind::Young => young,
        }
    }

    pub(super) fn wait_ns(&self, kind: LaneKind) -> u64 {
        self.ref_lane(kind).wait_ns
    }

    /// Puts an entry that waits nowhere at the end of a lane; its wait began at `from_ns`.
    pub(super) fn join(&mut self, table: &mut Table, kind: LaneKind, id: SlotId, from_ns: u64) {
        let Some(closing) = table.get_mut(id) else { return };
        let late = from_ns != closing.since_ns;
        closing.rare.set_wait_from_ns(late.then_some(from_ns));
        closing.lane = Some(kind);
        let place = self.lane(kind).push(table, id);
        if let Some(closing) = table.get_mut(id) {
            closing.place = place;
        }
    }

    /// Takes an entry out of its lane, if it is in one.
    pub(super) fn leave(&mut self, table: &mut Table, id: SlotId) {
        let Some(closing) = table.get_mut(id) else { return };
        if let Some(kind) = closing.lane.take() {
            self.lane(kind).clear(closing.place);
        }
    }

    /// The first entry of a lane, if any.
    pub(super) fn first(&self, kind: LaneKind) -> Option<SlotId> {
        self.ref_lane(kind).queue.front().copied()
    }

    /// When an entry of a lane is due.
    pub(super) fn deadline_ns(&self, table: &Table, kind: LaneKind, id: SlotId) -> Option<u64> {
        let from_ns = table.get(id)?.waits_from_ns();
        Some(from_ns.saturating_add(self.wait_ns(kind)))
    }
}
