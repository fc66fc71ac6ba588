//! Closes and findings as tables: one schema in Parquet, CSV and flat JSON lines, for whatever reads tables.
//! docs/export.md has the columns.
//!
//! Rows go to any [`Write`] as they come; Parquet keeps one row group of them at most.

mod cell;
mod closes;
mod csv;
mod findings;
mod head;
mod jsonl;
mod parquet;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

pub use cell::{Cell, Kind};
pub use closes::closes;
pub use findings::findings;
pub use head::Row;

/// Version of the columns: it changes when one is renamed, removed, or comes to mean something else.
pub const SCHEMA: u32 = 1;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet, compressed with Snappy.
    Parquet,
    /// RFC 4180 with a header.
    Csv,
    /// One flat JSON object a line.
    Jsonl,
}

/// Says what one column of a table is, and how to get it from a row's `T`.
pub struct Column<T> {
    name: &'static str,
    kind: Kind,
    /// Never null otherwise.
    nullable: bool,
    value: for<'a> fn(&'a Row<'_, T>) -> Cell<'a>,
}

impl<T> Column<T> {
    /// A column that always has a value.
    const fn always(name: &'static str, kind: Kind, value: for<'a> fn(&'a Row<'_, T>) -> Cell<'a>) -> Self {
        Self { name, kind, nullable: false, value }
    }

    /// A column that is null where nothing is known.
    const fn known(name: &'static str, kind: Kind, value: for<'a> fn(&'a Row<'_, T>) -> Cell<'a>) -> Self {
        Self { name, kind, nullable: true, value }
    }

    /// Its name in every format.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What its cells are.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether cells may be null.
    #[must_use]
    pub const fn is_nullable(&self) -> bool {
        self.nullable
    }
}

/// One recording host, for a Parquet file's own description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// `uname -n`; empty where the capture does not tell.
    pub host: String,
    /// `uname -r`, likewise.
    pub kernel_release: String,
}

/// Writes one table.
pub struct Table<T, W: Write + Send> {
    columns: Vec<Column<T>>,
    sink: Sink<W>,
}

enum Sink<W: Write + Send> {
    Parquet(Box<parquet::Parquet<W>>),
    Csv(Box<csv::Csv<W>>),
    Jsonl(jsonl::Jsonl<W>),
}

impl<T, W: Write + Send> Table<T, W> {
    /// Begins a table with these columns.
    ///
    /// # Errors
    /// When its beginning cannot be written.
    pub fn new(columns: Vec<Column<T>>, format: Format, out: W) -> io::Result<Self> {
        let sink = match format {
            Format::Parquet => Sink::Parquet(Box::new(parquet::Parquet::new(&columns, out)?)),
            Format::Csv => Sink::Csv(Box::new(csv::Csv::new(&columns, out)?)),
            Format::Jsonl => Sink::Jsonl(jsonl::Jsonl::new(out)),
        };
        Ok(Self { columns, sink })
    }

    /// A person reads this table on a terminal: no text of it may hold what does not show as itself. JSON has escapes
    /// for that in any case, and Parquet goes to no terminal.
    #[must_use]
    pub fn for_a_terminal(mut self) -> Self {
        if let Sink::Csv(csv) = &mut self.sink {
            csv.for_a_terminal();
        }
        self
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When it, or those before it, cannot be written.
    pub fn row(&mut self, row: &Row<'_, T>) -> io::Result<()> {
        let cells = self.columns.iter().map(|column| (column.name, (column.value)(row)));
        match &mut self.sink {
            Sink::Parquet(parquet) => parquet.row(cells),
            Sink::Csv(csv) => csv.row(cells),
            Sink::Jsonl(jsonl) => jsonl.row(cells),
        }
    }

    /// Writes what is left, and gives back where it went.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self, origins: &[Origin]) -> io::Result<W> {
        match self.sink {
            Sink::Parquet(parquet) => parquet.finish(origins),
            Sink::Csv(csv) => csv.finish(),
            Sink::Jsonl(jsonl) => jsonl.finish(),
        }
    }
}
