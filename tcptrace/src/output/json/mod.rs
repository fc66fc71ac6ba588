//! One JSON object a line, as docs/json.md promises: fields are added, never changed. No I/O.

mod advice;
mod census;
#[cfg(test)]
mod census_tests;
mod close;
mod event;
mod failed;
mod finding;
mod histogram;
#[cfg(test)]
mod histogram_tests;
mod holders;
mod object;
mod parts;
mod stuck;
mod summary;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;

use super::{AdvicePage, time::Calendar};
use crate::model::{Advice, Close, Closing, Event, FailedConnect, Finding, LeaksReport, Listed, StuckReport};
use crate::report::histogram::View;
use crate::report::{Context, Summary};
use parts::{Head, RetransmitsObject, fill_comm};
pub(crate) use text::{Escaping, to_json};

/// Version of the shape of all objects.
const SCHEMA: u32 = 1;

/// Writes JSON lines; keeps its buffers from line to line.
#[derive(Debug, Default)]
pub(super) struct Json {
    calendar: Calendar,
    comm: String,
}

impl Json {
    pub(super) fn close(&mut self, out: &mut Vec<u8>, close: &Close, context: &Context) {
        fill_comm(&mut self.comm, close.owner.as_ref());
        let head = Head {
            kind: "close",
            time: self.calendar.stamp(context.real_ns(close.end_ns)),
            socket: &close.socket,
            bound_if: close.bound_if,
            comm: &self.comm,
        };
        close::line(out, &head, close, context);
        out.push(b'\n');
    }

    pub(super) fn finding(&mut self, out: &mut Vec<u8>, finding: &Finding, context: &Context) {
        self.finding_with(out, finding, &RetransmitsObject::from(finding.retransmits), None, context);
    }

    fn listed(&mut self, out: &mut Vec<u8>, listed: &Listed, context: &Context) {
        let retransmits = RetransmitsObject::looked_at(listed.fin_rto);
        self.finding_with(out, &listed.finding, &retransmits, listed.closing.as_ref(), context);
    }

    fn finding_with(
        &mut self,
        out: &mut Vec<u8>,
        finding: &Finding,
        retransmits: &RetransmitsObject,
        closing: Option<&Closing>,
        context: &Context,
    ) {
        fill_comm(&mut self.comm, finding.owner.as_ref());
        let head = Head {
            kind: "finding",
            time: self.calendar.stamp(context.real_ns(finding.time_ns)),
            socket: &finding.socket,
            bound_if: finding.bound_if,
            comm: &self.comm,
        };
        finding::line(out, &head, finding, retransmits, closing, context);
        out.push(b'\n');
    }

    pub(super) fn stuck(&mut self, out: &mut Vec<u8>, report: &StuckReport, context: &Context) {
        let time_ns = context.real_ns(report.round.time_ns);
        for group in &report.groups {
            line(out, &stuck::Group { time: self.calendar.stamp(time_ns), group });
        }
        report.oldest_first().into_iter().for_each(|listed| self.listed(out, listed, context));
        line(out, &census::StuckSummary { time: self.calendar.stamp(time_ns), report });
    }

    pub(super) fn leaks(&mut self, out: &mut Vec<u8>, report: &LeaksReport, sockets: bool, context: &Context) {
        let time_ns = context.real_ns(report.round.time_ns);
        for group in &report.groups {
            line(out, &census::Group { time: self.calendar.stamp(time_ns), group, context });
        }
        for group in report.groups.iter().filter(|_| sockets) {
            group.sockets.iter().for_each(|listed| self.listed(out, listed, context));
        }
        line(out, &census::LeaksSummary { time: self.calendar.stamp(time_ns), report });
    }

    pub(super) fn held_back(&mut self, out: &mut Vec<u8>, lines: u64, real_ns: u64) {
        line(out, &HeldBack { kind: "held_back", schema: SCHEMA, time: self.calendar.stamp(real_ns), lines });
    }

    pub(super) fn lost(&mut self, out: &mut Vec<u8>, events: u64, real_ns: u64) {
        line(out, &Lost { kind: "lost", schema: SCHEMA, time: self.calendar.stamp(real_ns), events });
    }

    pub(super) fn histograms(&mut self, out: &mut Vec<u8>, view: &View) {
        let [from, to] = [view.from_ns, view.to_ns].map(|ns| self.calendar.stamp(ns).to_owned());
        let span = histogram::Span { view, from: &from, to: &to };
        span.lines().for_each(|row| line(out, &row));
        line(out, &histogram::End { span });
    }

    pub(super) fn failed_connect(&mut self, out: &mut Vec<u8>, failed: &FailedConnect, context: &Context) {
        fill_comm(&mut self.comm, failed.owner.as_ref());
        let head = Head {
            kind: "failed_connect",
            time: self.calendar.stamp(context.real_ns(failed.time_ns)),
            socket: &failed.socket,
            bound_if: 0,
            comm: &self.comm,
        };
        failed::line(out, &head, failed, context);
        out.push(b'\n');
    }

    pub(super) fn event(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        fill_comm(&mut self.comm, event.owner.as_ref());
        let head = Head {
            kind: event::word(event.kind),
            time: self.calendar.stamp(context.real_ns(event.time_ns)),
            socket: &event.socket,
            bound_if: event.bound_if(),
            comm: &self.comm,
        };
        event::line(out, &head, event, context);
        out.push(b'\n');
    }
}

#[derive(Serialize)]
struct HeldBack<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: u32,
    time: &'a str,
    lines: u64,
}

#[derive(Serialize)]
struct Lost<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: u32,
    time: &'a str,
    events: u64,
}

pub(super) fn advice(out: &mut Vec<u8>, advice: &[Advice], page: AdvicePage<'_>) {
    advice.iter().filter(|one| page.shows(one)).for_each(|one| line(out, &advice::Line::of(one, page)));
}

pub(super) fn summary(out: &mut Vec<u8>, summary: &Summary) {
    line(out, &summary::Line { summary });
}

/// Neither a `Vec` nor these types can fail; half an object would not be a line, so it would be taken back.
fn line(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    match to_json(&mut *out, value) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
}
