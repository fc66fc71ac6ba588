//! The table of finished closes.

use super::{
    Cell, Column, Kind, Row,
    head::{identity, interface, owner},
};
use crate::model::{Close, Phase, Reason};
use crate::report::{Context, histogram::Of};

impl<'a> Row<'a, Close> {
    /// A close of a host.
    #[must_use]
    pub fn close(close: &'a Close, context: &'a Context) -> Self {
        Self::with(close.end_ns, (&close.socket, close.bound_if, close.owner.as_ref()), close, context)
    }
}

/// Its columns.
#[must_use]
pub fn closes() -> Vec<Column<Close>> {
    let how = [
        Column::always("role", Kind::Text, |row: &Row<'_, Close>| Cell::word(row.of.role.as_str())),
        Column::always("outcome", Kind::Text, |row| Cell::word(row.of.outcome.as_str())),
        Column::known("reason", Kind::Text, |row| Cell::text(row.of.reason.map(Reason::as_str))),
    ];
    let columns = identity().into_iter().chain(how).chain(owner()).chain(lengths()).chain(flags()).chain(counts());
    columns.chain(interface()).collect()
}

fn lengths() -> [Column<Close>; 11] {
    [
        Column::known("fin_wait1_ns", Kind::Int64, |row| Cell::int64(row.of.phases.get(Phase::FinWait1))),
        Column::known("fin_wait2_ns", Kind::Int64, |row| Cell::int64(row.of.phases.get(Phase::FinWait2))),
        Column::known("closing_ns", Kind::Int64, |row| Cell::int64(row.of.phases.get(Phase::Closing))),
        Column::known("close_wait_ns", Kind::Int64, |row| Cell::int64(row.of.phases.get(Phase::CloseWait))),
        Column::known("last_ack_ns", Kind::Int64, |row| Cell::int64(row.of.phases.get(Phase::LastAck))),
        Column::known("close_ns", Kind::Int64, |row| Cell::int64(row.of.close_ns)),
        Column::known("network_ns", Kind::Int64, |row| Cell::int64(Of::Network.ns(row.of))),
        Column::known("ack_wait_ns", Kind::Int64, |row| Cell::int64(row.of.ack_wait_ns())),
        Column::known("local_app_ns", Kind::Int64, |row| Cell::int64(row.of.phases.local_app_ns())),
        Column::known("remote_app_ns", Kind::Int64, |row| Cell::int64(row.of.phases.remote_app_ns())),
        Column::known("lifetime_ns", Kind::Int64, |row| Cell::int64(row.of.lifetime_ns)),
    ]
}

fn flags() -> [Column<Close>; 3] {
    [
        Column::always("orphan", Kind::Bool, |row| Cell::Bool(row.of.orphan)),
        Column::known("three_way", Kind::Bool, |row| Cell::bool(row.of.three_way)),
        Column::always("complete", Kind::Bool, |row| Cell::Bool(row.of.complete)),
    ]
}

fn counts() -> [Column<Close>; 8] {
    [
        Column::always("fin_retransmits_tlp", Kind::UInt16, |row| Cell::UInt16(row.of.retransmits.tlp)),
        Column::always("fin_retransmits_rto", Kind::UInt16, |row| Cell::UInt16(row.of.retransmits.rto)),
        Column::always("fin_retransmits_fast", Kind::UInt16, |row| Cell::UInt16(row.of.retransmits.fast)),
        Column::always("fin_retransmits_failed", Kind::UInt16, |row| Cell::UInt16(row.of.retransmits.failed)),
        Column::known("srtt_us", Kind::UInt32, |row| Cell::uint32(row.of.totals.map(|totals| totals.srtt_us))),
        Column::known("bytes_sent", Kind::Int64, |row| Cell::int64(row.of.totals.map(|totals| totals.bytes_sent))),
        Column::known("bytes_received", Kind::Int64, |row| {
            Cell::int64(row.of.totals.map(|totals| totals.bytes_received))
        }),
        Column::always("mptcp", Kind::Bool, |row| Cell::Bool(row.of.mptcp)),
    ]
}
