//! `tcptrace stuck`: a line for each socket, the oldest first.
//!
//! ```text
//!      AGE STATE     LOCAL          REMOTE           HELD BY REASON, WHAT WAITS, WHAT COMES
//!  >=12.3s fin_wait1 10.0.0.1:443   10.9.9.9:51234   orphan  zero_window unsent 2.50MB, next in 3.20s
//! ```

use super::census::{AGE, Age, Count, Held, fit_ends, local, shape, total};
use super::layout::{Layout, Shape};
use super::line::Line;
use super::paint::Paint;
use crate::model::{Diagnosis, Finding, FindingReason, GivesUp, Listed, StuckCause, StuckReport};
use crate::output::{
    Home, Style,
    units::{Bytes, DurationNs},
};
use crate::report::Context;

const STATE: usize = 9;

/// Appends all lines. Nothing but the last one where no socket is stuck.
pub(super) fn rows(out: &mut Vec<u8>, line: &mut Line, style: Style, report: &StuckReport, home: Home<'_>) {
    if !report.sockets.is_empty() {
        let layout = layout(report, style, home.context);
        for (number, title) in ["AGE", "STATE", "LOCAL", "REMOTE", "HELD BY"].into_iter().enumerate() {
            line.column(number, Paint::Strong, title);
        }
        line.text_at(layout.text());
        "REASON, WHAT WAITS, WHAT COMES".split(' ').for_each(|word| line.word(Paint::Strong, word));
        line.flush_into(out, style.colour, &layout);
        for listed in &report.sockets {
            let finding = &listed.finding;
            line.column(0, Paint::Bad, Age::of(finding));
            line.column(1, Paint::Plain, finding.kind.phase().as_str());
            line.column(2, Paint::Plain, local(finding, home.context));
            line.column(3, Paint::Plain, finding.socket.remote);
            line.column(4, Paint::Plain, holder(finding));
            line.text_at(layout.text());
            why(line, listed);
            if let Some(place) = home.elsewhere(finding.socket.netns) {
                line.word(Paint::Faint, format_args!("netns {place}"));
            }
            line.flush_into(out, style.colour, &layout);
        }
        out.push(b'\n');
    }
    let count = Count(report.sockets.len() as u64, "stuck socket");
    total(line, out, style, &count, &report.round);
}

/// Age, state, both ends, and who holds it; what is longest decides, because all are there at once.
fn layout(report: &StuckReport, style: Style, context: &Context) -> Layout {
    let age = Shape { is_right: true, ..shape(AGE) };
    let held = Shape { breaks: true, ..shape("HELD BY".len()) };
    let mut layout = Layout::new(
        style.terminal.then_some(style.width),
        vec![age, shape(STATE), shape("LOCAL".len()), shape("REMOTE".len()), held],
    );
    fit_ends(&mut layout, [2, 3], &report.sockets, context);
    let widest = report.sockets.iter().map(|listed| holder(&listed.finding).chars().count()).max();
    layout.widen(4, widest.unwrap_or(0));
    layout
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
