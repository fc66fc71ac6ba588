//! A finished close.

use super::columns::Cell;
use super::line::Line;
use super::paint::Paint;
use super::short;
use crate::model::{Close, Outcome, PHASES, Reason, Retransmits};
use crate::output::Extra;
use crate::output::units::{Bytes, DurationNs};
use crate::report::has_latency;

/// How long it took: `?` where that is not known, `-` where there was nothing to wait for.
pub(super) fn total(cell: Cell<'_>, close: &Close) {
    match close.close_ns {
        _ if close.complete && !has_latency(close) => cell.put(Paint::Faint, "-"),
        Some(ns) => cell.put(Paint::Plain, DurationNs(ns)),
        None => cell.put(Paint::Faint, "?"),
    }
}

/// Outcome with reason, phases, retransmits. What is not known is `?`.
pub(super) fn text(line: &mut Line, close: &Close) {
    outcome(line, close.outcome, close.reason);
    for phase in PHASES {
        if let Some(ns) = close.phases.get(phase) {
            line.word(Paint::Plain, format_args!("{} {}", short(phase), DurationNs(ns)));
        }
    }
    // Without a total, its `?` says it already.
    if !close.complete && close.close_ns.is_some() {
        line.word(Paint::Faint, "incomplete");
    }
    retransmits(line, close.retransmits);
    mptcp(line, close.mptcp);
}

/// A subflow: the connection above it is not seen.
pub(super) fn mptcp(line: &mut Line, mptcp: bool) {
    if mptcp {
        line.word(Paint::Faint, "mptcp");
    }
}

/// A column by choice, behind all that every line has: its word and its value, `?` where that is not known.
pub(super) fn extra(line: &mut Line, close: &Close, extra: Extra) {
    let known = match extra {
        Extra::Lifetime => close.lifetime_ns.map(|ns| DurationNs(ns).to_string()),
        // 0 until the first acknowledgement was measured.
        Extra::Srtt => {
            let us = close.totals.map(|totals| totals.srtt_us).filter(|us| *us > 0);
            us.map(|us| DurationNs(u64::from(us) * 1_000).to_string())
        }
        Extra::BytesSent => close.totals.map(|totals| Bytes(totals.bytes_sent).to_string()),
        Extra::BytesReceived => close.totals.map(|totals| Bytes(totals.bytes_received).to_string()),
    };
    match known {
        Some(value) => line.word(Paint::Plain, format_args!("{} {value}", extra.as_str())),
        None => line.word(Paint::Faint, format_args!("{} ?", extra.as_str())),
    }
}

fn outcome(line: &mut Line, outcome: Outcome, reason: Option<Reason>) {
    let paint = match outcome {
        Outcome::Fin => Paint::Plain,
        Outcome::Unknown => Paint::Faint,
        Outcome::ResetReceived | Outcome::ResetSent | Outcome::Killed => Paint::Warning,
        Outcome::Timeout | Outcome::FinWait2Timeout => Paint::Bad,
    };
    match (outcome, reason) {
        // One word: why it is not known.
        (Outcome::Unknown, Some(reason)) => line.word(paint, format_args!("?{}", reason.as_str())),
        (_, Some(reason)) => {
            line.word(paint, outcome.as_str());
            line.word(paint, reason.as_str());
        }
        (_, None) => line.word(paint, outcome.as_str()),
    }
}

/// Of segments with FIN: those that left, and those that could not.
pub(super) fn retransmits(line: &mut Line, count: Retransmits) {
    if count.sent() > 0 {
        line.word(Paint::Warning, format_args!("fin_rtx {}", count.sent()));
    }
    if count.failed > 0 {
        line.word(Paint::Warning, format_args!("fin_rtx_failed {}", count.failed));
    }
}
