//! Bytes that the engine holds for each connection.

use tcptrace::{
    decode::{Frame, decode},
    engine::Engine,
};

use crate::{
    allocator,
    load::{self, EVENT_DISTANCE_NS, Raw},
    speed::calm,
};

/// Bytes for each of `count` connections: held, and at the worst moment while they came.
pub(crate) struct Bytes {
    pub(crate) held: f64,
    pub(crate) peak: f64,
}

/// Connections that are closing.
pub(crate) fn open(count: usize) -> Bytes {
    measure(count, load::close_wait)
}

/// Connections whose `connect()` is remembered until they close.
pub(crate) fn connects(count: usize) -> Bytes {
    measure(count, load::connect)
}

fn measure(count: usize, event: fn(u64, u64) -> Raw) -> Bytes {
    let before = allocator::in_use();
    allocator::reset_peak();
    let mut engine = Engine::new(calm());
    for number in 1..=count as u64 {
        let raw = event(1_000_000_000 + number * EVENT_DISTANCE_NS, number);
        engine.handle(&decode(Frame::Record(&raw)));
        while engine.poll().is_some() {}
    }
    let each = |bytes: usize| bytes.saturating_sub(before) as f64 / count as f64;
    let bytes = Bytes { held: each(allocator::in_use()), peak: each(allocator::peak()) };
    // Held until here, or there would be nothing to count.
    drop(engine);
    bytes
}
