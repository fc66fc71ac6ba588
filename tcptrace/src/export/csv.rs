//! RFC 4180: a header, CRLF, quotes where they are needed. Null is an empty field.

use std::io::{self, BufWriter, Write};

use super::{Cell, Column, cell::clamped};
use crate::model::{Shown, is_plain};
use crate::output::Calendar;

pub(super) struct Csv<W: Write> {
    out: csv::Writer<BufWriter<W>>,
    calendar: Calendar,
    digits: itoa::Buffer,
    /// A person reads it: see [`Csv::for_a_terminal`].
    is_shown: bool,
}

impl<W: Write> Csv<W> {
    pub(super) fn new<T>(columns: &[Column<T>], out: W) -> io::Result<Self> {
        let mut builder = csv::WriterBuilder::new();
        builder.terminator(csv::Terminator::CRLF);
        let mut out = builder.from_writer(BufWriter::new(out));
        out.write_record(columns.iter().map(Column::name)).map_err(io_error)?;
        Ok(Self { out, calendar: Calendar::default(), digits: itoa::Buffer::new(), is_shown: false })
    }

    /// From now on, characters that do not show as themselves are replaced. Files get all of them.
    pub(super) fn for_a_terminal(&mut self) {
        self.is_shown = true;
    }

    pub(super) fn row<'a>(&mut self, cells: impl Iterator<Item = (&'static str, Cell<'a>)>) -> io::Result<()> {
        for (_, cell) in cells {
            let shown;
            let field = match &cell {
                Cell::Text(text) if self.is_shown && !is_plain(text) => {
                    shown = Shown(text).to_string();
                    &shown
                }
                Cell::Null => "",
                Cell::Time(ns) => self.calendar.stamp(clamped(*ns).unsigned_abs()),
                Cell::Int64(value) => self.digits.format(clamped(*value)),
                Cell::UInt64(value) => self.digits.format(*value),
                Cell::UInt32(value) => self.digits.format(*value),
                Cell::UInt16(value) => self.digits.format(*value),
                Cell::Bool(true) => "true",
                Cell::Bool(false) => "false",
                Cell::Text(text) => text,
            };
            self.out.write_field(field).map_err(io_error)?;
        }
        self.out.write_record(None::<&[u8]>).map_err(io_error)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        // Its errors are the sink's own; those of `into_inner` come wrapped.
        self.out.flush()?;
        let buffer = self.out.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        buffer.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// The reader of our text counts by its kind of error: a closed pipe must stay one.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
