//! A `connect()` that failed, and the block of a summary that counts them.

use super::line::Line;
use super::paint::Paint;
use crate::model::{Comm, ConnectFailure, FailedConnect};
use crate::output::units::DurationNs;
use crate::report::{FailedSummary, FailedTo, FailureCounts};

/// In place of a role and what follows it.
pub(super) fn cells(line: &mut Line, failed: &FailedConnect, role_width: usize, total_width: usize) {
    line.left(role_width, Paint::Plain, "connect");
    match failed.took_ns {
        Some(ns) => line.right(total_width, Paint::Plain, DurationNs(ns)),
        None => line.right(total_width, Paint::Faint, "?"),
    }
    line.word(Paint::Warning, failed.failure.as_str());
    if failed.failure == ConnectFailure::Other {
        line.word(Paint::Plain, format_args!("errno {}", failed.errno));
    }
    super::close::mptcp(line, failed.mptcp);
}

/// Rows of the block: who, how often, why, to whom.
pub(super) fn rows(summary: &FailedSummary) -> impl Iterator<Item = (String, u64, String)> + '_ {
    let row = |row: &FailedTo| {
        let comm = row.comm.map_or_else(|| "?".to_owned(), |comm: Comm| comm.to_string());
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
