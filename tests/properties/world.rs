//! Many lives in one stream.

use proptest::prelude::*;
use tcptrace::model::{Event, Input, Tick};

use crate::life::{Life, Plan, plan};

/// Where every world begins, CLOCK_MONOTONIC.
const EPOCH_NS: u64 = 1_000_000_000_000;
/// A socket's memory rests at least this long between two lives (measured: 113 ms).
const REST_NS: u64 = 113_000_000;

/// The lives, one after the other where they share a key.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) lives: Vec<Life>,
}

pub(crate) fn plans() -> impl Strategy<Value = Vec<Plan>> {
    prop::collection::vec(plan(), 1..24)
}

/// Keys are cookies: each life has its own.
pub(crate) fn cookies(plans: &[Plan]) -> World {
    let lives = (1..).zip(plans).map(|(number, plan): (u16, _)| plan.live(u64::from(number), number, EPOCH_NS));
    World { lives: lives.collect() }
}

/// Keys are addresses, and there are few of them.
pub(crate) fn addresses(plans: &[Plan]) -> World {
    let mut free_ns = [EPOCH_NS; 6];
    let lives = (1..).zip(plans).map(|(number, plan): (u16, _)| {
        let slot = usize::from(plan.slot) % free_ns.len();
        let life = plan.live(slot as u64, number, free_ns[slot]);
        let last_ns = life.events.last().map_or(0, |event| event.time_ns);
        free_ns[slot] = last_ns + REST_NS;
        life
    });
    World { lives: lives.collect() }
}

impl World {
    /// All events as one kernel sends them.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.displaced(|_| 0)
    }

    /// All events, each as late as `delay` says for its number, and never before an older one of its key.
    pub(crate) fn displaced(&self, mut delay: impl FnMut(usize) -> u64) -> Vec<Event> {
        let mut events = Vec::new();
        let mut last_ns = std::collections::HashMap::new();
        for (number, event) in self.lives.iter().flat_map(|life| &life.events).enumerate() {
            let last_ns = last_ns.entry(event.socket.key).or_insert(0);
            *last_ns = event.time_ns.saturating_add(delay(number)).max(*last_ns);
            events.push((*last_ns, *event));
        }
        events.sort_by_key(|(arrives_ns, _)| *arrives_ns);
        events.into_iter().map(|(_, event)| event).collect()
    }
}

/// Ticks between events: how many in a row of gaps, over and over, and one at the end.
pub(crate) fn ticks() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..4_u8, 1..8)
}

/// Events with ticks spread over the gaps between them, and one long after the last.
pub(crate) fn with_ticks(events: &[Event], ticks: &[u8]) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut before_ns = EPOCH_NS;
    for (event, ticks) in events.iter().zip(ticks.iter().cycle()) {
        let gap_ns = event.time_ns.saturating_sub(before_ns);
        let parts = u64::from(*ticks) + 1;
        inputs.extend((1..parts).map(|part| tick(before_ns + gap_ns / parts * part)));
        inputs.push(Input::Event(*event));
        before_ns = before_ns.max(event.time_ns);
    }
    inputs.push(tick(before_ns.saturating_add(100_000_000_000)));
    inputs
}

fn tick(mono_ns: u64) -> Input {
    Input::Tick(Tick { mono_ns, real_ns: mono_ns })
}
