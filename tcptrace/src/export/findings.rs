//! The table of findings, as they were raised and as they cleared.

use super::{
    Cell, Column, Kind, Row,
    head::{identity, interface, owner},
};
use crate::model::{Diagnosis, Finding, FindingStatus, GivesUp};
use crate::report::Context;

impl<'a> Row<'a, Finding> {
    /// A finding of a host.
    #[must_use]
    pub fn finding(finding: &'a Finding, context: &'a Context) -> Self {
        Self::with(finding.time_ns, (&finding.socket, finding.bound_if, finding.owner.as_ref()), finding, context)
    }

    fn diagnosis<V>(&self, value: impl FnOnce(&Diagnosis) -> Option<V>) -> Option<V> {
        self.of.diagnosis.as_ref().and_then(value)
    }
}

/// Its columns.
#[must_use]
pub fn findings() -> Vec<Column<Finding>> {
    let columns =
        identity().into_iter().chain(owner()).chain(what()).chain(counts()).chain(prospects()).chain(holders());
    columns.chain(interface()).collect()
}

fn what() -> [Column<Finding>; 8] {
    [
        Column::always("kind", Kind::Text, |row| Cell::word(row.of.kind.as_str())),
        Column::always("status", Kind::Text, |row| Cell::word(row.of.status.as_str())),
        Column::known("outcome", Kind::Text, |row| match row.of.status {
            FindingStatus::Ended(outcome) => Cell::word(outcome.as_str()),
            FindingStatus::Raised | FindingStatus::Moved => Cell::Null,
        }),
        Column::always("reason", Kind::Text, |row| Cell::word(row.of.reason.as_str())),
        Column::always("age_ns", Kind::Int64, |row| Cell::Int64(row.of.age_ns)),
        Column::always("age_is_lower_bound", Kind::Bool, |row| Cell::Bool(row.of.age_is_lower_bound)),
        Column::always("may_be_over", Kind::Bool, |row| Cell::Bool(row.of.may_be_over)),
        Column::known("orphan", Kind::Bool, |row| Cell::bool(row.of.orphan)),
    ]
}

fn counts() -> [Column<Finding>; 4] {
    [
        Column::always("fin_retransmits_tlp", Kind::UInt16, |row| Cell::UInt16(row.of.retransmits.tlp)),
        Column::always("fin_retransmits_rto", Kind::UInt16, |row| Cell::UInt16(row.of.retransmits.rto)),
        Column::always("fin_retransmits_fast", Kind::UInt16, |row| Cell::UInt16(row.of.retransmits.fast)),
        Column::always("fin_retransmits_failed", Kind::UInt16, |row| Cell::UInt16(row.of.retransmits.failed)),
    ]
}

fn prospects() -> [Column<Finding>; 5] {
    [
        Column::known("gives_up_in_ns", Kind::Int64, |row| {
            Cell::int64(row.diagnosis(|diagnosis| match diagnosis.gives_up {
                GivesUp::In(ns) => Some(ns),
                GivesUp::Never(_) | GivesUp::Unknown => None,
            }))
        }),
        Column::known("never_gives_up", Kind::Text, |row| {
            Cell::text(row.diagnosis(|diagnosis| match diagnosis.gives_up {
                GivesUp::Never(why) => Some(why.as_str()),
                GivesUp::In(_) | GivesUp::Unknown => None,
            }))
        }),
        Column::known("next_attempt_in_ns", Kind::Int64, |row| {
            Cell::int64(row.diagnosis(|diagnosis| diagnosis.next_attempt_in_ns))
        }),
        Column::known("unsent_bytes", Kind::UInt32, |row| {
            Cell::uint32(row.diagnosis(|diagnosis| diagnosis.unsent_bytes))
        }),
        Column::known("unacked_bytes", Kind::UInt32, |row| {
            Cell::uint32(row.diagnosis(|diagnosis| diagnosis.unacked_bytes))
        }),
    ]
}

fn holders() -> [Column<Finding>; 5] {
    [
        Column::known("holders_total", Kind::UInt32, |row| {
            Cell::uint32(row.of.holders.as_deref().map(|holders| holders.total))
        }),
        Column::known("holders_in_epoll", Kind::Bool, |row| {
            Cell::bool(row.of.holders.as_deref().and_then(|holders| holders.in_epoll))
        }),
        Column::known("holders_partial", Kind::Bool, |row| {
            Cell::bool(row.of.holders.as_deref().map(|holders| holders.partial))
        }),
        // A list does not fit into a flat row: as text, which engines take apart with their JSON functions.
        Column::known("holders", Kind::Text, |row| {
            let list = row.of.holders.as_deref().and_then(|holders| serde_json::to_string(&holders.list).ok());
            list.map_or(Cell::Null, Cell::made)
        }),
        Column::always("mptcp", Kind::Bool, |row| Cell::Bool(row.of.mptcp)),
    ]
}
