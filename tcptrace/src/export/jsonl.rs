//! One flat object a line, with every column in every line.

use std::io::{self, BufWriter, Write};

use serde::ser::{SerializeMap, Serializer};

use super::{Cell, cell::clamped};
use crate::output::{Calendar, Escaping};

pub(super) struct Jsonl<W: Write> {
    out: BufWriter<W>,
    calendar: Calendar,
}

impl<W: Write> Jsonl<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out: BufWriter::new(out), calendar: Calendar::default() }
    }

    pub(super) fn row<'a>(&mut self, cells: impl Iterator<Item = (&'static str, Cell<'a>)>) -> io::Result<()> {
        let mut json = serde_json::Serializer::with_formatter(&mut self.out, Escaping);
        let mut object = json.serialize_map(None)?;
        for (name, cell) in cells {
            match &cell {
                Cell::Null => object.serialize_entry(name, &())?,
                Cell::Time(ns) => {
                    object.serialize_entry(name, self.calendar.stamp(clamped(*ns).unsigned_abs()))?;
                }
                Cell::Int64(value) => object.serialize_entry(name, &clamped(*value))?,
                Cell::UInt64(value) => object.serialize_entry(name, value)?,
                Cell::UInt32(value) => object.serialize_entry(name, value)?,
                Cell::UInt16(value) => object.serialize_entry(name, value)?,
                Cell::Bool(value) => object.serialize_entry(name, value)?,
                Cell::Text(text) => object.serialize_entry(name, text)?,
            }
        }
        object.end()?;
        self.out.write_all(b"\n")
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}
