//! How durations of one kind are distributed: counts in buckets whose width is below 1 % of their values.

use hdrhistogram::Histogram;

use super::Quantiles;

/// Longer values count as this long in the buckets, so that one absurd duration cannot ask for memory.
const BOUND_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// Buckets of 1/128 of their value.
const SIGNIFICANT_DIGITS: u8 = 2;

/// Values up to this have buckets of their own; each doubling beyond is divided by 128.
const EXACT_MAX_NS: u64 = 255;

/// Range of the smallest histogram.
const HIGH_MIN_NS: u64 = 1_023;

/// Buckets that are kept as a list, which takes 16 bytes for each. More become a histogram, which takes 2 to 41 KiB.
/// Most keys have few closes, so that is what bounds their memory.
const FEW: usize = 32;

/// What the allocator adds to a block, about.
const BLOCK_BYTES: usize = 16;

/// Durations of one kind, each with a weight.
///
/// A value goes to the same bucket whatever came before it, so merging two distributions equals recording the values
/// of both into one. Counters are 64 bits wide, which 2^32 values of a weight of 2^32 cannot fill.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    store: Store,
    /// Sum of the weights.
    count: u64,
    /// See [`Distribution::count_variance`].
    count_variance: u64,
    max_ns: u64,
}

#[derive(Clone, Debug)]
enum Store {
    /// Upper ends of buckets with their counts, ascending.
    Few(Vec<(u64, u64)>),
    Many(Box<Histogram<u64>>),
}

impl Default for Store {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Distribution {
    /// Quantiles are at most this far from the exact ones.
    pub const ERROR_PERCENT: u32 = 1;

    /// What one can take at most, values of 24 h and beyond included.
    pub const BYTES_MAX: usize = size_of::<Self>() + size_of::<Histogram<u64>>() + 2 * BLOCK_BYTES + 41 * 128 * 8;

    /// Counts a value `weight` times.
    pub fn record(&mut self, ns: u64, weight: u64) {
        if weight == 0 {
            return;
        }
        self.count = self.count.saturating_add(weight);
        self.count_variance = self.count_variance.saturating_add(weight.saturating_mul(weight - 1));
        self.max_ns = self.max_ns.max(ns);
        self.add(upper_ns(ns), weight);
    }

    /// Counts all values of another one.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.count_variance = self.count_variance.saturating_add(other.count_variance);
        self.max_ns = self.max_ns.max(other.max_ns);
        match (&mut self.store, &other.store) {
            (_, Store::Few(few)) => few.iter().for_each(|(upper_ns, count)| self.add(*upper_ns, *count)),
            (Store::Many(many), Store::Many(more)) if many.high() >= more.high() => add(many, more),
            (_, Store::Many(more)) => self.enlarge(more.high(), |larger| add(larger, more)),
        }
    }

    /// Sum of the weights.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Variance of the count where a weight of N means that one in N was seen, at random: each value that was seen adds
    /// N (N - 1). Of values with one N that is (N - 1) times the count; 0 where all were seen.
    #[must_use]
    pub const fn count_variance(&self) -> u64 {
        self.count_variance
    }

    /// Largest value, exact.
    #[must_use]
    pub const fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The value that `permille` of a thousand do not exceed, nanoseconds; 0 where there are none.
    #[must_use]
    pub fn quantile(&self, permille: u32) -> u64 {
        let [at] = self.quantiles_at([permille]);
        at
    }

