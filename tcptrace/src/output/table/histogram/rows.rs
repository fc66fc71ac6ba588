//! A row for each key: its values, count and quantiles, and a small picture.

use super::keys::Keys;
use super::picture::Axis;
use super::{CELL, Page};
use crate::output::table::paint::Paint;
use crate::output::units::{Count, DurationNs, PerSecond};
use crate::report::histogram::{Coarse, Row, Split, View};
use crate::report::{Distribution, Quantiles};

/// The least that a picture takes: its shape is still seen.
const PICTURE_MIN: usize = 8;
/// What is left of a name at least, and what a picture gets for it: names that can be read come first.
const SHORTENED: [(usize, usize); 2] = [(24, 20), (10, PICTURE_MIN)];

/// Titles of the counts.
const CLOSES: &str = "CLOSES";
const RATE: &str = "PER_S";
const UNTIMED: &str = "UNTIMED";

/// Widths, and what all pictures show.
struct Layout {
    keys: Keys,
    /// Keys stand on lines of their own, because numbers and picture do not fit beside them.
    is_stacked: bool,
    /// Of the counts: all closes, their rate, and those without the duration, where there are any.
    counts: [usize; 3],
    /// Quantiles that have room.
    cells: usize,
    length_ns: u64,
    picture: Option<Axis>,
}

