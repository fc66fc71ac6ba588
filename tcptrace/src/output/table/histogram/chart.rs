//! One distribution, a line for each coarse bucket.

use super::{CELL, Page, edge};
use crate::output::table::paint::Paint;
use crate::output::table::summary::Share;
use crate::output::units::Count;
use crate::report::Distribution;
use crate::report::histogram::{Coarse, edges_ns};

/// Bars by eighths of a column.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

impl Page<'_> {
    /// Each bucket that holds something, and a mark for those between them that do not.
    pub(super) fn chart(&mut self, distribution: &Distribution) {
        let coarse = Coarse::of(distribution);
        let Some((first, last)) = coarse.range() else { return };
        let largest = coarse.0.iter().copied().max().unwrap_or(0);
        let counts = Count(largest).to_string().len().max("COUNT".len());
        let bars = self.style.width.saturating_sub(3 * (CELL + 1) + counts + 1);
        self.out.push(b'\n');
        for (width, title) in [(CELL, "FROM"), (CELL, "TO"), (counts, "COUNT"), (CELL, "SHARE")] {
            self.line.right(width, Paint::Strong, title);
        }
        self.line.flush_aligned(self.out, self.style);
        let mut skips = false;
        for (bucket, count) in coarse.0.iter().enumerate().take(last + 1).skip(first) {
            if *count == 0 {
                if !skips {
                    self.line.right(CELL, Paint::Faint, "...");
                    self.line.flush_aligned(self.out, self.style);
                }
                skips = true;
                continue;
            }
            skips = false;
            let (lower_ns, upper_ns) = edges_ns(bucket);
            self.line.right(CELL, Paint::Plain, edge(Some(lower_ns)));
            self.line.right(CELL, Paint::Plain, edge(upper_ns));
            self.line.right(counts, Paint::Plain, Count(*count));
            let share = Share { part: *count, whole: distribution.count() };
            self.line.right(CELL, Paint::Plain, share);
            let bar = bar(*count, largest, bars);
            if !bar.is_empty() {
                self.line.word(Paint::Good, bar);
            }
            self.line.flush_aligned(self.out, self.style);
        }
    }
}

/// As long as the count is to the largest; something is never nothing.
fn bar(count: u64, largest: u64, width: usize) -> String {
    let full = u128::from(largest.max(1));
    let eighths = (u128::from(count) * width as u128 * 8 + full / 2) / full;
    let eighths = usize::try_from(eighths).unwrap_or(0).max(usize::from(count > 0));
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(EIGHTHS.get(eighths % 8).filter(|_| eighths % 8 > 0));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_end_within_their_width() {
        for (count, largest, text) in
            [(0, 9, ""), (1, 1_000_000, "▏"), (1, 2, "██"), (9, 16, "██▎"), (u64::MAX, u64::MAX, "████")]
        {
            assert_eq!(bar(count, largest, 4), text);
        }
    }
}
