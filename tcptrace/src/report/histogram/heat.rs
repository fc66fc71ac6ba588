//! Latency over time: how many closes each column of time had in each coarse bucket.
//!
//! A column is an interval. A run that has few of them gets narrower columns: intervals are halved, so often that there
//! are at least [`COLUMNS_MIN`]. How long a run will be is known at its end, so it begins with the narrowest columns,
//! and where there is no room for more, each two become one.

use std::collections::VecDeque;

use super::{Coarse, Of};

/// Columns that are kept: as many as a wide terminal has.
const COLUMNS_MAX: usize = 256;
/// Fewer columns are no map.
const COLUMNS_MIN: u64 = 20;
/// How often an interval can be halved: of 10 s, 153 us are left, which is enough for captures of 3 ms.
const HALVINGS: u32 = 16;

/// A column of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// When it began, nanoseconds since 1970.
    pub from_ns: u64,
    /// When it ended; the last one may be cut short.
    pub to_ns: u64,
    /// Closes that ended in it, weighted.
    pub counts: Coarse,
}

/// The history of one duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heat {
    /// Which duration.
    pub of: Of,
    /// How long a column is, nanoseconds.
    pub column_ns: u64,
    /// The newest columns, oldest first.
    pub columns: Vec<Column>,
}

/// The newest columns of all durations.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    ofs: usize,
    interval_ns: u64,
    /// Begin of the first column; `None` before anything came.
    from_ns: Option<u64>,
    /// A column is an interval halved so often.
    halvings: u32,
    /// Columns before the first one that is kept.
    dropped: u64,
    columns: VecDeque<Box<[Coarse]>>,
}

impl Ring {
    pub(super) fn new(ofs: usize, interval_ns: u64) -> Self {
        let interval_ns = interval_ns.max(1);
        Self { ofs, interval_ns, from_ns: None, halvings: HALVINGS, dropped: 0, columns: VecDeque::new() }
    }

    /// Says when time begins.
    pub(super) fn begin(&mut self, now_ns: u64) {
        self.from_ns.get_or_insert(now_ns);
    }

    /// Counts a close that ended at `time_ns`; one that is older than the oldest column goes there.
    pub(super) fn record(&mut self, time_ns: u64, values: &[Option<u64>], weight: u64) {
        self.begin(time_ns);
        let mut place = self.place(time_ns, self.halvings);
        while place >= self.dropped + COLUMNS_MAX as u64 {
            if self.halvings > 0 {
                self.coarsen();
            } else {
                let surplus = place - (self.dropped + COLUMNS_MAX as u64 - 1);
                let kept = usize::try_from(surplus).unwrap_or(usize::MAX).min(self.columns.len());
                self.columns.drain(..kept);
                self.dropped += surplus;
            }
            place = self.place(time_ns, self.halvings);
        }
        let at = usize::try_from(place.saturating_sub(self.dropped)).unwrap_or(0);
        while self.columns.len() <= at {
            self.columns.push_back(vec![Coarse::default(); self.ofs].into());
        }
        for (coarse, ns) in self.columns.get_mut(at).into_iter().flat_map(|column| column.iter_mut()).zip(values) {
            ns.iter().for_each(|ns| coarse.count(*ns, weight));
        }
    }

    pub(super) fn of(&self, of: Of, at: usize, now_ns: u64) -> Heat {
        // The widest columns of which there are enough; the narrowest, where there are never enough.
        let is_enough = |halvings: &u32| self.place(now_ns, *halvings) >= COLUMNS_MIN;
        let halvings = (0..=self.halvings).find(is_enough).unwrap_or(self.halvings);
        let group = self.halvings - halvings;
        let column_ns = (self.interval_ns >> halvings).max(1);
        let held = !self.columns.is_empty();
        let kept = self.dropped + (self.columns.len() as u64).max(1) - 1;
        let last = self.place(now_ns.saturating_sub(1), halvings).max(kept >> group);
        let first = (self.dropped >> group).max(last.saturating_sub(COLUMNS_MAX as u64 - 1));
        let mut columns: Vec<Column> = (first..=last)
            .filter(|_| held)
            .map(|number| {
                let (from_ns, to_ns) = (self.begin_of(number, halvings), self.begin_of(number + 1, halvings));
                Column { from_ns, to_ns: to_ns.min(now_ns.max(from_ns)), counts: Coarse::default() }
            })
            .collect();
        for (number, counts) in (self.dropped..).zip(&self.columns) {
            let place = (number >> group).checked_sub(first).and_then(|place| usize::try_from(place).ok());
            let column = place.and_then(|place| columns.get_mut(place));
            if let (Some(column), Some(counts)) = (column, counts.get(at)) {
                column.counts.merge(counts);
            }
        }
        Heat { of, column_ns, columns }
    }

