//! Lines for people: one for each close, finding and event under one heading, and blocks at the end.
//!
//! ```text
//! TIME (UTC)   OWNER         LOCAL            REMOTE           ROLE     TOTAL OUTCOME, PHASES
//! 03:04:05.678 python3/7434  127.0.0.1:45555  127.0.0.1:49530  active   2.00s fin fw1 21.0us fw2 2.00s
//! ```

mod advice;
mod census;
mod close;
mod event;
mod finding;
mod histogram;
mod leaks;
mod line;
mod paint;
mod stuck;
mod summary;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use super::{AdvicePage, Extra, Style, time::Calendar};
use crate::model::{Advice, Close, Event, Finding, Identity, LeaksReport, Owner, Phase, StuckReport, printable};
use crate::report::histogram::{Heat, View};
use crate::report::{Context, Summary};
use line::Line;
use paint::Paint;

/// Lines from one heading to the next.
const HEADING_EVERY: usize = 40;

/// Holds the longest piece that is never broken, an IPv6 address with its port (47), behind the indent of 13.
const WIDTH_MIN: usize = 60;

/// Shows lines; keeps its buffers from line to line.
#[derive(Debug)]
pub(super) struct Table {
    style: Style,
    columns: Columns,
    calendar: Calendar,
    line: Line,
    lines_below_heading: Option<usize>,
    /// What lines of closes show by choice.
    extras: Vec<Extra>,
}

/// Width of each column where its text is no longer.
#[derive(Clone, Copy, Debug)]
struct Columns {
    owner: usize,
    end: usize,
    role: usize,
}

impl Columns {
    const TIME: usize = 12;
    /// Where there are several.
    const HOST: usize = 8;
    /// What a duration takes.
    const TOTAL: usize = 6;

    /// At 100 columns an ordinary close just fits; a wider line has room for long names and addresses.
    fn new(width: usize) -> Self {
        let spare = width.saturating_sub(100);
        let end = 16 + (spare / 3).min(5);
        let role = 7 + (spare / 6).min(5);
        Self { owner: 13 + spare.saturating_sub(2 * (end - 16) + role - 7).min(10), end, role }
    }
}

impl Table {
    pub(super) fn new(style: Style) -> Self {
        let style = Style { width: style.width.max(WIDTH_MIN), ..style };
        Self {
            style,
            columns: Columns::new(style.width),
            calendar: Calendar::default(),
            line: Line::default(),
            lines_below_heading: None,
            extras: Vec::new(),
        }
    }

    pub(super) fn set_extras(&mut self, extras: &[Extra]) {
        self.extras = extras.to_vec();
    }

    pub(super) fn set_width(&mut self, width: usize) {
        self.style.width = width.max(WIDTH_MIN);
        self.columns = Columns::new(self.style.width);
    }

    pub(super) fn close(&mut self, out: &mut Vec<u8>, close: &Close, context: &Context) {
        self.start(out, context, close.end_ns, &close.socket, close.owner.as_ref());
        close::cells(&mut self.line, close, self.columns.role, Columns::TOTAL);
        self.extras.iter().for_each(|extra| close::extra(&mut self.line, close, *extra));
        self.line.flush(out, self.style);
    }

    pub(super) fn finding(&mut self, out: &mut Vec<u8>, finding: &Finding, context: &Context) {
        self.start(out, context, finding.time_ns, &finding.socket, finding.owner.as_ref());
        finding::cells(&mut self.line, finding);
        self.line.flush(out, self.style);
    }

    pub(super) fn event(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        self.start(out, context, event.time_ns, &event.socket, event.owner.as_ref());
        event::cells(&mut self.line, event);
        self.line.flush(out, self.style);
    }

    pub(super) fn held_back(&mut self, out: &mut Vec<u8>, lines: u64, real_ns: u64) {
        self.line.left(Columns::TIME, Paint::Faint, self.calendar.time_of_day(real_ns));
        let plural = if lines == 1 { "line" } else { "lines" };
        self.line.word(Paint::Warning, format_args!("{lines} {plural} held back (--max-rate)"));
        self.line.flush(out, self.style);
    }

