//! What stands in one column of one row.

use std::borrow::Cow;

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wall-clock time, UTC, to the nanosecond.
    Time,
    /// A length of time or a number of bytes: signed, so that differences of two are what they seem in every engine.
    Int64,
    /// An id that uses all of its bits.
    UInt64,
    /// A number.
    UInt32,
    /// A small number.
    UInt16,
    /// A truth.
    Bool,
    /// UTF-8.
    Text,
}

/// A value, of its column's [`Kind`], or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Not known.
    Null,
    /// Nanoseconds since 1970.
    Time(u64),
    /// See [`Kind::Int64`]; larger ones become the largest.
    Int64(u64),
    /// See [`Kind::UInt64`].
    UInt64(u64),
    /// See [`Kind::UInt32`].
    UInt32(u32),
    /// See [`Kind::UInt16`].
    UInt16(u16),
    /// See [`Kind::Bool`].
    Bool(bool),
    /// See [`Kind::Text`].
    Text(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    pub(super) fn int64(value: Option<u64>) -> Self {
        value.map_or(Self::Null, Self::Int64)
    }

    pub(super) fn uint32(value: Option<u32>) -> Self {
        value.map_or(Self::Null, Self::UInt32)
    }

    pub(super) fn bool(value: Option<bool>) -> Self {
        value.map_or(Self::Null, Self::Bool)
    }

    pub(super) fn word(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }

    pub(super) fn text(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::word)
    }

    pub(super) fn made(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

/// What 63 bits hold: 292 years in nanoseconds. All formats stop there, so that they say the same.
pub(super) fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
