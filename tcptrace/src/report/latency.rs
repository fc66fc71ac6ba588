//! The distribution of one latency.

use hdrhistogram::Histogram;

use super::Quantiles;

/// Longer values count as this long in the quantiles, so that one absurd duration cannot ask for memory.
const BOUND_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// Buckets of 1/128 of their value: quantiles are within 1 %, in at most 41 KiB.
const SIGNIFICANT_DIGITS: u8 = 2;

/// Durations of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Latency {
    /// Made with the first value: most runs do not see every phase. The bounds are valid, so it is made.
    histogram: Option<Histogram<u64>>,
    count: u64,
    max_ns: u64,
}

impl Latency {
    pub(super) fn record(&mut self, ns: u64) {
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
        if self.histogram.is_none() {
            self.histogram = Histogram::new_with_max(BOUND_NS, SIGNIFICANT_DIGITS).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(ns);
        }
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        // A bucket's upper end may lie above every value in it.
        let at = |quantile| {
            self.histogram.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile)).min(self.max_ns)
        };
        Quantiles { count: self.count, p50_ns: at(0.5), p90_ns: at(0.9), p99_ns: at(0.99), max_ns: self.max_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Quantiles {
        let mut latency = Latency::default();
        values.into_iter().for_each(|ns| latency.record(ns));
        latency.quantiles()
    }

    #[test]
    fn nothing_measured_is_all_zero() {
        assert_eq!(of([]), Quantiles::default());
    }

    #[test]
    fn one_value_is_exact() {
        for ns in [0, 1, 255, 256, 21_000, 2_000_112_000, BOUND_NS] {
            assert_eq!(of([ns]), Quantiles { count: 1, p50_ns: ns, p90_ns: ns, p99_ns: ns, max_ns: ns });
        }
    }

    #[test]
    fn quantiles_are_within_one_percent_of_the_exact_ones() {
        // Steps of 0.2 % from 1 us to about 10 s, in an order that is neither sorted nor random.
        let sorted: Vec<u64> = std::iter::successors(Some(1_000), |ns| Some(ns + ns / 500)).take(8_000).collect();
        let found = of((0..sorted.len()).map(|i| sorted[i * 7_919 % sorted.len()]));
        assert_eq!((found.count, Some(&found.max_ns)), (8_000, sorted.last()));
        for (found, percent) in [(found.p50_ns, 50), (found.p90_ns, 90), (found.p99_ns, 99)] {
            let exact = sorted[(sorted.len() * percent).div_ceil(100) - 1];
            assert!(found.abs_diff(exact) * 100 < exact, "{percent}: {found}, exact {exact}");
        }
    }

    #[test]
    fn absurd_values_saturate_and_max_stays_exact() {
        let found = of([1, u64::MAX, u64::MAX]);
        assert_eq!((found.count, found.max_ns), (3, u64::MAX));
        assert!(found.p50_ns >= BOUND_NS && found.p50_ns <= BOUND_NS + BOUND_NS / 100, "{}", found.p50_ns);
    }
}
