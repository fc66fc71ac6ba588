//! Reading ahead: in a large table, an event waits for one cache miss after the other. Those of several events can be
//! waited for together, if somebody reads early what they will need.

use std::hint::black_box;

use super::{
    run::Engine,
    table::{NONE, SlotId},
};
use crate::model::{Event, SocketKey};

/// A table this small stays in the CPU's caches.
const SMALL: usize = 1 << 12;

impl Engine {
    /// Events that it pays to read ahead for.
    pub const AHEAD: usize = 16;

    /// Reads what the next events will need, up to [`Engine::AHEAD`]; changes nothing.
    pub fn read_ahead(&self, events: &[Event]) {
        if self.table.len() < SMALL {
            return;
        }
        let mut places: [(SocketKey, SlotId); Self::AHEAD] = [(SocketKey(0), NONE); Self::AHEAD];
        // Two loops, so that the misses of each are independent of each other.
        let mut count = 0;
        for (place, key) in places.iter_mut().zip(events.iter().map(|event| event.socket.key)) {
            *place = (key, self.table.guess(key).unwrap_or(NONE));
            count += 1;
        }
        for (key, id) in places.into_iter().take(count) {
            match self.table.get(id) {
                Some(closing) => {
                    black_box((closing.socket.key, closing.since_ns, closing.state));
                }
                None => {
                    black_box(self.births.contains(key));
                }
            }
        }
    }
}
