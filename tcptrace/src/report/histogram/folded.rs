//! Keys that have no row of their own, so that all their closes are in the remainder.

use std::{collections::HashSet, hash::RandomState};

/// Keys that are remembered. A row stays whole as long as every close of a folded key goes to the remainder, and for
/// that the key has to be known again.
const REMEMBERED_MAX: usize = 65_536;

/// What is known of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Folded {
    /// Hashes: two keys share one in 10^9 runs or so, and then share the remainder.
    hashes: HashSet<u64, RandomState>,
    /// There were more than are remembered.
    pub(super) more: bool,
    /// Their closes, weighted.
    pub(super) closes: u64,
}

impl Folded {
    /// What remembering may take: a set is filled to between 7/16 and 7/8, and grows by copying.
    pub(super) const BYTES_MAX: usize = REMEMBERED_MAX * (size_of::<u64>() + 1) * 3;

    pub(super) fn has(&self, hash: u64) -> bool {
        self.hashes.contains(&hash)
    }

    pub(super) fn add(&mut self, hash: u64, closes: u64) {
        self.closes = self.closes.saturating_add(closes);
        if self.hashes.len() < REMEMBERED_MAX {
            self.hashes.insert(hash);
        } else {
            self.more |= !self.has(hash);
        }
    }

    /// One key too many, and which it is cannot be said.
    pub(super) fn add_nameless(&mut self, closes: u64) {
        self.closes = self.closes.saturating_add(closes);
        self.more = true;
    }

    /// Takes the keys of another one, whose closes are added by whoever has them.
    pub(super) fn take_keys(&mut self, other: &Self) {
        self.more |= other.more;
        other.hashes.iter().for_each(|hash| self.add(*hash, 0));
    }

    pub(super) fn keys(&self) -> usize {
        self.hashes.len()
    }
}
