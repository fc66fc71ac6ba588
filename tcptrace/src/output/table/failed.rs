//! A `connect()` that failed, and the block of a summary that counts them.

use super::columns::Cell;
use super::line::Line;
use super::paint::Paint;
use crate::model::{Comm, ConnectFailure, FailedConnect, ShownComm};
use crate::output::units::DurationNs;
use crate::report::{FailedSummary, FailedTo, FailureCounts};

/// How long it took.
pub(super) fn took(cell: Cell<'_>, failed: &FailedConnect) {
    match failed.took_ns {
        Some(ns) => cell.put(Paint::Plain, DurationNs(ns)),
        None => cell.put(Paint::Faint, "?"),
    }
}

/// Why it failed.
pub(super) fn text(line: &mut Line, failed: &FailedConnect) {
    line.word(Paint::Warning, failed.failure.as_str());
    if failed.failure == ConnectFailure::Other {
        line.word(Paint::Plain, format_args!("errno {}", failed.errno));
    }
    super::close::mptcp(line, failed.mptcp);
}

/// Rows of the block: who, how often, why, to whom.
pub(super) fn rows(summary: &FailedSummary) -> impl Iterator<Item = (String, u64, String)> + '_ {
    let row = |row: &FailedTo| {
        let comm = row.comm.map_or_else(|| "?".to_owned(), |comm: Comm| ShownComm(&comm).to_string());
        (comm, row.total(), format!("to {}: {}", row.remote, words(&row.counts)))
    };
    summary.rows.iter().map(row)
}

/// `refused 3, timed_out 1`, without zeros.
pub(super) fn words(counts: &FailureCounts) -> String {
    let named = ConnectFailure::ALL.into_iter().zip(counts).filter(|(_, count)| **count > 0);
    let words: Vec<String> = named.map(|(failure, count)| format!("{} {count}", failure.as_str())).collect();
    words.join(", ")
}