    /// Those that reports show.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        let [p50_ns, p90_ns, p99_ns, p999_ns] = self.quantiles_at([500, 900, 990, 999]);
        Quantiles { count: self.count, p50_ns, p90_ns, p99_ns, p999_ns, max_ns: self.max_ns }
    }

    /// The buckets that hold something, ascending: the largest duration that falls into each, nanoseconds, and the
    /// count. That of the last one may lie above every value; those above 24 h are in its bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let (few, many) = match &self.store {
            Store::Few(few) => (few.as_slice(), None),
            Store::Many(many) => ([].as_slice(), Some(many)),
        };
        let many = many.into_iter().flat_map(|many| many.iter_recorded());
        few.iter().copied().chain(many.map(|step| (step.value_iterated_to(), step.count_at_value())))
    }

    /// What it takes, itself included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.store {
                Store::Few(few) if few.capacity() == 0 => 0,
                Store::Few(few) => few.capacity() * size_of::<(u64, u64)>() + BLOCK_BYTES,
                Store::Many(many) => {
                    many.distinct_values() * size_of::<u64>() + size_of::<Histogram<u64>>() + 2 * BLOCK_BYTES
                }
            }
    }

    /// `permilles` ascend.
    fn quantiles_at<const N: usize>(&self, permilles: [u32; N]) -> [u64; N] {
        let mut buckets = self.buckets();
        let (mut upper_ns, mut below) = (0, 0_u64);
        permilles.map(|permille| {
            let rank = (u128::from(self.count) * u128::from(permille)).div_ceil(1_000).max(1);
            while u128::from(below) < rank {
                let Some((next_ns, count)) = buckets.next() else { break };
                (upper_ns, below) = (next_ns, below.saturating_add(count));
            }
            // A bucket's upper end may lie above every value in it.
            upper_ns.min(self.max_ns)
        })
    }

    fn add(&mut self, upper_ns: u64, weight: u64) {
        match &mut self.store {
            Store::Few(few) => match few.binary_search_by_key(&upper_ns, |(upper_ns, _)| *upper_ns) {
                Ok(at) => {
                    if let Some((_, count)) = few.get_mut(at) {
                        *count = count.saturating_add(weight);
                    }
                    return;
                }
                Err(at) if few.len() < FEW => {
                    few.insert(at, (upper_ns, weight));
                    return;
                }
                Err(_) => {}
            },
            Store::Many(many) if many.high() >= upper_ns => {
                many.saturating_record_n(upper_ns, weight);
                return;
            }
            Store::Many(_) => {}
        }
        self.enlarge(upper_ns, |larger| larger.saturating_record_n(upper_ns, weight));
    }

    /// Replaces the store by a histogram that holds values up to this one, too, and adds to it. A histogram that
    /// resizes itself would keep up to as much again in reserve. The range doubles at least: 40 times at most.
    fn enlarge(&mut self, upper_ns: u64, add: impl FnOnce(&mut Histogram<u64>)) {
        let held_ns = match &self.store {
            Store::Few(few) => few.last().map_or(0, |(upper_ns, _)| *upper_ns),
            Store::Many(many) => many.high(),
        };
        let high_ns = (upper_ns.max(held_ns).max(HIGH_MIN_NS) + 1).next_power_of_two() - 1;
        // The bounds are valid, so it is made, and it holds what it is given.
        let Ok(mut larger) = Histogram::new_with_bounds(1, high_ns, SIGNIFICANT_DIGITS) else { return };
        match &self.store {
            Store::Few(few) => few.iter().for_each(|(upper_ns, count)| larger.saturating_record_n(*upper_ns, *count)),
            Store::Many(many) => self::add(&mut larger, many),
        }
        add(&mut larger);
        self.store = Store::Many(Box::new(larger));
    }
}

/// Cannot fail: both have the same digits, and the first one's range is no smaller.
fn add(to: &mut Histogram<u64>, from: &Histogram<u64>) {
    let _ = to.add(from);
}

/// The largest value that shares the bucket of this one: what hdrhistogram calls its highest equivalent.
fn upper_ns(ns: u64) -> u64 {
    let ns = ns.min(BOUND_NS);
    let shift = EXACT_MAX_NS.leading_zeros() - (ns | EXACT_MAX_NS).leading_zeros();
    (((ns >> shift) + 1) << shift) - 1
}

#[cfg(test)]
mod tests;