impl Page<'_> {
    pub(super) fn rows(&mut self, view: &View, split: &Split) {
        let layout = self.layout(view, split);
        self.keys(&layout, Paint::Strong, &layout.keys.titles);
        self.titles(&layout);
        for (row, key) in shown(split).zip(&layout.keys.rows) {
            self.keys(&layout, Paint::Plain, key);
            self.numbers(&layout, &row.distribution, row.without);
        }
        if let Some((remainder, text)) = split.remainder.as_ref().zip(layout.keys.others.as_ref()) {
            self.others(&layout, text);
            self.numbers(&layout, &remainder.distribution, remainder.without);
        }
        if let Some(axis) = layout.picture.filter(|axis| axis.labels().is_none()) {
            let [lower, upper] = axis.ends();
            self.words(Paint::Faint, &format!("pictures: {lower} to {upper}"));
            self.flush();
        }
    }

    /// Keys stand beside the numbers where the picture has room, too: whole, or shortened as little as it needs.
    /// Otherwise they stand above.
    fn layout(&self, view: &View, split: &Split) -> Layout {
        let rest = split.remainder.as_ref();
        let all = || shown(split).map(|row| &row.distribution).chain(rest.map(|rest| &rest.distribution));
        let rows = || {
            let rows = shown(split).map(|row| (row.distribution.count(), row.without));
            rows.chain(rest.map(|rest| (rest.distribution.count(), rest.without)))
        };
        let (length_ns, closes) = (view.length_ns(), rows().map(|(count, without)| count + without).max().unwrap_or(0));
        let rates = rows().map(|(count, without)| PerSecond(count + without, length_ns).to_string().len()).max();
        let untimed = rows().map(|(_, without)| without).max().filter(|without| *without > 0);
        let mut counts = [
            Count(closes).to_string().len().max(CLOSES.len()),
            rates.unwrap_or(0).max(RATE.len()),
            untimed.map_or(0, |without| Count(without).to_string().len().max(UNTIMED.len())),
        ];
        let taken = |counts: [usize; 3]| {
            let widths = counts.iter().filter(|width| **width > 0).map(|width| width + 1);
            widths.sum::<usize>()
        };
        // The heading has the rate, too, where a narrow line of large counts has no room for it.
        let fits = |counts, cells: usize| taken(counts) + cells * (CELL + 1) <= self.style.width + 1;
        if !fits(counts, 5) {
            counts[1] = 0;
        }
        let cells = if fits(counts, 5) { 5 } else { 4 };
        let room = (self.style.width + 1).saturating_sub(taken(counts) + cells * (CELL + 1));
        let beside = |picture: usize| room.saturating_sub(picture + 1);
        let keys = Keys::new(&view.bys, shown(split).map(|row| row.key.as_slice()), rest);
        let shortened = |(name, picture)| keys.shortened(&view.bys, rest, beside(picture), name);
        let (keys, is_stacked) = if keys.width() <= beside(PICTURE_MIN) {
            (keys, false)
        } else {
            let shortened = SHORTENED.into_iter().find_map(shortened);
            let is_stacked = shortened.is_none();
            (shortened.unwrap_or(keys), is_stacked)
        };
        let room = room.saturating_sub(1 + if is_stacked { 0 } else { keys.width() });
        let mut coarse = Coarse::default();
        all().for_each(|distribution| coarse.add(distribution));
        let picture = coarse.range().filter(|_| room >= PICTURE_MIN && !view.bys.is_empty());
        Layout { keys, is_stacked, counts, cells, length_ns, picture: picture.map(|range| Axis::new(range, room)) }
    }

    fn keys(&mut self, layout: &Layout, paint: Paint, key: &[String]) {
        if layout.is_stacked {
            self.stacked(paint, &key.join(" "));
            return;
        }
        for (width, text) in layout.keys.columns.iter().zip(key) {
            self.line.left(*width, paint, text);
        }
    }

    fn others(&mut self, layout: &Layout, text: &str) {
        if layout.is_stacked {
            self.stacked(Paint::Faint, text);
            return;
        }
        self.line.left(layout.keys.width().saturating_sub(1), Paint::Faint, text);
    }

    /// What is longer than a line goes on in the next: nothing is cut.
    fn stacked(&mut self, paint: Paint, text: &str) {
        let chars: Vec<char> = text.chars().collect();
        for part in chars.chunks(self.style.width) {
            self.line.left(0, paint, part.iter().collect::<String>().trim_end());
            self.line.flush_aligned(self.out, self.style);
        }
    }

    fn titles(&mut self, layout: &Layout) {
        for (width, title) in layout.counts.into_iter().zip([CLOSES, RATE, UNTIMED]).filter(|(width, _)| *width > 0) {
            self.line.right(width, Paint::Strong, title);
        }
        for title in fitting(["P50", "P90", "P99", "P99.9", "MAX"], layout.cells) {
            self.line.right(CELL, Paint::Strong, title);
        }
        if let Some(labels) = layout.picture.and_then(Axis::labels) {
            self.line.word(Paint::Faint, labels);
        }
        self.line.flush_aligned(self.out, self.style);
    }

    fn numbers(&mut self, layout: &Layout, distribution: &Distribution, without: u64) {
        let Quantiles { count, p50_ns, p90_ns, p99_ns, p999_ns, max_ns } = distribution.quantiles();
        let [closes_width, rate_width, untimed_width] = layout.counts;
        let closes = count.saturating_add(without);
        self.line.right(closes_width, Paint::Plain, Count(closes));
        if rate_width > 0 {
            self.line.right(rate_width, Paint::Plain, PerSecond(closes, layout.length_ns));
        }
        match without {
            _ if untimed_width == 0 => {}
            0 => self.line.right(untimed_width, Paint::Faint, "-"),
            _ => self.line.right(untimed_width, Paint::Plain, Count(without)),
        }
        for ns in fitting([p50_ns, p90_ns, p99_ns, p999_ns, max_ns], layout.cells) {
            match count {
                0 => self.line.right(CELL, Paint::Faint, "-"),
                _ => self.line.right(CELL, Paint::Plain, DurationNs(ns)),
            }
        }
        if let Some(axis) = layout.picture {
            let picture = axis.draw(&Coarse::of(distribution));
            if !picture.is_empty() {
                self.line.word(Paint::Good, picture);
            }
        }
        self.line.flush_aligned(self.out, self.style);
    }
}

/// Without p99.9, where there is no room for all.
fn fitting<T>(all: [T; 5], cells: usize) -> impl Iterator<Item = T> {
    all.into_iter().enumerate().filter(move |(at, _)| *at != 3 || cells == 5).map(|(_, value)| value)
}

/// Those that have anything.
fn shown(split: &Split) -> impl Iterator<Item = &Row> {
    split.rows.iter().filter(|row| row.distribution.count() > 0 || row.without > 0)
}
