//! Histograms of one span of time, in bounded memory.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    mem,
};

use super::folded::Folded;
use super::key::{Key, Part};
use crate::report::Distribution;

/// What the allocator adds to a block, about.
const BLOCK_BYTES: usize = 16;

/// One key's distributions, in the order of the configured durations.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// All its closes, weighted; those without a duration are in no distribution of it.
    pub(super) closes: u64,
    pub(super) distributions: Box<[Distribution]>,
}

impl Row {
    fn new(ofs: usize) -> Self {
        Self { closes: 0, distributions: vec![Distribution::default(); ofs].into() }
    }

    /// Returns by how many bytes it grew.
    fn record(&mut self, values: &[Option<u64>], weight: u64) -> usize {
        self.closes = self.closes.saturating_add(weight);
        let mut growth = 0;
        for (distribution, ns) in self.distributions.iter_mut().zip(values) {
            if let Some(ns) = ns {
                growth += grown(distribution, |distribution| distribution.record(*ns, weight));
            }
        }
        growth
    }

    /// Returns by how many bytes it grew.
    fn merge(&mut self, other: &Self) -> usize {
        self.closes = self.closes.saturating_add(other.closes);
        let pairs = self.distributions.iter_mut().zip(&other.distributions);
        pairs.map(|(mine, theirs)| grown(mine, |mine| mine.merge(theirs))).sum()
    }

    fn bytes(&self) -> usize {
        self.distributions.iter().map(Distribution::bytes).sum()
    }
}

fn grown(distribution: &mut Distribution, change: impl FnOnce(&mut Distribution)) -> usize {
    let before = distribution.bytes();
    change(distribution);
    // It never shrinks: buckets stay.
    distribution.bytes().saturating_sub(before)
}

/// Rows by key, and the remainder.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// The hasher is the same in both spans, so that folded keys are known in either.
    pub(super) rows: HashMap<Key, Row, RandomState>,
    pub(super) remainder: Row,
    pub(super) folded: Folded,
    /// What the rows take, each with [`entry_bytes`].
    pub(super) bytes: usize,
    keys_max: usize,
}

/// What a key takes beside its distributions: the block with its parts, the block with the distributions, its place in
/// the map, which is filled to between 7/16 and 7/8 and grows by copying, and one in the list that merging sorts.
pub(super) const fn entry_bytes(parts: usize) -> usize {
    parts * size_of::<Part>() + 2 * BLOCK_BYTES + 4 * (size_of::<(Key, Row)>() + 1)
}

impl Span {
    pub(super) fn new(hasher: RandomState, ofs: usize, keys_max: usize) -> Self {
        let (remainder, folded) = (Row::new(ofs), Folded::default());
        Self { rows: HashMap::with_hasher(hasher), remainder, folded, bytes: 0, keys_max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.remainder.closes == 0
    }

    /// Counts a close. Its rows may take `bytes_max`; they can exceed it by what one row grows, until that is folded.
    pub(super) fn record(&mut self, key: &[Part], values: &[Option<u64>], weight: u64, bytes_max: usize) {
        if let Some(row) = self.rows.get_mut(key) {
            self.bytes += row.record(values, weight);
            if self.bytes > bytes_max {
                self.fold(key);
            }
            return;
        }
        let hash = self.rows.hasher().hash_one(key);
        if self.is_full_for(hash) {
            // Nothing is allocated for what will not be kept.
            self.remainder.record(values, weight);
            self.folded.add(hash, weight);
            return;
        }
        let mut row = Row::new(values.len());
        row.record(values, weight);
        self.insert(key.into(), row, bytes_max);
    }

    /// Counts a close whose key cannot be told.
    pub(super) fn record_nameless(&mut self, values: &[Option<u64>], weight: u64) {
        self.remainder.record(values, weight);
        self.folded.add_nameless(weight);
    }

    /// Takes all of another one, which is then empty. The rows may take `bytes_max`, as in [`Span::record`].
    pub(super) fn absorb(&mut self, other: &mut Self, bytes_max: usize) {
        // The same in every run, whatever the map's order is.
        let mut rows: Vec<(Key, Row)> = mem::take(&mut other.rows).into_iter().collect();
        other.rows = HashMap::with_hasher(self.rows.hasher().clone());
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (key, row) in rows {
            if let Some(mine) = self.rows.get_mut(&key) {
                self.bytes += mine.merge(&row);
                if self.bytes > bytes_max {
                    self.fold(&key);
                }
            } else {
                self.insert(key, row, bytes_max);
            }
        }
        // Behind the rows: these are whole, for none of their keys was folded meanwhile.
        self.folded.take_keys(&other.folded);
        self.folded.closes = self.folded.closes.saturating_add(other.folded.closes);
        if other.folded.keys() > 0 {
            let hasher = self.rows.hasher().clone();
            let has = |key: &Key| other.folded.has(hasher.hash_one(&**key));
            let partial: Vec<Key> = self.rows.keys().filter(|key| has(key)).cloned().collect();
            partial.iter().for_each(|key| self.fold(key));
        }
        self.remainder.merge(&other.remainder);
        other.remainder = Row::new(other.remainder.distributions.len());
        (other.folded, other.bytes) = (Folded::default(), 0);
    }

    /// A new key with this hash gets no row. Once some folded keys are forgotten, any new one may be one of these, and
    /// its row would not be whole.
    fn is_full_for(&self, hash: u64) -> bool {
        self.rows.len() >= self.keys_max || self.folded.more || self.folded.has(hash)
    }

    /// A key that has no row: it gets one, or is one too many.
    fn insert(&mut self, key: Key, row: Row, bytes_max: usize) {
        let hash = self.rows.hasher().hash_one(&*key);
        let bytes = self.bytes + row.bytes() + entry_bytes(key.len());
        // The last quarter is left for known keys to grow: a flood of new ones must not cost the busy ones their rows.
        if self.is_full_for(hash) || bytes > bytes_max / 4 * 3 {
            self.remainder.merge(&row);
            self.folded.add(hash, row.closes);
        } else {
            self.bytes = bytes;
            self.rows.insert(key, row);
        }
    }

    /// Moves a row to the remainder.
    fn fold(&mut self, key: &[Part]) {
        if let Some(row) = self.rows.remove(key) {
            self.bytes = self.bytes.saturating_sub(row.bytes() + entry_bytes(key.len()));
            self.remainder.merge(&row);
            self.folded.add(self.rows.hasher().hash_one(key), row.closes);
        }
    }

    /// What its rows really take, for tests of the sum that is kept.
    #[cfg(test)]
    pub(super) fn bytes_counted(&self) -> usize {
        self.rows.iter().map(|(key, row)| row.bytes() + entry_bytes(key.len())).sum()
    }
}
