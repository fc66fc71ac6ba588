//! What a reader is shown of histograms: the rows of each duration, and what is to be known about them.

use super::key::{Key, KeyValue};
use super::span::{self, entry_bytes};
use super::{By, Config, Histograms, Of};
use crate::report::Distribution;

/// Which span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Since the last interval.
    Interval,
    /// Since the start.
    Total,
}

impl SpanKind {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::Total => "total",
        }
    }
}

/// Histograms of one span of time.
#[derive(Clone, Debug)]
pub struct View {
    /// Which span.
    pub span: SpanKind,
    /// When it began, nanoseconds since 1970.
    pub from_ns: u64,
    /// When it ended.
    pub to_ns: u64,
    /// What splits the histograms.
    pub bys: Vec<By>,
    /// One for each duration.
    pub splits: Vec<Split>,
    /// Keys and memory.
    pub memory: Memory,
    /// One in so many closes was traced; 1: all. Of several hosts, the largest until now.
    pub sample_one_in: u64,
    /// Events that were lost in it: closes may be missing.
    pub lost: u64,
}

/// The histograms of one duration.
#[derive(Clone, Debug)]
pub struct Split {
    /// Which duration.
    pub of: Of,
    /// The keys with most closes, most first: of `close` all count, also those without a duration; of another first
    /// duration those that have it. One with an empty key where nothing splits.
    pub rows: Vec<Row>,
    /// What all other keys have; `None` where there are none.
    pub remainder: Option<Remainder>,
    /// All closes.
    pub all: Distribution,
    /// Closes that are in none of it, weighted: they have no such duration, or it is not known.
    pub without: u64,
}

/// The histogram of one key.
#[derive(Clone, Debug)]
pub struct Row {
    /// A value for each of [`View::bys`].
    pub key: Vec<KeyValue>,
    /// Its closes.
    pub distribution: Distribution,
    /// As [`Split::without`], of this key.
    pub without: u64,
}

/// The histogram of keys without a row.
#[derive(Clone, Debug)]
pub struct Remainder {
    /// How many keys.
    pub keys: u64,
    /// There are more: so many that they were not told apart.
    pub is_at_least: bool,
    /// Their closes.
    pub distribution: Distribution,
    /// As [`Split::without`], of these keys.
    pub without: u64,
}

/// Keys and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Keys of this span with histograms of their own, shown or not.
    pub keys: u64,
    /// Keys of this span beyond a bound: in the remainder with all their closes.
    pub keys_folded: u64,
    /// More than that: then a row may lack closes that were counted in the remainder.
    pub folded_is_at_least: bool,
    /// Closes of those keys, weighted.
    pub closes_folded: u64,
    /// Memory of both spans, what is reserved for remainders and the heat map included.
    pub bytes: u64,
    /// Bound of that.
    pub bytes_max: u64,
    /// What a key can take at most.
    pub key_bytes_max: u64,
}

impl Split {
    /// All closes, weighted: those with the duration and those without.
    #[must_use]
    pub const fn closes(&self) -> u64 {
        self.all.count().saturating_add(self.without)
    }
}

impl View {
    /// How long the span is, nanoseconds.
    #[must_use]
    pub const fn length_ns(&self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }

    /// How far off the count of one of its distributions can be because samples were traced, at 95 % or more; 0 where
    /// everything was.
    ///
    /// Of C closes on a host each is traced with probability 1/N, on its own, and counts N times. The count is then N
    /// times a binomial number, with the variance V = N^2 * C * (1/N) * (1 - 1/N) = (N - 1) * C, and variances of hosts
    /// add up. 1.96 standard deviations to each side are 1.96 * sqrt(V) for large C. The true C are not known, though,
    /// and small numbers are not normal: the upper end of Wilson's interval for n traced ones is
    /// n + z^2/2 + z * sqrt(n + z^2/4), with z = 1.96. So the error is
    /// 1.92 * (N - 1) + 1.96 * sqrt(V + 0.96 * N * (N - 1)) with V from what was counted, and the largest N of all
    /// hosts, on each of which closes may have been missed: where nothing was traced, up to 3.8 * N closes can be
    /// behind it.
    #[must_use]
    pub fn count_error(&self, of: &Distribution) -> u64 {
        // Whole numbers, so that every machine prints the same: 1.96^2 is 3.8416, of which a half and a quarter count.
        let one_in = u128::from(self.sample_one_in);
        let others = one_in.saturating_sub(1);
        let square = u128::from(of.count_variance()) * 10_000 + one_in * others * 9_604;
        let variance = square.saturating_mul(38_416) / 100_000_000;
        u64::try_from(others * 19_208 / 10_000 + variance.isqrt()).unwrap_or(u64::MAX)
    }
}

