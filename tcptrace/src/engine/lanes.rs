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

/// A queue longer than this many times what waits in it is closed up; those who left have saved what that costs.
const SLACK: usize = 3;
/// Queues this short are left alone.
const SHORT: usize = 1 << 10;

impl Lane {
    fn new(wait_ns: u64) -> Self {
        Self { wait_ns, queue: VecDeque::new(), first: 0, waiting: 0 }
    }

    fn is_long(&self) -> bool {
        self.queue.len() >= SHORT.max(self.waiting.saturating_mul(SLACK))
    }

    fn push(&mut self, id: SlotId) -> u32 {
        let place = self.first.wrapping_add(u32::try_from(self.queue.len()).unwrap_or(NONE));
        self.queue.push_back(id);
        self.waiting += 1;
        place
    }

    /// True if it was the first.
    fn clear(&mut self, place: u32) -> bool {
        let first = place == self.first;
        if let Some(id) = self.queue.get_mut(place.wrapping_sub(self.first) as usize) {
            *id = NONE;
        }
        self.waiting = self.waiting.saturating_sub(1);
        while self.queue.front() == Some(&NONE) {
            self.queue.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        first
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
pub(super) struct Lanes {
    lanes: [Lane; 4],
    /// No deadline comes before; 0 after the first of a lane has changed.
    quiet_until_ns: u64,
}

impl Lanes {
    pub(super) fn new(stuck_ns: u64, leak_ns: u64, settle_ns: u64, young_ns: u64) -> Self {
        Self { lanes: [stuck_ns, leak_ns, settle_ns, young_ns].map(Lane::new), quiet_until_ns: 0 }
    }

    fn lane(&mut self, kind: LaneKind) -> &mut Lane {
        let [stuck, leak, settle, young] = &mut self.lanes;
        match kind {
            LaneKind::Stuck => stuck,
            LaneKind::Leak => leak,
            LaneKind::Settle => settle,
            LaneKind::Young => young,
        }
    }

    fn ref_lane(&self, kind: LaneKind) -> &Lane {
        let [stuck, leak, settle, young] = &self.lanes;
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
        if self.ref_lane(kind).is_long() {
            self.lane(kind).close_up(table);
        }
        let Some(closing) = table.get_mut(id) else { return };
        let late = from_ns != closing.since_ns;
        closing.rare.set_wait_from_ns(late.then_some(from_ns));
        closing.lane = Some(kind);
        let lane = self.lane(kind);
        closing.place = lane.push(id);
        if lane.waiting == 1 {
            self.quiet_until_ns = 0;
        }
    }

    /// Takes an entry out of its lane, if it is in one.
    pub(super) fn leave(&mut self, table: &mut Table, id: SlotId) {
        let Some(closing) = table.get_mut(id) else { return };
        if let Some(kind) = closing.lane.take() {
            let place = closing.place;
            let lane = self.lane(kind);
            if lane.clear(place) {
                self.quiet_until_ns = 0;
            }
        }
    }

    /// No deadline comes before this time.
    pub(super) fn quiet_until_ns(&self) -> u64 {
        self.quiet_until_ns
    }

    /// Looks up when the first deadline of all comes, so that nobody has to look before.
    pub(super) fn rest(&mut self, table: &Table) {
        let kinds = [LaneKind::Settle, LaneKind::Young, LaneKind::Stuck, LaneKind::Leak];
        let firsts = kinds.into_iter().filter_map(|kind| self.deadline_ns(table, kind, self.first(kind)?));
        self.quiet_until_ns = firsts.min().unwrap_or(u64::MAX);
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
