//! `"type":"summary"`: every word is there, zeros too, so that a reader needs no guards.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::parts::{Named, RetransmitsObject, per_second};
use super::{SCHEMA, failed};
use crate::model::{Books, Comm, PHASES, Phase};
use crate::report::{Quantiles, ReasonCount, Summary};

pub(super) struct Line<'a> {
    pub(super) summary: &'a Summary,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let summary = self.summary;
        let status = &summary.status;
        let latency: Vec<_> =
            summary.latency.iter().map(|(name, quantiles)| (*name, QuantilesObject::from(*quantiles))).collect();
        let open: Vec<_> = PHASES.map(Phase::as_str).into_iter().zip(status.open).collect();
        let mut object = serializer.serialize_struct("Summary", 22)?;
        object.serialize_field("type", "summary")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("duration_ns", &summary.duration_ns)?;
        object.serialize_field("closes", &summary.closes)?;
        object.serialize_field("incomplete", &summary.incomplete)?;
        object.serialize_field("by_role", &Named(&summary.by_role))?;
        object.serialize_field("by_outcome", &Named(&summary.by_outcome))?;
        object.serialize_field("latency_ns", &Named(&latency))?;
        object.serialize_field("fin_retransmits", &RetransmitsObject::from(summary.fin_retransmits))?;
        object.serialize_field("findings", &Named(&summary.findings))?;
        object.serialize_field("open", &Named(&open))?;
        object.serialize_field("events", &EventsObject::from(&status.books))?;
        object.serialize_field("anomalies", &Named(&status.anomalies.named()))?;
        object.serialize_field("looks", &status.looks.map(|looks| looks.named()).as_ref().map(|named| Named(named)))?;
        object.serialize_field("orphans_waiting", &status.orphans_waiting)?;
        object.serialize_field("data_retransmits", &status.data_retransmits)?;
        object.serialize_field("foreign_resets", &status.foreign_resets)?;
        object.serialize_field("sample_one_in", &summary.run.sample_one_in)?;
        object.serialize_field("held_back", &summary.run.held_back)?;
        object.serialize_field("hosts", &summary.run.hosts)?;
        // What few runs have is absent from the others.
        if summary.listener_closed > 0 {
            object.serialize_field("listener_closed", &summary.listener_closed)?;
        }
        if summary.mptcp > 0 {
            object.serialize_field("mptcp", &summary.mptcp)?;
        }
        if let Some(failed) = &summary.failed_connects {
            let rows: Vec<_> = failed.rows.iter().map(failed::Row).collect();
            object.serialize_field("failed_connects", &Named(&failed::named(&failed.counts)))?;
            object.serialize_field("failed_connects_by", &rows)?;
            object.serialize_field("failed_connects_elsewhere", &failed.others)?;
        }
        object.serialize_field("closes_per_second", &per_second(summary.closes, summary.duration_ns))?;
        let reasons: Vec<_> = summary.reasons.iter().map(ReasonObject::from).collect();
        object.serialize_field("reasons", &reasons)?;
        object.end()
    }
}

#[derive(serde::Serialize)]
struct QuantilesObject {
    count: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    max: u64,
}

impl From<Quantiles> for QuantilesObject {
    fn from(of: Quantiles) -> Self {
        Self { count: of.count, p50: of.p50_ns, p90: of.p90_ns, p99: of.p99_ns, max: of.max_ns }
    }
}

#[derive(serde::Serialize)]
struct ReasonObject {
    outcome: &'static str,
    reason: Option<&'static str>,
    closes: u64,
    owners: Vec<OwnerObject>,
    other_owners: u64,
    other_owners_is_lower_bound: bool,
    other_closes: u64,
}

#[derive(serde::Serialize)]
struct OwnerObject {
    comm: Option<String>,
    closes: u64,
}

impl From<&ReasonCount> for ReasonObject {
    fn from(of: &ReasonCount) -> Self {
        let owner = |(comm, closes): &(Option<Comm>, u64)| OwnerObject {
            comm: comm.as_ref().map(ToString::to_string),
            closes: *closes,
        };
        Self {
            outcome: of.outcome,
            reason: of.reason,
            closes: of.closes,
            owners: of.owners.iter().map(owner).collect(),
            other_owners: of.other_owners,
            other_owners_is_lower_bound: of.other_owners_is_at_least,
            other_closes: of.other_closes,
        }
    }
}

#[derive(serde::Serialize)]
struct EventsObject {
    seen: u64,
    delivered: u64,
    lost: u64,
    missed: u64,
    refused: u64,
    balanced: bool,
}

impl From<&Books> for EventsObject {
    fn from(books: &Books) -> Self {
        let Books { seen, delivered, lost, missed, refused, torn: _ } = *books;
        Self { seen, delivered, lost, missed, refused, balanced: books.balanced() }
    }
}
