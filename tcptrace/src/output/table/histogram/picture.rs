//! A row's distribution as a small picture, on a scale that all rows of a duration share.

use super::edge;
use crate::report::histogram::{Coarse, edges_ns};

/// A bucket is drawn so many columns wide at most.
const BUCKET_MAX: usize = 3;
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Coarse buckets `first..=last`, `group` of them together, each group so many columns wide, in so much room.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    first: usize,
    last: usize,
    group: usize,
    columns: usize,
    room: usize,
}

impl Axis {
    pub(super) fn new((first, last): (usize, usize), room: usize) -> Self {
        let buckets = last - first + 1;
        let group = buckets.div_ceil(room.max(1));
        let columns = (room / buckets.div_ceil(group)).clamp(1, BUCKET_MAX);
        Self { first, last, group, columns, room }
    }

    /// The ends of what is shown, above the ends of the picture where these are far enough from each other. `None`
    /// where there is no room even for the two of them.
    pub(super) fn labels(self) -> Option<String> {
        let width = (self.last - self.first + 1).div_ceil(self.group) * self.columns;
        let [lower, upper] = self.ends();
        let gap = width.saturating_sub(lower.len() + upper.len());
        let apart = (gap > 0).then(|| format!("{lower}{}{upper}", " ".repeat(gap)));
        let [short_lower, short_upper] = [&lower, &upper].map(|text| short(text));
        apart
            .or_else(|| Some(format!("{lower}-{upper}")).filter(|text| text.len() <= self.room))
            .or_else(|| Some(format!("{short_lower}-{short_upper}")).filter(|text| text.len() <= self.room))
    }

    /// Where the picture begins and ends.
    pub(super) fn ends(self) -> [String; 2] {
        let upper = edges_ns(self.last).1.map_or_else(|| "up".to_owned(), |ns| edge(Some(ns)));
        [edge(Some(edges_ns(self.first).0)), upper]
    }

    /// Heights to the largest of this row: its shape. Something is never nothing.
    pub(super) fn draw(self, coarse: &Coarse) -> String {
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

/// `20us` for `20.0us`: the edges of coarse buckets are whole numbers of their units.
fn short(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else { return text.to_owned() };
    let unit = rest.trim_start_matches('0');
    if unit.starts_with(|first: char| first.is_ascii_digit()) { text.to_owned() } else { format!("{whole}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::histogram::COARSE;

    #[test]
    fn labels_fit_or_are_left_to_another_line() {
        // 20 us to 2 s.
        let of = |room| Axis::new((5, 19), room).labels();
        assert_eq!(of(19).as_deref(), Some("20.0us    2.00s"));
        assert_eq!(of(14).as_deref(), Some("20.0us-2.00s"));
        assert_eq!(of(11).as_deref(), Some("20us-2s"));
        assert_eq!(of(6), None);
        assert_eq!(Axis::new((9, COARSE - 1), 8).labels().as_deref(), Some("500us-up"));
        assert_eq!(Axis::new((0, 0), 8).labels().as_deref(), Some("0ns-1us"));
    }

    #[test]
    fn only_nothing_is_cut_from_an_edge() {
        for (long, expected) in [("20.0us", "20us"), ("1.00s", "1s"), ("500ms", "500ms"), ("1.50h", "1.50h")] {
            assert_eq!(short(long), expected);
        }
    }
}
