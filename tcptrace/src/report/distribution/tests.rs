use super::*;

fn filled(values: impl IntoIterator<Item = (u64, u64)>) -> Distribution {
    let mut distribution = Distribution::default();
    values.into_iter().for_each(|(ns, weight)| distribution.record(ns, weight));
    distribution
}

fn of(values: impl IntoIterator<Item = u64>) -> Quantiles {
    filled(values.into_iter().map(|ns| (ns, 1))).quantiles()
}

/// Numbers that look random and are the same in every run (Steele, Lea and Flood: SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// As durations are: every power of two is as likely as any other.
    fn duration(&mut self) -> u64 {
        let bits = self.below(47);
        self.next() & ((1 << bits) - 1)
    }
}

#[test]
fn nothing_measured_is_all_zero() {
    assert_eq!(of([]), Quantiles::default());
    assert_eq!(filled([(5, 0)]).quantiles(), Quantiles::default(), "no weight, no value");
}

#[test]
fn one_value_is_exact() {
    for ns in [0, 1, 255, 256, 21_000, 2_000_112_000, BOUND_NS] {
        let all = Quantiles { count: 1, p50_ns: ns, p90_ns: ns, p99_ns: ns, p999_ns: ns, max_ns: ns };
        assert_eq!(of([ns]), all);
    }
}

#[test]
fn buckets_are_those_of_the_histogram() {
    let histogram = Histogram::<u64>::new_with_bounds(1, 2 * BOUND_NS, SIGNIFICANT_DIGITS).unwrap();
    let mut numbers = Numbers(1);
    let edges = (0..46).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    for ns in edges.chain((0..10_000).map(|_| numbers.duration())) {
        let ns = ns.min(BOUND_NS);
        assert_eq!(upper_ns(ns), histogram.highest_equivalent(ns), "{ns}");
        assert!((upper_ns(ns) - ns) * 100 < ns.max(1), "{ns}");
    }
}

#[test]
fn quantiles_are_within_one_percent_of_the_exact_ones() {
    let mut numbers = Numbers(2);
    let steps: Vec<u64> = std::iter::successors(Some(1_000), |ns| Some(ns + ns / 500)).take(8_000).collect();
    let shapes: [(&str, Vec<(u64, u64)>); 6] = [
        ("steps of 0.2 %", (0..8_000).map(|at| (steps[at * 7_919 % 8_000], 1)).collect()),
        ("tiny", (0..5_000).map(|_| (numbers.below(300), 1)).collect()),
        ("few", (0..20).map(|_| (numbers.duration(), 1)).collect()),
        ("all sizes", (0..20_000).map(|_| (numbers.duration(), 1)).collect()),
        ("two heaps", (0..9_999).map(|at| (if at % 3 == 0 { 40_000_000_000 } else { 90_000 } + at, 1)).collect()),
        ("weights", (0..5_000).map(|_| (numbers.duration(), 1 + numbers.below(1_000))).collect()),
    ];
    for (name, values) in shapes {
        let found = filled(values.iter().copied());
        let mut sorted = values;
        sorted.sort_unstable();
        let count: u64 = sorted.iter().map(|(_, weight)| weight).sum();
        assert_eq!((found.count(), Some(found.max_ns())), (count, sorted.last().map(|(ns, _)| *ns)), "{name}");
        for permille in [1, 10, 500, 900, 990, 999, 1_000] {
            let mut left = (count * u64::from(permille)).div_ceil(1_000);
            let exact = sorted.iter().find(|(_, weight)| {
                left = left.saturating_sub(*weight);
                left == 0
            });
            let (exact, found) = (exact.unwrap().0, found.quantile(permille));
            assert!(found.abs_diff(exact) * 100 <= exact, "{name}, {permille}: {found}, exact {exact}");
        }
    }
}

#[test]
fn absurd_values_saturate_and_max_stays_exact() {
    let found = of([1, u64::MAX, u64::MAX]);
    assert_eq!((found.count, found.max_ns), (3, u64::MAX));
    assert!(found.p50_ns >= BOUND_NS && found.p50_ns <= BOUND_NS + BOUND_NS / 100, "{}", found.p50_ns);
}

#[test]
fn large_weights_do_not_overflow() {
    let weight = u64::from(u32::MAX);
    let mut found = filled((0..100).map(|at| (1_000 * at, weight)));
    let other = found.clone();
    (0..1_000).for_each(|_| found.merge(&other));
    assert_eq!(found.count(), 1_001 * 100 * weight);
    assert_eq!(found.buckets().map(|(_, count)| count).sum::<u64>(), found.count());
    assert_eq!(filled([(7, u64::MAX), (9, 5)]).count(), u64::MAX, "beyond, it stays at the most");
}

#[test]
fn merging_equals_recording_both() {
    let mut numbers = Numbers(3);
    for round in 0..300 {
        let sizes = [numbers.below(80), numbers.below(80) * (round % 7)];
        let [one, two] = sizes.map(|size| {
            let largest = 1 << numbers.below(47);
            (0..size).map(|_| (numbers.duration() % largest, 1 + numbers.below(9))).collect::<Vec<_>>()
        });
        let both = filled(one.iter().chain(&two).copied());
        let mut merged = filled(one.iter().copied());
        merged.merge(&filled(two.iter().copied()));
        assert_eq!((merged.count(), merged.max_ns()), (both.count(), both.max_ns()));
        assert_eq!(merged.buckets().collect::<Vec<_>>(), both.buckets().collect::<Vec<_>>());
        assert_eq!(merged.quantiles(), both.quantiles());
        assert_eq!(both.buckets().map(|(_, count)| count).sum::<u64>(), both.count());
        assert!(both.buckets().is_sorted_by(|(a, _), (b, _)| a < b));
    }
}

#[test]
fn memory_grows_with_what_is_told_apart() {
    assert_eq!(Distribution::default().bytes(), size_of::<Distribution>());
    let alike = filled((0..100_000).map(|at| (1_000_000 + at % 2_000, 1)));
    assert!(alike.bytes() < 200, "{}", alike.bytes());
    let few = filled((0..FEW as u64).map(|at| (at * 1_000_000, 1)));
    assert!(few.bytes() < 600, "{}", few.bytes());
    let short = filled((0..1_000).map(|at| (at, 1)));
    assert!(short.bytes() < 5_000, "{}", short.bytes());
    let mut numbers = Numbers(4);
    let mut all = filled((0..100_000).map(|_| (numbers.duration(), 1)));
    all.record(u64::MAX, 1);
    assert!(all.bytes() > 40_000 && all.bytes() <= Distribution::BYTES_MAX, "{}", all.bytes());
}