    pub(super) fn summary(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        if self.lines_below_heading.take().is_some() {
            out.push(b'\n');
        }
        summary::blocks(out, summary, self.calendar.time_of_day(summary.status.last_ns), self.style);
    }

    pub(super) fn stuck(&mut self, out: &mut Vec<u8>, report: &StuckReport, own_netns: u32) {
        stuck::rows(out, &mut self.line, self.style, report, own_netns);
    }

    pub(super) fn leaks(&mut self, out: &mut Vec<u8>, report: &LeaksReport, sockets: bool, own_netns: u32) {
        leaks::blocks(out, &mut self.line, self.style, report, sockets, own_netns);
    }

    pub(super) fn advice(&mut self, out: &mut Vec<u8>, advice: &[Advice], page: AdvicePage<'_>) {
        advice::rows(out, self.style, advice, page);
    }

    pub(super) fn histograms(&mut self, out: &mut Vec<u8>, view: &View) {
        self.apart(out);
        let [from, to] = [view.from_ns, view.to_ns].map(|ns| self.second(ns));
        histogram::Page { out, line: &mut self.line, style: self.style }.view(view, &from, &to);
    }

    pub(super) fn heatmap(&mut self, out: &mut Vec<u8>, heat: &Heat) {
        self.apart(out);
        let style = self.style;
        histogram::heat::map(out, style, heat, |ns| self.second(ns));
    }

    /// Whatever stands before this, and whatever follows it, stands apart.
    fn apart(&mut self, out: &mut Vec<u8>) {
        if self.lines_below_heading.replace(0).is_some() {
            out.push(b'\n');
        }
    }

    /// Time of day without a fraction: `03:04:05`.
    fn second(&mut self, real_ns: u64) -> String {
        self.calendar.time_of_day(real_ns).chars().take(8).collect()
    }

    /// The columns that all lines share, below a heading.
    fn start(&mut self, out: &mut Vec<u8>, context: &Context, time_ns: u64, socket: &Identity, owner: Option<&Owner>) {
        self.heading(out, context.shown_host().is_some());
        let Columns { owner: owner_width, end, .. } = self.columns;
        self.line.left(Columns::TIME, Paint::Faint, self.calendar.time_of_day(context.real_ns(time_ns)));
        if let Some(host) = context.shown_host() {
            self.line.left(Columns::HOST, Paint::Plain, Shown(host));
        }
        match owner {
            Some(owner) => {
                self.line.left(owner_width, Paint::Plain, format_args!("{}/{}", owner.comm, owner.pid));
            }
            None => self.line.left(owner_width, Paint::Plain, "-"),
        }
        self.line.left(end, Paint::Plain, socket.local);
        self.line.left(end, Paint::Plain, socket.remote);
    }

    fn heading(&mut self, out: &mut Vec<u8>, hosts: bool) {
        let is_due = match self.lines_below_heading {
            None => true,
            Some(lines) => self.style.terminal && lines >= HEADING_EVERY,
        };
        self.lines_below_heading = Some(if is_due { 1 } else { self.lines_below_heading.unwrap_or(0) + 1 });
        if !is_due {
            return;
        }
        let Columns { owner, end, role } = self.columns;
        self.line.left(Columns::TIME, Paint::Strong, "TIME (UTC)");
        if hosts {
            self.line.left(Columns::HOST, Paint::Strong, "HOST");
        }
        for (width, title) in [(owner, "OWNER"), (end, "LOCAL"), (end, "REMOTE"), (role, "ROLE")] {
            self.line.left(width, Paint::Strong, title);
        }
        self.line.right(Columns::TOTAL, Paint::Strong, "TOTAL");
        self.line.word(Paint::Strong, "OUTCOME, PHASES");
        self.line.flush(out, self.style);
    }
}

/// Short enough for a line; the summary has both names.
const fn short(phase: Phase) -> &'static str {
    match phase {
        Phase::FinWait1 => "fw1",
        Phase::FinWait2 => "fw2",
        Phase::Closing => "cl",
        Phase::CloseWait => "cw",
        Phase::LastAck => "la",
    }
}

/// A name that a capture claims: it must not write escape codes into a reader's terminal.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(printable(c)))
    }
}
