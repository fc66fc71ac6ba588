//! TIME_WAIT as closes of a capture tell it: whoever connected, closed first and came to an orderly end keeps a port
//! for a minute. What was open before the capture is not in it, so these are the least numbers.

use std::collections::{BTreeMap, HashMap};

use super::{
    Sockets, Tuple,
    limits::TUPLES_MAX,
    ports::{SLICE_S, SLICES},
    sockets::PortUse,
};
use crate::model::{Close, Outcome, Role};

/// Nanoseconds of a slice.
const SLICE_NS: u64 = SLICE_S * 1_000_000_000;

/// Ends of a tuple, by slices of the host's monotonic clock, the newest first.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    newest: u64,
    slices: [u64; SLICES],
}

impl Ends {
    /// Moves on to a slice; of what is older than a minute nothing is left.
    fn advance(&mut self, slice: u64) {
        let by = slice.saturating_sub(self.newest);
        if by > 0 {
            let by = usize::try_from(by).unwrap_or(SLICES).min(SLICES);
            self.slices.rotate_right(by);
            self.slices.iter_mut().take(by).for_each(|count| *count = 0);
            self.newest = slice;
        }
    }
}

/// Of one namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Waited(HashMap<Tuple, Ends>);

impl Waited {
    /// Counts a close that leaves a port in TIME_WAIT at its end.
    pub(super) fn see(&mut self, close: &Close) {
        let waits = close.outcome == Outcome::Fin && matches!(close.role, Role::Active | Role::Simultaneous);
        // Only of a connection that `connect()` made in the capture is the age known.
        if !waits || close.lifetime_ns.is_none() {
            return;
        }
        let tuple = Tuple::of(&close.socket);
        if self.0.len() >= TUPLES_MAX && !self.0.contains_key(&tuple) {
            return;
        }
        let slice = close.end_ns / SLICE_NS;
        let ends = self.0.entry(tuple).or_insert(Ends { newest: slice, ..Ends::default() });
        ends.advance(slice);
        let age = usize::try_from(ends.newest - slice).unwrap_or(SLICES);
        if let Some(count) = ends.slices.get_mut(age) {
            *count += 1;
        }
    }

    /// Adds what is in TIME_WAIT at this moment.
    pub(super) fn add_to(&self, sockets: &mut Sockets, now_ns: u64) {
        let mut ports: BTreeMap<u16, u64> = BTreeMap::new();
        for (tuple, ends) in &self.0 {
            let mut ends = *ends;
            ends.advance(now_ns / SLICE_NS);
            let used = PortUse { held: 0, time_wait: ends.slices };
            if used.waiting() > 0 {
                *ports.entry(tuple.port).or_default() += used.waiting();
                sockets.tuples.insert(*tuple, used);
            }
        }
        let count = ports.values().sum();
        sockets.time_wait = count;
        sockets.time_wait_as_client = count;
        sockets.time_wait_to = ports;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_by_slices() {
        let mut ends = Ends { newest: 100, slices: [3, 0, 0, 0, 0, 0] };
        for (slice, left) in [(100, [3, 0, 0, 0, 0, 0]), (101, [0, 3, 0, 0, 0, 0]), (105, [0, 0, 0, 0, 0, 3])] {
            ends.advance(slice);
            assert_eq!(ends.slices, left);
        }
        let over = |slice| {
            let mut ends = ends;
            ends.advance(slice);
            ends.slices
        };
        assert_eq!((over(106), over(u64::MAX), over(3)), ([0; 6], [0; 6], ends.slices));
    }
}
