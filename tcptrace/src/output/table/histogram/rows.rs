//! A row for each key: its values, count and quantiles, and a small picture where there is room.

use super::{Page, edge};
use crate::output::table::paint::Paint;
use crate::output::units::DurationNs;
use crate::report::histogram::{Coarse, KeyValue, Remainder, Split, View, edges_ns};
use crate::report::{Distribution, Quantiles};

/// What a duration takes.
const CELL: usize = 6;
/// The least that a picture takes: the labels of its ends.
const PICTURE_MIN: usize = 2 * CELL + 1;
/// A bucket is drawn so many columns wide at most.
const BUCKET_MAX: usize = 3;
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Widths, and what all pictures show.
struct Layout {
    /// Of each key's column.
    keys: Vec<usize>,
    /// Keys stand on lines of their own, because numbers do not fit beside them.
    is_stacked: bool,
    counts: usize,
    picture: Option<Axis>,
}

/// Coarse buckets `first..=last`, `group` of them together, each group so many columns wide.
#[derive(Clone, Copy)]
struct Axis {
    first: usize,
    last: usize,
    group: usize,
    columns: usize,
}

impl Page<'_> {
    pub(super) fn rows(&mut self, view: &View, split: &Split) {
        let keys: Vec<Vec<String>> = split.rows.iter().map(|row| row.key.iter().map(text).collect()).collect();
        let titles: Vec<String> = view.bys.iter().map(|by| by.as_str().to_uppercase()).collect();
        let others = split.remainder.as_ref().map(others);
        let layout = self.layout(split, &keys, &titles, others.as_deref());
        self.keys(&layout, Paint::Strong, &titles);
        self.titles(&layout);
        for (row, key) in split.rows.iter().zip(&keys).filter(|(row, _)| row.distribution.count() > 0) {
            self.keys(&layout, Paint::Plain, key);
            self.numbers(&layout, &row.distribution);
        }
        if let Some((remainder, text)) = split.remainder.as_ref().zip(others) {
            self.others(&layout, text);
            self.numbers(&layout, &remainder.distribution);
        }
    }

    fn layout(&self, split: &Split, keys: &[Vec<String>], titles: &[String], others: Option<&str>) -> Layout {
        let rest = split.remainder.as_ref().map(|remainder| &remainder.distribution);
        let distributions = || split.rows.iter().map(|row| &row.distribution).chain(rest);
        let largest = distributions().map(Distribution::count).max().unwrap_or(0);
        let counts = largest.to_string().len().max("COUNT".len());
        let chars = |text: &str| text.chars().count();
        let column = |(at, title): (usize, &String)| {
            let widest = keys.iter().filter_map(|key| key.get(at)).map(|text| chars(text)).max();
            widest.unwrap_or(0).max(chars(title))
        };
        let mut columns: Vec<usize> = titles.iter().enumerate().map(column).collect();
        // The others' name runs over all columns.
        let sum = |columns: &[usize]| columns.iter().map(|width| width + 1).sum::<usize>();
        let missing = others.map_or(0, |text| (chars(text) + 1).saturating_sub(sum(&columns)));
        columns.last_mut().into_iter().for_each(|last| *last += missing);
        let numbers = counts + 5 * (CELL + 1);
        let is_stacked = sum(&columns) + numbers > self.style.width;
        let used = numbers + if is_stacked { 0 } else { sum(&columns) };
        let room = self.style.width.saturating_sub(used + 1);
        let picture = Some(room).filter(|room| *room >= PICTURE_MIN && !titles.is_empty());
        let picture = picture.and_then(|room| {
            let mut coarse = Coarse::default();
            distributions().for_each(|distribution| coarse.add(distribution));
            let (first, last) = coarse.range()?;
            Some(Axis::new(first, last, room))
        });
        Layout { keys: columns, is_stacked, counts, picture }
    }

    fn keys(&mut self, layout: &Layout, paint: Paint, key: &[String]) {
        if layout.is_stacked {
            self.stacked(paint, &key.join(" "));
            return;
        }
        for (width, text) in layout.keys.iter().zip(key) {
            self.line.left(*width, paint, text);
        }
    }

    fn others(&mut self, layout: &Layout, text: String) {
        if layout.is_stacked {
            self.stacked(Paint::Faint, &text);
            return;
        }
        let width = layout.keys.iter().map(|width| width + 1).sum::<usize>().saturating_sub(1);
        self.line.left(width, Paint::Faint, text);
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
        if let Some(axis) = layout.picture {
            self.line.word(Paint::Faint, axis.labels());
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

impl Axis {
    fn new(first: usize, last: usize, room: usize) -> Self {
        let buckets = last - first + 1;
        let group = buckets.div_ceil(room.max(1));
        let columns = (room / buckets.div_ceil(group)).clamp(1, BUCKET_MAX);
        Self { first, last, group, columns }
    }

    /// The ends of what is shown, above the ends of the picture where these are far enough from each other.
    fn labels(self) -> String {
        let width = (self.last - self.first + 1).div_ceil(self.group) * self.columns;
        let lower = edge(Some(edges_ns(self.first).0));
        let upper = edges_ns(self.last).1.map_or_else(|| "up".to_owned(), |ns| edge(Some(ns)));
        let gap = width.saturating_sub(lower.len() + upper.len());
        if gap < 1 { format!("{lower}-{upper}") } else { format!("{lower}{}{upper}", " ".repeat(gap)) }
    }

    /// Heights to the largest of this row: its shape. Something is never nothing.
    fn draw(self, coarse: &Coarse) -> String {
        let held: Vec<u64> = coarse.0.iter().take(self.last + 1).skip(self.first).copied().collect();
        let sums: Vec<u64> = held.chunks(self.group).map(|group| group.iter().sum()).collect();
        let largest = u128::from(sums.iter().copied().max().unwrap_or(0).max(1));
        let mut picture = String::new();
        for sum in sums {
            let level = (u128::from(sum) * 8 + largest / 2) / largest;
            let level = usize::try_from(level).unwrap_or(0).max(usize::from(sum > 0));
            let shade = LEVELS.get(level).copied().unwrap_or(' ');
            picture.extend(std::iter::repeat_n(shade, self.columns));
        }
        picture.truncate(picture.trim_end().len());
        picture
    }
}

fn text(value: &KeyValue) -> String {
    match value {
        KeyValue::Unknown => "unknown".to_owned(),
        KeyValue::Text(text) => text.clone(),
        KeyValue::Number(number) => number.to_string(),
    }
}

fn others(remainder: &Remainder) -> String {
    let least = if remainder.is_at_least { "at least " } else { "" };
    let plural = if remainder.keys == 1 { "key" } else { "keys" };
    format!("others ({least}{} {plural})", remainder.keys)
}
