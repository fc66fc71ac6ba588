//! `"type":"failed_connect"`, and what a summary says of them.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::object::Object;
use super::parts::Head;
use crate::model::{ConnectFailure, FailedConnect};
use crate::report::{Context, FailedTo, FailureCounts};

pub(super) fn line(out: &mut Vec<u8>, head: &Head<'_>, failed: &FailedConnect, context: &Context) {
    let mut object = Object::begin(out);
    head.fields(&mut object);
    head.origin(&mut object, context);
    object.word("failure", failed.failure.as_str());
    object.number_or_null("errno", Some(failed.errno).filter(|errno| *errno != 0));
    head.owner(&mut object, failed.owner.as_ref(), context);
    object.number_or_null("took_ns", failed.took_ns);
    object.truth_if("mptcp", failed.mptcp);
    object.end();
}

/// Every word with its count, zeros too.
pub(super) fn named(counts: &FailureCounts) -> Vec<(&'static str, u64)> {
    ConnectFailure::ALL.into_iter().map(ConnectFailure::as_str).zip(counts.iter().copied()).collect()
}

/// One process and destination, with the words that it has.
pub(super) struct Row<'a>(pub(super) &'a FailedTo);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.0;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("comm", &row.comm.map(|comm| comm.to_string()))?;
        object.serialize_entry("remote", &row.remote.to_string())?;
        object.serialize_entry("count", &row.total())?;
        for (word, count) in named(&row.counts).into_iter().filter(|(_, count)| *count > 0) {
            object.serialize_entry(word, &count)?;
        }
        object.end()
    }
}
