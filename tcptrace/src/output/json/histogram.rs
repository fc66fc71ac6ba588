//! `"type":"histogram"`, a line for each duration and key, and `"histograms"`, which ends a span of time.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use super::{SCHEMA, parts::per_second};
use crate::report::Distribution;
use crate::report::histogram::{By, KeyValue, Of, Remainder, View};

/// A span of time, and its times as text.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) view: &'a View,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl<'a> Span<'a> {
    pub(super) fn lines(self) -> impl Iterator<Item = Line<'a>> {
        self.view.splits.iter().flat_map(move |split| {
            let rows = split.rows.iter().map(move |row| Line {
                span: self,
                of: split.of,
                key: &row.key,
                remainder: None,
                distribution: &row.distribution,
                without: row.without,
            });
            let rest = split.remainder.iter().map(move |rest| Line {
                span: self,
                of: split.of,
                key: &[],
                remainder: Some(rest),
                distribution: &rest.distribution,
                without: rest.without,
            });
            rows.chain(rest)
        })
    }
}

pub(super) struct Line<'a> {
    span: Span<'a>,
    of: Of,
    key: &'a [KeyValue],
    remainder: Option<&'a Remainder>,
    distribution: &'a Distribution,
    without: u64,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Span { view, from, to } = self.span;
        let quantiles = self.distribution.quantiles();
        let mut object = serializer.serialize_struct("Histogram", 22)?;
        object.serialize_field("type", "histogram")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("of", self.of.as_str())?;
        object.serialize_field("key", &Key { bys: &view.bys, values: self.key })?;
        object.serialize_field("count", &quantiles.count)?;
        object.serialize_field("p50_ns", &quantiles.p50_ns)?;
        object.serialize_field("p90_ns", &quantiles.p90_ns)?;
        object.serialize_field("p99_ns", &quantiles.p99_ns)?;
        object.serialize_field("p999_ns", &quantiles.p999_ns)?;
        object.serialize_field("max_ns", &quantiles.max_ns)?;
        object.serialize_field("buckets", &Buckets(self.distribution))?;
        object.serialize_field("without", &self.without)?;
        object.serialize_field("span", view.span.as_str())?;
        object.serialize_field("from", from)?;
        object.serialize_field("to", to)?;
        object.serialize_field("remainder", &self.remainder.is_some())?;
        if let Some(remainder) = self.remainder {
            object.serialize_field("keys", &remainder.keys)?;
            object.serialize_field("keys_is_lower_bound", &remainder.is_at_least)?;
        }
        object.serialize_field("sample_one_in", &view.sample_one_in)?;
        object.serialize_field("count_error", &view.count_error(self.distribution))?;
        let closes = quantiles.count.saturating_add(self.without);
        object.serialize_field("closes", &closes)?;
        object.serialize_field("closes_per_second", &per_second(closes, view.length_ns()))?;
        object.end()
    }
}

/// `{"process":"nginx","remote_port":443}`; what is not known is null.
struct Key<'a> {
    bys: &'a [By],
    values: &'a [KeyValue],
}

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.values.len()))?;
        for (by, value) in self.bys.iter().zip(self.values) {
            match value {
                KeyValue::Unknown => object.serialize_entry(by.as_str(), &())?,
                KeyValue::Text(text) => object.serialize_entry(by.as_str(), text)?,
                KeyValue::Number(number) => object.serialize_entry(by.as_str(), number)?,
                KeyValue::Netns(inode, name) => {
                    object.serialize_entry(by.as_str(), inode)?;
                    if let Some(name) = name {
                        object.serialize_entry("netns_name", name)?;
                    }
                }
            }
        }
        object.end()
    }
}

struct Buckets<'a>(&'a Distribution);

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for bucket in self.0.buckets() {
            list.serialize_element(&bucket)?;
        }
        list.end()
    }
}

/// The last line of a span: keys and memory.
pub(super) struct End<'a> {
    pub(super) span: Span<'a>,
}

impl Serialize for End<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Span { view, from, to } = self.span;
        let memory = &view.memory;
        let mut object = serializer.serialize_struct("Histograms", 15)?;
        object.serialize_field("type", "histograms")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("span", view.span.as_str())?;
        object.serialize_field("from", from)?;
        object.serialize_field("to", to)?;
        object.serialize_field("keys", &memory.keys)?;
        object.serialize_field("keys_folded", &memory.keys_folded)?;
        object.serialize_field("keys_folded_is_lower_bound", &memory.folded_is_at_least)?;
        object.serialize_field("closes_folded", &memory.closes_folded)?;
        object.serialize_field("bytes", &memory.bytes)?;
        object.serialize_field("bytes_max", &memory.bytes_max)?;
        object.serialize_field("key_bytes_max", &memory.key_bytes_max)?;
        object.serialize_field("sample_one_in", &view.sample_one_in)?;
        object.serialize_field("quantile_error_percent", &Distribution::ERROR_PERCENT)?;
        object.serialize_field("lost", &view.lost)?;
        object.end()
    }
}
