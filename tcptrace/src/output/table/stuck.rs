//! `tcptrace stuck`: a line for each socket, the oldest first.
//!
//! ```text
//!      AGE STATE     LOCAL          REMOTE           HELD BY REASON, WHAT WAITS, WHAT COMES
//!  >=12.3s fin_wait1 10.0.0.1:443   10.9.9.9:51234   orphan  zero_window unsent 2.50MB, next in 3.20s
//! ```

use super::census::{AGE, Age, Count, Held, ends, total};
use super::line::Line;
use super::paint::Paint;
use crate::model::{Diagnosis, Finding, FindingReason, GivesUp, Listed, StuckCause, StuckReport};
use crate::output::{
    Home, Style,
    units::{Bytes, DurationNs},
};

const STATE: usize = 9;

/// Appends all lines. Nothing but the last one where no socket is stuck.
pub(super) fn rows(out: &mut Vec<u8>, line: &mut Line, style: Style, report: &StuckReport, home: Home<'_>) {
    if !report.sockets.is_empty() {
        let (local, remote) = ends(&report.sockets);
        let widest = report.sockets.iter().map(|listed| holder(&listed.finding).chars().count()).max();
        let held = widest.unwrap_or(0).clamp("HELD BY".len(), 24);
        line.right(AGE, Paint::Strong, "AGE");
        for (width, title) in [(STATE, "STATE"), (local, "LOCAL"), (remote, "REMOTE"), (held, "HELD BY")] {
            line.left(width, Paint::Strong, title);
        }
        line.word(Paint::Strong, "REASON, WHAT WAITS, WHAT COMES");
        line.flush_aligned(out, style);
        for listed in &report.sockets {
            let finding = &listed.finding;
            line.right(AGE, Paint::Bad, Age::of(finding));
            line.left(STATE, Paint::Plain, finding.kind.phase().as_str());
            line.left(local, Paint::Plain, finding.socket.local);
            line.left(remote, Paint::Plain, finding.socket.remote);
            line.left(held, Paint::Plain, holder(finding));
            why(line, listed);
            if let Some(place) = home.elsewhere(finding.socket.netns) {
                line.word(Paint::Faint, format_args!("netns {place}"));
            }
            line.flush_aligned(out, style);
        }
        out.push(b'\n');
    }
    let count = Count(report.sockets.len() as u64, "stuck socket");
    total(line, out, style, &count, &report.round);
}

/// Nobody, somebody, or nobody knows.
fn holder(finding: &Finding) -> String {
    match (finding.orphan, finding.holders.as_deref()) {
        (Some(true), _) => "orphan".to_owned(),
        (_, Some(holders)) => Held(holders).to_string(),
        (_, None) => "?".to_owned(),
    }
}

fn why(line: &mut Line, listed: &Listed) {
    let finding = &listed.finding;
    match finding.reason {
        FindingReason::Stuck(StuckCause::Unknown) => line.word(Paint::Faint, "cause unknown"),
        reason => line.word(Paint::Warning, reason.as_str()),
    }
    if let Some(count) = listed.fin_rto.filter(|count| *count > 0) {
        line.word(Paint::Warning, format_args!("fin_rtx {count}"));
    }
    if let Some(diagnosis) = &finding.diagnosis {
        prospects(line, diagnosis);
    }
}

/// What waits, and what the kernel will do about it.
pub(super) fn prospects(line: &mut Line, diagnosis: &Diagnosis) {
    let Diagnosis { gives_up, next_attempt_in_ns, unsent_bytes, unacked_bytes, .. } = *diagnosis;
    let bytes =
        |word, bytes: Option<u32>| bytes.filter(|bytes| *bytes > 0).map(|n| format!("{word} {}", Bytes(n.into())));
    let end = match gives_up {
        GivesUp::In(ns) => Some(format!("gives up in {}", DurationNs(ns))),
        GivesUp::Never(why) => Some(format!("never gives up: {}", why.as_str())),
        GivesUp::Unknown => None,
    };
    let next = next_attempt_in_ns.map(|ns| format!("next in {}", DurationNs(ns)));
    let words = [bytes("unsent", unsent_bytes), bytes("unacked", unacked_bytes), next, end];
    let mut words = words.iter().flatten().peekable();
    while let Some(word) = words.next() {
        let comma = if words.peek().is_some() { "," } else { "" };
        line.word(Paint::Plain, format_args!("{word}{comma}"));
    }
}
