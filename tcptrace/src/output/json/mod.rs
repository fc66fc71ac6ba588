//! One JSON object a line, as docs/json.md promises: fields are added, never changed. No I/O.

mod close;
mod event;
mod finding;
mod parts;
mod summary;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::time::Calendar;
use crate::model::{Close, Event, Finding};
use crate::report::{Context, Summary};
use parts::{Head, Strings};

/// Version of the shape of all objects.
const SCHEMA: u32 = 1;

/// Writes JSON lines; keeps its buffers from line to line.
#[derive(Debug, Default)]
pub(super) struct Json {
    calendar: Calendar,
    strings: Strings,
}

impl Json {
    pub(super) fn close(&mut self, out: &mut Vec<u8>, close: &Close, context: &Context) {
        self.strings.fill(&close.socket, close.owner.as_ref());
        let head = Head {
            kind: "close",
            time: self.calendar.stamp(context.real_ns(close.end_ns)),
            socket: &close.socket,
            strings: &self.strings,
        };
        line(out, &close::Line { head, close, context });
    }

    pub(super) fn finding(&mut self, out: &mut Vec<u8>, finding: &Finding, context: &Context) {
        self.strings.fill(&finding.socket, finding.owner.as_ref());
        let head = Head {
            kind: "finding",
            time: self.calendar.stamp(context.real_ns(finding.time_ns)),
            socket: &finding.socket,
            strings: &self.strings,
        };
        line(out, &finding::Line { head, finding, context });
    }

    pub(super) fn event(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        self.strings.fill(&event.socket, event.owner.as_ref());
        let head = Head {
            kind: event::word(event.kind),
            time: self.calendar.stamp(context.real_ns(event.time_ns)),
            socket: &event.socket,
            strings: &self.strings,
        };
        line(out, &event::Line { head, event, context });
    }
}

pub(super) fn summary(out: &mut Vec<u8>, summary: &Summary) {
    line(out, &summary::Line { summary });
}

/// Neither a `Vec` nor these types can fail; half an object would not be a line, so it would be taken back.
fn line(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, value) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
}
