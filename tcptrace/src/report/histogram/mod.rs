//! Latency histograms of closes: by duration, split by keys, for each interval and in total, in bounded memory.
//!
//! A close is recorded once, into the interval; when that ends, it is merged into the total, which equals recording
//! into both. What exceeds a bound goes to the remainder, and is counted.

mod by;
mod folded;
mod heat;
mod key;
mod of;
mod scale;
mod span;
#[cfg(test)]
mod tests;
mod view;

use std::hash::RandomState;

pub use by::{By, Prefix};
pub use heat::{Column, Heat};
pub use key::KeyValue;
pub use of::Of;
pub use scale::{COARSE, Coarse, edges_ns};
pub use view::{Memory, Remainder, Row, SpanKind, Split, View};

use super::{Context, Distribution};
use crate::model::Close;
use folded::Folded;
use heat::Ring;
use key::{Part, Texts};
use span::Span;

/// What is measured, what splits it, and the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Durations; the first one's counts rank the keys.
    pub ofs: Vec<Of>,
    /// What splits them, all together. Nothing: one histogram for each duration.
    pub bys: Vec<By>,
    /// Keys that get a row; the rest is shown as one.
    pub top: usize,
    /// Memory of both spans together.
    pub bytes_max: usize,
    /// Keys of each span.
    pub keys_max: usize,
    /// Also a heat map: the length of an interval, nanoseconds, which is that of its widest columns.
    pub heat_ns: Option<u64>,
}

impl Default for Config {
    /// A tenth of what a service host has to spare, and more keys than anyone reads.
    fn default() -> Self {
        Self { ofs: vec![Of::Close], bys: Vec::new(), top: 10, bytes_max: 256 << 20, keys_max: 131_072, heat_ns: None }
    }
}

/// Counts closes.
#[derive(Clone, Debug)]
pub struct Histograms {
    config: Config,
    interval: Span,
    total: Span,
    texts: Texts,
    heat: Option<Ring>,
    /// Beginning of the total and of the interval, nanoseconds since 1970; `None` before the first close.
    began: Option<(u64, u64)>,
    /// Largest weight until now: closes that were not seen may have had it, too.
    sample_one_in: u64,
    /// Lost events of the interval, and of all intervals before it.
    lost: (u64, u64),
    /// Used again for each close.
    parts: Vec<Part>,
    values: Vec<Option<u64>>,
}

impl Histograms {
    /// Histograms of nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let hasher = RandomState::new();
        let span = || Span::new(hasher.clone(), config.ofs.len(), config.keys_max);
        Self {
            interval: span(),
            total: span(),
            texts: Texts::default(),
            heat: config.heat_ns.map(|interval_ns| Ring::new(config.ofs.len(), interval_ns)),
            began: None,
            sample_one_in: 1,
            lost: (0, 0),
            parts: Vec::with_capacity(config.bys.len()),
            values: Vec::with_capacity(config.ofs.len()),
            config,
        }
    }

    /// What is measured and how it is split.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Says when the first interval began, nanoseconds since 1970. Otherwise the first close does.
    pub fn begin(&mut self, now_ns: u64) {
        self.began.get_or_insert((now_ns, now_ns));
        self.heat.iter_mut().for_each(|heat| heat.begin(now_ns));
    }

    /// Says that one socket in so many is followed, on one of the hosts. Otherwise the first of its closes does.
    pub fn sampled(&mut self, one_in: u64) {
        self.sample_one_in = self.sample_one_in.max(one_in);
    }

    /// Counts a close, seen on the host with this number, `weight` times: it stands for so many where only a sample
    /// of closes is traced. `context` is that host's. Closes without any of the durations are counted as that.
    pub fn record(&mut self, close: &Close, host: u16, weight: u64, context: &Context) {
        let end_ns = context.real_ns(close.end_ns);
        self.begin(end_ns);
        self.values.clear();
        self.values.extend(self.config.ofs.iter().map(|of| of.ns(close)));
        if weight == 0 {
            return;
        }
        self.sampled(weight);
        self.heat.iter_mut().for_each(|heat| heat.record(end_ns, &self.values, weight));
        let is_named = key::fill(&mut self.parts, &self.config.bys, &mut self.texts, close, host, context);
        if is_named {
            let bytes_max = self.span_bytes_max();
            self.interval.record(&self.parts, &self.values, weight, bytes_max);
        } else {
            self.interval.record_nameless(&self.values, weight);
        }
    }

    /// Says that so many events were lost in the running interval: closes may be missing.
    pub fn lost(&mut self, events: u64) {
        self.lost.0 = self.lost.0.saturating_add(events);
    }

    /// Ends the interval: it becomes a part of the total, and the next one begins.
    pub fn next_interval(&mut self, now_ns: u64) {
        self.begin(now_ns);
        let (start_ns, _) = self.began.unwrap_or_default();
        let bytes_max = self.span_bytes_max();
        self.total.absorb(&mut self.interval, bytes_max);
        self.began = Some((start_ns, now_ns));
        self.lost = (0, self.lost.1.saturating_add(self.lost.0));
    }

    /// The running interval until now. `hosts` are names by number.
    #[must_use]
    pub fn interval(&self, now_ns: u64, hosts: &[String]) -> View {
        let (_, from_ns) = self.began.unwrap_or((now_ns, now_ns));
        self.view(SpanKind::Interval, (from_ns, now_ns), hosts)
    }

    /// Everything until now; ends the interval where it has anything.
    pub fn total(&mut self, now_ns: u64, hosts: &[String]) -> View {
        if !self.interval.is_empty() {
            self.next_interval(now_ns);
        }
        let (from_ns, _) = self.began.unwrap_or((now_ns, now_ns));
        self.view(SpanKind::Total, (from_ns, now_ns), hosts)
    }

    /// The history of one duration until now; `None` of one that is not measured, and without a heat map.
    #[must_use]
    pub fn heat(&self, of: Of, now_ns: u64) -> Option<Heat> {
        let place = self.config.ofs.iter().position(|known| *known == of)?;
        Some(self.heat.as_ref()?.of(of, place, now_ns))
    }

    /// What is taken beside the rows: remainders and folded keys of both spans, the heat map, texts, and as much as
    /// one row may grow before it is folded.
    const fn fixed_bytes(&self) -> usize {
        let row = self.config.ofs.len() * Distribution::BYTES_MAX;
        3 * row + 2 * Folded::BYTES_MAX + self.heat_bytes() + self.texts.bytes()
    }

    const fn heat_bytes(&self) -> usize {
        match &self.heat {
            Some(heat) => heat.bytes_max(),
            None => 0,
        }
    }

    /// What the rows of one span may take: half of the rest, so that a full total does not cost the interval its rows.
    const fn span_bytes_max(&self) -> usize {
        self.config.bytes_max.saturating_sub(self.fixed_bytes()) / 2
    }
}
