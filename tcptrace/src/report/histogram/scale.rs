//! Coarse buckets for charts and heat maps: edges that people read at a glance.

use super::super::Distribution;

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const S: u64 = 1_000 * MS;
const M: u64 = 60 * S;
const H: u64 = 60 * M;

/// Upper edges, nanoseconds: steps of 1, 2, 5 up to a minute, and round minutes and hours from there. A bucket holds
/// what is below its edge and not below the one before it; the last one has no upper edge.
const EDGES_NS: [u64; COARSE - 1] = [
    US,
    2 * US,
    5 * US,
    10 * US,
    20 * US,
    50 * US,
    100 * US,
    200 * US,
    500 * US,
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    S,
    2 * S,
    5 * S,
    10 * S,
    20 * S,
    M,
    2 * M,
    5 * M,
    10 * M,
    20 * M,
    H,
    2 * H,
    5 * H,
    12 * H,
    24 * H,
];

/// Number of coarse buckets.
pub const COARSE: usize = 34;

/// Counts in coarse buckets. What is within 1 % below an edge may be counted above it, for that is all the
/// distribution knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coarse(pub [u64; COARSE]);

impl Default for Coarse {
    fn default() -> Self {
        Self([0; COARSE])
    }
}

impl Coarse {
    /// The counts of a distribution.
    #[must_use]
    pub fn of(distribution: &Distribution) -> Self {
        let mut coarse = Self::default();
        coarse.add(distribution);
        coarse
    }

    /// Adds the counts of a distribution.
    pub fn add(&mut self, distribution: &Distribution) {
        let mut at = 0;
        for (upper_ns, count) in distribution.buckets() {
            while EDGES_NS.get(at).is_some_and(|edge_ns| upper_ns >= *edge_ns) {
                at += 1;
            }
            if let Some(sum) = self.0.get_mut(at) {
                *sum = sum.saturating_add(count);
            }
        }
    }

    /// Adds the counts of another one.
    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum = sum.saturating_add(count));
    }

    /// Counts a duration.
    pub(super) fn count(&mut self, ns: u64, weight: u64) {
        let bucket = EDGES_NS.partition_point(|edge_ns| *edge_ns <= ns);
        if let Some(sum) = self.0.get_mut(bucket) {
            *sum = sum.saturating_add(weight);
        }
    }

    /// The first and the last bucket that hold something.
    #[must_use]
    pub fn range(&self) -> Option<(usize, usize)> {
        let first = self.0.iter().position(|count| *count > 0)?;
        Some((first, self.0.iter().rposition(|count| *count > 0)?))
    }
}

/// Lower and upper edge of a coarse bucket, nanoseconds; the last one has no upper one.
#[must_use]
pub fn edges_ns(bucket: usize) -> (u64, Option<u64>) {
    let lower_ns = bucket.checked_sub(1).and_then(|before| EDGES_NS.get(before)).copied().unwrap_or(0);
    (lower_ns, EDGES_NS.get(bucket).copied())
}
