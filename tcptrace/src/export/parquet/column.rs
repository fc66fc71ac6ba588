//! One column of a row group.

use std::{borrow::Borrow, collections::HashMap, mem};

use ::parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::writer::SerializedColumnWriter,
    schema::types::Type,
};
use bytes::Bytes;

use super::super::{Cell, Column, Kind, cell::clamped};

/// How a column is called and typed in the file.
pub(super) fn column_type<T>(column: &Column<T>) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.kind() {
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS))),
        Kind::Int64 => (Physical::INT64, Some(LogicalType::integer(64, true))),
        Kind::UInt64 => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Kind::UInt32 => (Physical::INT32, Some(LogicalType::integer(32, false))),
        Kind::UInt16 => (Physical::INT32, Some(LogicalType::integer(16, false))),
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let repetition = if column.is_nullable() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    Type::primitive_type_builder(column.name(), physical).with_logical_type(logical).with_repetition(repetition).build()
}

/// Times, lengths and cookies hardly ever come twice: a dictionary of them is lost work.
pub(super) const fn is_repetitive(kind: Kind) -> bool {
    !matches!(kind, Kind::Time | Kind::Int64 | Kind::UInt64)
}

/// The values of the rows so far, without the nulls, as Parquet wants them.
pub(super) struct Values {
    kind: Kind,
    /// 0 for null, 1 for a value; `None` where there are no nulls.
    levels: Option<Vec<i16>>,
    present: Present,
}

enum Present {
    Longs(Vec<i64>),
    Ints(Vec<i32>),
    Bools(Vec<bool>),
    Texts(Texts),
}

/// Each different text once.
#[derive(Default)]
struct Texts {
    index: HashMap<Bytes, u32>,
    texts: Vec<Bytes>,
    ids: Vec<u32>,
}

impl Values {
    pub(super) fn new<T>(column: &Column<T>) -> Self {
        let present = match column.kind() {
            Kind::Time | Kind::Int64 | Kind::UInt64 => Present::Longs(Vec::new()),
            Kind::UInt32 | Kind::UInt16 => Present::Ints(Vec::new()),
            Kind::Bool => Present::Bools(Vec::new()),
            Kind::Text => Present::Texts(Texts::default()),
        };
        Self { kind: column.kind(), levels: column.is_nullable().then(Vec::new), present }
    }

    /// Takes a cell; says whether it fits the column.
    #[must_use]
    pub(super) fn push(&mut self, cell: Cell<'_>) -> bool {
        if cell == Cell::Null {
            let Some(levels) = &mut self.levels else { return false };
            levels.push(0);
            return true;
        }
        // Unsigned numbers are stored by their bits, which the logical type makes unsigned again.
        match (self.kind, &mut self.present, cell) {
            (Kind::Time, Present::Longs(longs), Cell::Time(value))
            | (Kind::Int64, Present::Longs(longs), Cell::Int64(value)) => longs.push(clamped(value)),
            (Kind::UInt64, Present::Longs(longs), Cell::UInt64(value)) => longs.push(value.cast_signed()),
            (Kind::UInt32, Present::Ints(ints), Cell::UInt32(value)) => ints.push(value.cast_signed()),
            (Kind::UInt16, Present::Ints(ints), Cell::UInt16(value)) => ints.push(i32::from(value)),
            (Kind::Bool, Present::Bools(bools), Cell::Bool(value)) => bools.push(value),
            (Kind::Text, Present::Texts(texts), Cell::Text(text)) => texts.push(text.borrow()),
            _ => return false,
        }
        if let Some(levels) = &mut self.levels {
            levels.push(1);
        }
        true
    }

    /// Writes the column, and forgets it.
    pub(super) fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = self.levels.as_deref();
        match &mut self.present {
            Present::Longs(longs) => {
                writer.typed::<Int64Type>().write_batch(longs, levels, None)?;
                longs.clear();
            }
            Present::Ints(ints) => {
                writer.typed::<Int32Type>().write_batch(ints, levels, None)?;
                ints.clear();
            }
            Present::Bools(bools) => {
                writer.typed::<BoolType>().write_batch(bools, levels, None)?;
                bools.clear();
            }
            Present::Texts(texts) => {
                let all = mem::take(texts).into_values();
                writer.typed::<ByteArrayType>().write_batch(&all, levels, None)?;
            }
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        Ok(())
    }
}

impl Texts {
    fn push(&mut self, text: &str) {
        let id = match self.index.get(text.as_bytes()) {
            Some(id) => *id,
            None => {
                // A group has fewer rows than u32 counts.
                let id = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
                let bytes = Bytes::copy_from_slice(text.as_bytes());
                self.texts.push(bytes.clone());
                self.index.insert(bytes, id);
                id
            }
        };
        self.ids.push(id);
    }

    fn into_values(self) -> Vec<ByteArray> {
        let text = |id: u32| self.texts.get(usize::try_from(id).unwrap_or(usize::MAX)).cloned().unwrap_or_default();
        self.ids.iter().map(|id| ByteArray::from(text(*id))).collect()
    }
}
