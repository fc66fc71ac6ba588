//! Where columns stand: one place for each, the same in the heading and in every row below it.
//!
//! A terminal that has no room for one line takes two: its columns are dealt out to bands, which stand below each other
//! in the heading and in each row alike. Files and pipes have one band, whatever its length.

/// Where bands but the first begin: below the owner.
pub(super) const INDENT: usize = 13;

/// What the text behind the last column gets at least: a phase with its duration, `fw1 21.0us`, and some.
const TEXT_MIN: usize = 14;

/// What a column wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) width: usize,
    /// Its text ends at its end.
    pub(super) is_right: bool,
    /// The second band begins here, where one is not enough and it has not begun before.
    pub(super) breaks: bool,
}

/// Where a column stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) band: usize,
    pub(super) start: usize,
    pub(super) width: usize,
    pub(super) is_right: bool,
}

/// The places of all columns, and of the text behind them.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    room: Option<usize>,
    shapes: Vec<Shape>,
    places: Vec<Place>,
}

impl Layout {
    /// For lines of so many characters at most; `None` for lines of any length.
    pub(super) fn new(room: Option<usize>, shapes: Vec<Shape>) -> Self {
        let places = deal(room, &shapes, TEXT_MIN);
        Self { room, shapes, places }
    }

    /// The place of a column; of the text behind all of them for the number behind the last.
    pub(super) fn place(&self, column: usize) -> Place {
        self.places.get(column).copied().unwrap_or_default()
    }

    /// The number of the text behind the columns.
    pub(super) fn text(&self) -> usize {
        self.shapes.len()
    }

    /// How many characters a line may have.
    pub(super) fn room(&self) -> Option<usize> {
        self.room
    }

    /// Gives a column this width, if that costs no row another line. Whether it did.
    pub(super) fn widen(&mut self, column: usize, width: usize) -> bool {
        self.widen_leaving(column, width, TEXT_MIN)
    }

    /// As [`Layout::widen`], if so much is left for the text.
    pub(super) fn widen_leaving(&mut self, column: usize, width: usize, text: usize) -> bool {
        let Some(shape) = self.shapes.get_mut(column).filter(|shape| shape.width < width) else { return false };
        let before = std::mem::replace(&mut shape.width, width);
        let places = deal(self.room, &self.shapes, text);
        let bands = |places: &[Place]| places.last().map_or(0, |place| place.band);
        let is_free = bands(&places) <= bands(&self.places);
        if is_free {
            self.places = places;
        } else if let Some(shape) = self.shapes.get_mut(column) {
            shape.width = before;
        }
        is_free
    }
}

/// Deals columns, and the text behind them, out to bands.
fn deal(room: Option<usize>, shapes: &[Shape], text: usize) -> Vec<Place> {
    let text = Shape { width: text, is_right: false, breaks: false };
    let all = || shapes.iter().copied().chain([text]);
    let length = all().map(|shape| shape.width + 1).sum::<usize>() - 1;
    let is_too_long = |end: usize| room.is_some_and(|room| end > room);
    let (mut band, mut start) = (0, 0);
    let mut places = Vec::with_capacity(shapes.len() + 1);
    for Shape { width, is_right, breaks } in all() {
        let is_first = places.is_empty() || start == INDENT && band > 0;
        if is_too_long(length) && !is_first && (breaks && band == 0 || is_too_long(start + width)) {
            (band, start) = (band + 1, INDENT);
        }
        places.push(Place { band, start, width, is_right });
        start += width + 1;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(widths: &[usize]) -> Vec<Shape> {
        let shape = |(number, width): (usize, &usize)| Shape { width: *width, is_right: false, breaks: number == 3 };
        widths.iter().enumerate().map(shape).collect()
    }

    fn starts(layout: &Layout) -> Vec<(usize, usize)> {
        layout.places.iter().map(|place| (place.band, place.start)).collect()
    }

    #[test]
    fn one_band_where_there_is_room_and_always_in_files() {
        let one = [(0, 0), (0, 13), (0, 30), (0, 47), (0, 55)];
        for room in [None, Some(200), Some(55 + TEXT_MIN)] {
            assert_eq!(starts(&Layout::new(room, shapes(&[12, 16, 16, 7]))), one, "{room:?}");
        }
        let two = [(0, 0), (0, 13), (0, 30), (1, 13), (1, 21)];
        assert_eq!(starts(&Layout::new(Some(54 + TEXT_MIN), shapes(&[12, 16, 16, 7]))), two);
        let three = [(0, 0), (0, 13), (1, 13), (1, 30), (2, 13)];
        assert_eq!(starts(&Layout::new(Some(40), shapes(&[12, 16, 16, 7]))), three);
    }

    #[test]
    fn a_column_grows_as_long_as_that_costs_no_line() {
        let mut layout = Layout::new(Some(80), shapes(&[12, 16, 16, 7]));
        assert!(layout.widen(1, 27) && !layout.widen(1, 28) && !layout.widen(1, 20) && !layout.widen(9, 50));
        assert_eq!(starts(&layout), [(0, 0), (0, 13), (0, 41), (0, 58), (0, 66)]);
        assert_eq!(layout.place(1).width, 27);
        let mut wide = Layout::new(None, shapes(&[12, 16, 16, 7]));
        assert!(wide.widen(1, 500) && !wide.widen_leaving(1, 500, 30));
        let mut roomy = Layout::new(Some(80), shapes(&[12, 16, 16, 7]));
        assert!(!roomy.widen_leaving(1, 21, 30) && roomy.widen_leaving(1, 21, 20));
    }
}
