//! One line of cells. Nothing is cut: on a terminal a line is broken between cells.
//!
//! A line of a table has columns, whose places a [`Layout`] knows ([`Line::flush_into`]). Other lines are aligned where
//! there is room, and closer together where there is not.

use std::fmt::{Display, Write as _};

use super::layout::{INDENT, Layout, Place};
use super::paint::Paint;
use crate::output::Style;

/// A line in the making. Widths count characters: a name of wide ones only disturbs the alignment of its line.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: String,
    cells: Vec<Cell>,
    /// Column at which the cell to come should start.
    column: usize,
    /// Column behind the last cell, if the line is not broken.
    end: usize,
    /// Number of the column that words belong to, in a line of a table.
    text_column: usize,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// End of its text in the line's.
    text_end: usize,
    chars: usize,
    /// Spaces in front.
    gap: usize,
    paint: Paint,
    /// Number of its column, in a line of a table.
    column: usize,
    /// One of several there.
    is_word: bool,
}

impl Line {
    /// The cell of a column of a table.
    pub(super) fn column(&mut self, column: usize, paint: Paint, content: impl Display) {
        self.text_column = column;
        self.push(0, false, paint, content);
    }

    /// Words that follow stand at this column of a table, and go on below it.
    pub(super) fn text_at(&mut self, column: usize) {
        self.text_column = column;
    }

    /// How many characters the cell of each column has, but for words.
    pub(super) fn needs(&self, columns: usize) -> impl Iterator<Item = usize> {
        let has = |column: usize| self.cells.iter().find(|cell| cell.column == column && !cell.is_word);
        (0..columns).map(move |column| has(column).map_or(0, |cell| cell.chars))
    }

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
        if let Some(cell) = self.cells.last_mut() {
            cell.is_word = true;
        }
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
        self.cells.push(Cell {
            text_end: self.text.len(),
            chars,
            gap,
            paint,
            column: self.text_column,
            is_word: false,
        });
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
        self.clear();
    }

    fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        (self.column, self.end, self.text_column) = (0, 0, 0);
    }

    /// Appends a line of a table and begins a new one. A cell that is longer than its column runs on, and what stands
    /// behind it goes on in the next line, at its own column; in a file, one space behind. What does not fit between
    /// its column and the right edge stands as far to the left as it must, at another column.
    pub(super) fn flush_into(&mut self, out: &mut Vec<u8>, colour: bool, layout: &Layout) {
        let mut pen = Pen { out, layout, end: 0, band: 0 };
        let mut text_start = 0;
        let mut before = None;
        for cell in &self.cells {
            let place = layout.place(cell.column);
            let follows = before == Some(cell.column);
            pen.move_to(place, cell.chars, follows);
            cell.paint.apply(pen.out, self.text.get(text_start..cell.text_end).unwrap_or_default(), colour);
            pen.end += cell.chars;
            text_start = cell.text_end;
            before = Some(cell.column);
        }
        out.push(b'\n');
        self.clear();
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

/// Where a line of a table is being written.
struct Pen<'a> {
    out: &'a mut Vec<u8>,
    layout: &'a Layout,
    /// Behind what was written last; 0 at the beginning of a line.
    end: usize,
    band: usize,
}

impl Pen<'_> {
    /// Goes to where so many characters of a place should stand; if they follow others of it, one space behind these.
    fn move_to(&mut self, place: Place, chars: usize, follows: bool) {
        let pad = if place.is_right { place.width.saturating_sub(chars) } else { 0 };
        let least = if self.end == 0 { 0 } else { self.end + 1 };
        let wanted = if follows { least } else { place.start + pad };
        let Some(room) = self.layout.room() else {
            return self.space_to(wanted.max(least));
        };
        let is_below = place.band > self.band;
        if !is_below && wanted >= least && wanted + chars <= room {
            return self.space_to(wanted);
        }
        if self.end > 0 {
            self.out.push(b'\n');
            self.end = 0;
        }
        self.band = self.band.max(place.band);
        self.space_to(self.fitting(place, place.start + pad, chars, room));
    }

    /// This start, or that of the nearest column on the left that leaves enough room.
    fn fitting(&self, place: Place, start: usize, chars: usize, room: usize) -> usize {
        if start + chars <= room {
            return start;
        }
        let places = (0..=self.layout.text()).map(|column| self.layout.place(column));
        let others = places.filter(|other| other.band == place.band && other.start < start).map(|other| other.start);
        others.filter(|other| other + chars <= room).max().unwrap_or(0)
    }

    fn space_to(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(b' ', column.saturating_sub(self.end)));
        self.end = self.end.max(column);
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