impl Histograms {
    pub(super) fn view(&self, kind: SpanKind, (from_ns, to_ns): (u64, u64), hosts: &[String]) -> View {
        let span = match kind {
            SpanKind::Interval => &self.interval,
            SpanKind::Total => &self.total,
        };
        let (top, rest) = ranked(span, &self.config);
        let keys: Vec<Vec<KeyValue>> = top
            .iter()
            .map(|(key, _)| {
                let pairs = self.config.bys.iter().zip(key.iter());
                pairs.map(|(by, part)| KeyValue::of(*by, *part, &self.texts, hosts)).collect()
            })
            .collect();
        let splits = self.config.ofs.iter().enumerate().map(|(place, of)| {
            let of_row = |row: &span::Row| row.distributions.get(place).cloned().unwrap_or_default();
            let mut remainder = of_row(&span.remainder);
            let mut closes = span.remainder.closes;
            for (_, row) in &rest {
                row.distributions.get(place).into_iter().for_each(|more| remainder.merge(more));
                closes = closes.saturating_add(row.closes);
            }
            let of_rest = closes.saturating_sub(remainder.count());
            let mut all = remainder.clone();
            let rows: Vec<Row> = keys
                .iter()
                .zip(&top)
                .map(|(key, (_, row))| {
                    let distribution = of_row(row);
                    all.merge(&distribution);
                    Row { key: key.clone(), without: row.closes.saturating_sub(distribution.count()), distribution }
                })
                .collect();
            let without = rows.iter().fold(of_rest, |sum, row| sum.saturating_add(row.without));
            if self.config.bys.is_empty() {
                let row = Row { key: Vec::new(), distribution: all.clone(), without };
                return Split { of: *of, rows: vec![row], remainder: None, all, without };
            }
            let others = rest.len() + span.folded.keys();
            let remainder = Remainder {
                keys: others as u64,
                is_at_least: span.folded.more,
                distribution: remainder,
                without: of_rest,
            };
            let remainder = (others > 0 || span.folded.more).then_some(remainder);
            Split { of: *of, rows, remainder, all, without }
        });
        View {
            span: kind,
            from_ns,
            to_ns,
            bys: self.config.bys.clone(),
            splits: splits.collect(),
            memory: self.memory(span),
            sample_one_in: self.sample_one_in,
            lost: match kind {
                SpanKind::Interval => self.lost.0,
                SpanKind::Total => self.lost.0.saturating_add(self.lost.1),
            },
        }
    }

    fn memory(&self, span: &span::Span) -> Memory {
        let distributions = self.config.ofs.len() * Distribution::BYTES_MAX;
        Memory {
            keys: span.rows.len() as u64,
            keys_folded: span.folded.keys() as u64,
            folded_is_at_least: span.folded.more,
            closes_folded: span.folded.closes,
            bytes: (self.fixed_bytes() + self.interval.bytes + self.total.bytes) as u64,
            bytes_max: self.config.bytes_max as u64,
            key_bytes_max: (entry_bytes(self.config.bys.len()) + distributions) as u64,
        }
    }
}

type Ranked<'a> = Vec<(&'a Key, &'a span::Row)>;

/// The keys with most closes, most first, and the others; see [`Split::rows`].
fn ranked<'a>(span: &'a span::Span, config: &Config) -> (Ranked<'a>, Ranked<'a>) {
    let (top, all_count) = (config.top, config.ofs.first() == Some(&Of::Close));
    let mut rows: Ranked<'_> = span.rows.iter().collect();
    let count = |row: &span::Row| {
        let timed = if all_count { row.closes } else { row.distributions.first().map_or(0, Distribution::count) };
        (timed, row.closes)
    };
    // The key decides between equals, so that a replay shows the same.
    let order = |(a_key, a): &(&Key, &span::Row), (b_key, b): &(&Key, &span::Row)| {
        count(b).cmp(&count(a)).then_with(|| a_key.cmp(b_key))
    };
    if top < rows.len() {
        rows.select_nth_unstable_by(top, order);
    }
    let rest = rows.split_off(top.min(rows.len()));
    rows.sort_unstable_by(order);
    (rows, rest)
}
