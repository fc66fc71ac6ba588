//! Latency over time: how many closes each interval had in each coarse bucket.

use std::collections::VecDeque;

use super::{Coarse, Of, span::Span};

/// Intervals that are kept: as many columns as a wide terminal has.
const COLUMNS_MAX: usize = 256;

/// One interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// When it began, nanoseconds since 1970.
    pub from_ns: u64,
    /// When it ended.
    pub to_ns: u64,
    /// Its closes, weighted.
    pub counts: Coarse,
}

/// The history of one duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heat {
    /// Which duration.
    pub of: Of,
    /// The newest intervals, oldest first.
    pub columns: Vec<Column>,
}

/// The newest intervals of all durations.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    ofs: usize,
    columns: VecDeque<(u64, u64, Box<[Coarse]>)>,
}

impl Ring {
    pub(super) const fn new(ofs: usize) -> Self {
        Self { ofs, columns: VecDeque::new() }
    }

    pub(super) fn push(&mut self, interval: &Span, from_ns: u64, to_ns: u64) {
        let mut counts = vec![Coarse::default(); self.ofs];
        for row in interval.rows.values().chain([&interval.remainder]) {
            for (coarse, distribution) in counts.iter_mut().zip(&row.distributions) {
                coarse.add(distribution);
            }
        }
        if self.columns.len() >= COLUMNS_MAX {
            self.columns.pop_front();
        }
        self.columns.push_back((from_ns, to_ns, counts.into()));
    }

    pub(super) fn of(&self, of: Of, place: usize) -> Heat {
        let column = |(from_ns, to_ns, counts): &(u64, u64, Box<[Coarse]>)| {
            counts.get(place).map(|counts| Column { from_ns: *from_ns, to_ns: *to_ns, counts: *counts })
        };
        Heat { of, columns: self.columns.iter().filter_map(column).collect() }
    }

    /// What it may take.
    pub(super) const fn bytes_max(&self) -> usize {
        COLUMNS_MAX * (2 * size_of::<(u64, u64, Box<[Coarse]>)>() + self.ofs * size_of::<Coarse>() + 16)
    }
}
