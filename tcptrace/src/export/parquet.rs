//! Apache Parquet, through the column writers of the `parquet` crate.

mod column;

use std::{
    io::{self, Write},
    sync::Arc,
};

use ::parquet::{
    basic::Compression,
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::types::{ColumnPath, Type},
};

use self::column::{Values, column_type, is_repetitive};
use super::{Cell, Column, Origin, SCHEMA};

/// Rows that are kept until they are written as one row group: engines read and skip whole groups, and memory is
/// bounded by one (about 200 bytes a row, and each different text once).
pub(super) const GROUP_ROWS: usize = 65_536;

pub(super) struct Parquet<W: Write + Send> {
    out: SerializedFileWriter<W>,
    columns: Vec<Values>,
    rows: usize,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new<T>(columns: &[Column<T>], out: W) -> io::Result<Self> {
        let types = columns.iter().map(|column| column_type(column).map(Arc::new));
        let fields = types.collect::<Result<Vec<_>, _>>().map_err(io_error)?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build().map_err(io_error)?;
        // What all readers know: Spark, older ones of ClickHouse and others lack encodings of version 2.
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("tcptrace version ", env!("CARGO_PKG_VERSION")).to_owned());
        for column in columns.iter().filter(|column| !is_repetitive(column.kind())) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(column.name()), false);
        }
        let out = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build())).map_err(io_error)?;
        Ok(Self { out, columns: columns.iter().map(Values::new).collect(), rows: 0 })
    }

    pub(super) fn row<'a>(&mut self, cells: impl Iterator<Item = (&'static str, Cell<'a>)>) -> io::Result<()> {
        for (values, (name, cell)) in self.columns.iter_mut().zip(cells) {
            if !values.push(cell) {
                return Err(io::Error::other(format!("the column {name} got a value that is not its own")));
            }
        }
        self.rows += 1;
        if self.rows < GROUP_ROWS { Ok(()) } else { self.group() }
    }

    /// Writes the rows that were kept.
    fn group(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.out.next_row_group().map_err(io_error)?;
        for values in &mut self.columns {
            let Some(mut writer) = group.next_column().map_err(io_error)? else { break };
            values.write(&mut writer).map_err(io_error)?;
            writer.close().map_err(io_error)?;
        }
        group.close().map_err(io_error)?;
        self.rows = 0;
        Ok(())
    }

    pub(super) fn finish(mut self, origins: &[Origin]) -> io::Result<W> {
        self.group()?;
        for (key, value) in metadata(origins) {
            self.out.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        self.out.into_inner().map_err(io_error)
    }
}

/// Hosts and kernels stand in the order of the captures, joined by commas.
fn metadata(origins: &[Origin]) -> [(&'static str, String); 4] {
    let joined = |word: fn(&Origin) -> &str| origins.iter().map(word).collect::<Vec<_>>().join(",");
    [
        ("tcptrace.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("tcptrace.schema", SCHEMA.to_string()),
        ("tcptrace.host", joined(|origin| &origin.host)),
        ("tcptrace.kernel_release", joined(|origin| &origin.kernel_release)),
    ]
}

/// What the sink said, as it said it: a closed pipe must stay one.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        other => io::Error::other(other),
    }
}