    /// Which column a moment is in.
    fn place(&self, time_ns: u64, halvings: u32) -> u64 {
        let offset = u128::from(time_ns.saturating_sub(self.from_ns.unwrap_or(time_ns)));
        u64::try_from((offset << halvings) / u128::from(self.interval_ns)).unwrap_or(u64::MAX / 2)
    }

    /// When a column begins.
    fn begin_of(&self, number: u64, halvings: u32) -> u64 {
        let offset = (u128::from(number) * u128::from(self.interval_ns)).div_ceil(1 << halvings);
        self.from_ns.unwrap_or(0).saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// Each two columns become one. None was dropped before the widest are reached.
    fn coarsen(&mut self) {
        self.halvings -= 1;
        let mut columns = std::mem::take(&mut self.columns).into_iter();
        while let Some(mut first) = columns.next() {
            if let Some(second) = columns.next() {
                first.iter_mut().zip(&second).for_each(|(sum, more)| sum.merge(more));
            }
            self.columns.push_back(first);
        }
    }

    /// What it may take.
    pub(super) const fn bytes_max(&self) -> usize {
        COLUMNS_MAX * (2 * size_of::<Box<[Coarse]>>() + self.ofs * size_of::<Coarse>() + 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const START: u64 = 1_000 * S;

    fn ring(times: impl IntoIterator<Item = u64>) -> Ring {
        let mut ring = Ring::new(1, 10 * S);
        ring.begin(START);
        times.into_iter().for_each(|time| ring.record(START + time, &[Some(5)], 1));
        ring
    }

    fn counts(heat: &Heat) -> Vec<u64> {
        heat.columns.iter().map(|column| column.counts.0.iter().sum()).collect()
    }

    #[test]
    fn a_run_of_any_length_has_enough_columns() {
        for length in [4_000_000, 50_000_000, S / 3, S, 7 * S, 10 * S, 95 * S, 199 * S, 200 * S, 3_000 * S] {
            let ring = ring((0..1_000).map(|n| length / 1_000 * n));
            let heat = ring.of(Of::Close, 0, START + length);
            assert!((20..=256).contains(&heat.columns.len()), "{length}: {}", heat.columns.len());
            assert_eq!(counts(&heat).iter().sum::<u64>() == 1_000, length < 2_560 * S, "{length}");
            assert!(heat.columns.windows(2).all(|two| two[0].to_ns == two[1].from_ns));
            assert_eq!(heat.columns.last().unwrap().to_ns, START + length);
            let expected = if length >= 200 * S { 10 * S } else { heat.column_ns };
            assert_eq!((heat.column_ns, heat.columns.len() < 41 || length >= 200 * S), (expected, true), "{length}");
        }
    }

    #[test]
    fn closes_stand_in_the_column_of_their_end() {
        let heat = ring([0, S, 2 * S, 9 * S, 10 * S - 1]).of(Of::Close, 0, START + 10 * S);
        assert_eq!((heat.column_ns, heat.columns.len()), (312_500_000, 32));
        let found: Vec<usize> = counts(&heat).iter().enumerate().filter(|(_, n)| **n > 0).map(|(at, _)| at).collect();
        assert_eq!(found, [0, 3, 6, 28, 31]);
    }

    #[test]
    fn the_oldest_columns_go_and_late_closes_are_kept() {
        let mut ring = ring([0, 300 * 10 * S]);
        ring.record(START - S, &[Some(5)], 1);
        let heat = ring.of(Of::Close, 0, START + 301 * 10 * S);
        assert_eq!((heat.columns.len(), counts(&heat).iter().sum::<u64>()), (256, 2));
        assert_eq!((counts(&heat)[0], counts(&heat)[255]), (1, 1));
    }

    #[test]
    fn nothing_has_no_columns() {
        assert!(Ring::new(1, S).of(Of::Close, 0, START).columns.is_empty());
    }
}
