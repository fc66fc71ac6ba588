//! A row for each key: its values, count and quantiles, and a small picture.

use super::keys::Keys;
use super::picture::Axis;
use super::{CELL, Page};
use crate::output::table::paint::Paint;
use crate::output::units::DurationNs;
use crate::report::histogram::{Coarse, Row, Split, View};
use crate::report::{Distribution, Quantiles};

/// The least that a picture takes: its shape is still seen.
const PICTURE_MIN: usize = 8;
/// What is left of a name at least, and what a picture gets for it: names that can be read come first.
const SHORTENED: [(usize, usize); 2] = [(24, 20), (10, PICTURE_MIN)];

/// Widths, and what all pictures show.
struct Layout {
    keys: Keys,
    /// Keys stand on lines of their own, because numbers and picture do not fit beside them.
    is_stacked: bool,
    counts: usize,
    picture: Option<Axis>,
}

impl Page<'_> {
    pub(super) fn rows(&mut self, view: &View, split: &Split) {
        let layout = self.layout(view, split);
        self.keys(&layout, Paint::Strong, &layout.keys.titles);
        self.titles(&layout);
        for (row, key) in shown(split).zip(&layout.keys.rows) {
            self.keys(&layout, Paint::Plain, key);
            self.numbers(&layout, &row.distribution);
        }
        if let Some((remainder, text)) = split.remainder.as_ref().zip(layout.keys.others.as_ref()) {
            self.others(&layout, text);
            self.numbers(&layout, &remainder.distribution);
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
        let largest = all().map(Distribution::count).max().unwrap_or(0);
        let counts = largest.to_string().len().max("COUNT".len());
        let room = self.style.width.saturating_sub(counts + 5 * (CELL + 1));
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
        Layout { keys, is_stacked, counts, picture: picture.map(|range| Axis::new(range, room)) }
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
        self.line.right(layout.counts, Paint::Strong, "COUNT");
        for title in ["P50", "P90", "P99", "P99.9", "MAX"] {
            self.line.right(CELL, Paint::Strong, title);
        }
        if let Some(labels) = layout.picture.and_then(Axis::labels) {
            self.line.word(Paint::Faint, labels);
        }
        self.line.flush_aligned(self.out, self.style);
    }

    fn numbers(&mut self, layout: &Layout, distribution: &Distribution) {
        let Quantiles { count, p50_ns, p90_ns, p99_ns, p999_ns, max_ns } = distribution.quantiles();
        self.line.right(layout.counts, Paint::Plain, count);
        for ns in [p50_ns, p90_ns, p99_ns, p999_ns, max_ns] {
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

/// Those that have anything.
fn shown(split: &Split) -> impl Iterator<Item = &Row> {
    split.rows.iter().filter(|row| row.distribution.count() > 0)
}
