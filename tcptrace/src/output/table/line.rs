//! One line of cells: aligned where there is room, closer together where there is not, and on a terminal broken
//! between cells where even that does not help. Nothing is cut.

use std::fmt::{Display, Write as _};

use super::paint::Paint;
use crate::output::Style;

/// Where the second part of a broken line begins: below the owner.
const INDENT: usize = 13;

/// A line in the making. Widths count characters: a name of wide ones only disturbs the alignment of its line.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: String,
    cells: Vec<Cell>,
    /// Column at which the cell to come should start.
    column: usize,
    /// Column behind the last cell, if the line is not broken.
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// End of its text in the line's.
    text_end: usize,
    chars: usize,
    /// Spaces in front.
    gap: usize,
    paint: Paint,
}

impl Line {
    /// A cell that starts at its column, or later where the one before is too long.
    pub(super) fn left(&mut self, width: usize, paint: Paint, content: impl Display) {
        self.push(width, false, paint, content);
    }

    /// A cell that ends at the end of its column, where it can.
    pub(super) fn right(&mut self, width: usize, paint: Paint, content: impl Display) {
        self.push(width, true, paint, content);
    }

    /// A cell without a column of its own: behind the last column, or one space behind the last word.
    pub(super) fn word(&mut self, paint: Paint, content: impl Display) {
        self.push(0, false, paint, content);
        self.column = self.end + 1;
    }

    fn push(&mut self, width: usize, is_right: bool, paint: Paint, content: impl Display) {
        let text_start = self.text.len();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{content}");
        let chars = self.text.get(text_start..).map_or(0, |text| text.chars().count());
        let least_gap = usize::from(!self.cells.is_empty());
        let column = self.column + if is_right { width.saturating_sub(chars) } else { 0 };
        let gap = column.saturating_sub(self.end).max(least_gap);
        self.cells.push(Cell { text_end: self.text.len(), chars, gap, paint });
        self.end += gap + chars;
        self.column += width + 1;
    }

    /// Appends the line and begins a new one.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>, style: Style) {
        let excess = self.end.saturating_sub(style.width);
        let is_broken = !self.close_up(excess) && style.terminal;
        self.write(out, style, is_broken);
    }

    /// As [`Line::flush`], of a line among others that are there at once: its columns stay where they are.
    pub(super) fn flush_aligned(&mut self, out: &mut Vec<u8>, style: Style) {
        self.write(out, style, style.terminal && self.end > style.width);
    }

    fn write(&mut self, out: &mut Vec<u8>, style: Style, is_broken: bool) {
        let mut column = 0;
        let mut text_start = 0;
        for cell in &self.cells {
            if is_broken && column > INDENT && column + cell.gap + cell.chars > style.width {
                out.push(b'\n');
                out.extend(std::iter::repeat_n(b' ', INDENT));
                column = INDENT;
            } else {
                out.extend(std::iter::repeat_n(b' ', cell.gap));
                column += cell.gap;
            }
            cell.paint.apply(out, self.text.get(text_start..cell.text_end).unwrap_or_default(), style.colour);
            column += cell.chars;
            text_start = cell.text_end;
        }
        out.push(b'\n');
        self.text.clear();
        self.cells.clear();
        (self.column, self.end) = (0, 0);
    }

    /// Takes spaces out, from the right, so that the columns on the left stay aligned. False where there are not
    /// enough: then all stay, because the line is too long either way.
    fn close_up(&mut self, mut excess: usize) -> bool {
        let spare: usize = self.cells.iter().map(|cell| cell.gap.saturating_sub(1)).sum();
        if spare < excess {
            return false;
        }
        for cell in self.cells.iter_mut().rev() {
            let taken = cell.gap.saturating_sub(1).min(excess);
            cell.gap -= taken;
            excess -= taken;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(width: usize, build: impl Fn(&mut Line)) -> String {
        let mut line = Line::default();
        let mut out = Vec::new();
        build(&mut line);
        line.flush(&mut out, Style { colour: false, width, terminal: true });
        String::from_utf8(out).unwrap()
    }

    fn three(line: &mut Line) {
        line.left(5, Paint::Plain, "ab");
        line.right(5, Paint::Plain, "cd");
        line.left(3, Paint::Plain, "é");
        line.word(Paint::Plain, "end");
    }

    #[test]
    fn aligned_where_there_is_room() {
        assert_eq!(show(100, three), "ab       cd é   end\n");
        assert_eq!(show(19, three), "ab       cd é   end\n");
    }

    #[test]
    fn closes_up_from_the_right() {
        assert_eq!(show(17, three), "ab       cd é end\n");
        assert_eq!(show(16, three), "ab      cd é end\n");
        assert_eq!(show(11, three), "ab cd é end\n");
    }

    #[test]
    fn columns_stay_where_that_is_wanted() {
        let mut line = Line::default();
        let mut out = Vec::new();
        line.left(5, Paint::Plain, "ab");
        line.right(5, Paint::Plain, "cd");
        line.left(6, Paint::Plain, "efghij");
        line.word(Paint::Plain, "end");
        line.flush_aligned(&mut out, Style { colour: false, width: 20, terminal: true });
        assert_eq!(String::from_utf8(out).unwrap(), "ab       cd efghij\n             end\n");
    }

    #[test]
    fn a_long_cell_takes_the_room_of_the_next() {
        let long = |line: &mut Line| {
            line.left(3, Paint::Plain, "abcde");
            line.left(5, Paint::Plain, "f");
            line.left(1, Paint::Plain, "g");
        };
        assert_eq!(show(100, long), "abcde f   g\n");
    }

    #[test]
    fn breaks_between_cells_and_cuts_nothing() {
        let words = |line: &mut Line| {
            line.left(12, Paint::Plain, "00:00:00.000");
            line.left(10, Paint::Plain, "owner");
            for word in ["one", "two", "[2001:db8:1234:5678::1]:65535", "three"] {
                line.word(Paint::Plain, word);
            }
        };
        let lines = [
            "00:00:00.000 owner",
            "             one two",
            "             [2001:db8:1234:5678::1]:65535",
            "             three",
            "",
        ];
        assert_eq!(show(26, words), lines.join("\n"));
    }

    #[test]
    fn colour_takes_no_room() {
        let mut line = Line::default();
        let mut out = Vec::new();
        line.left(3, Paint::Bad, "x");
        line.left(3, Paint::Plain, "y");
        line.flush(&mut out, Style { colour: true, width: 100, terminal: true });
        assert_eq!(String::from_utf8(out).unwrap(), "\x1b[1;31mx\x1b[0m   y\n");
    }
}
