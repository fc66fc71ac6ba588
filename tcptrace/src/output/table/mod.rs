//! Lines for people: one for each close, finding and event under one heading, and blocks at the end.
//!
//! ```text
//! TIME (UTC)   OWNER         LOCAL            REMOTE           ROLE     TOTAL OUTCOME, PHASES
//! 03:04:05.678 python3/7434  127.0.0.1:45555  127.0.0.1:49530  active   2.00s fin fw1 21.0us fw2 2.00s
//! ```

mod advice;
mod block;
mod census;
mod close;
mod columns;
mod event;
mod failed;
mod finding;
mod histogram;
mod layout;
mod leaks;
mod line;
mod paint;
mod stuck;
mod summary;
#[cfg(test)]
mod tests;

use super::{AdvicePage, Extra, Home, Style, time::Calendar};
use crate::model::{Advice, Close, Event, FailedConnect, Finding, Identity, LeaksReport, Owner, Phase, StuckReport};
use crate::output::units::Count;
use crate::report::histogram::{Heat, View};
use crate::report::{Context, Summary};
use columns::{Column, Row, What};
use layout::Layout;
use line::Line;
use paint::Paint;

/// Lines from one heading to the next.
const HEADING_EVERY: usize = 40;

/// Holds the longest piece that is never broken, an IPv6 address with its port (47), behind the indent of 13.
const WIDTH_MIN: usize = 60;

/// A line may tell of a moment that long before the newest, because some ends are found late: it stands below the date
/// of the newest all the same. What is older tells of a clock that was set back.
const LATE_NS: u64 = 60_000_000_000;

const DAY_NS: u64 = 86_400_000_000_000;

/// Shows lines; keeps its buffers from line to line.
#[derive(Debug)]
pub(super) struct Table {
    style: Style,
    columns: Vec<&'static Column>,
    several_hosts: bool,
    layout: Layout,
    /// Characters that each column has needed since the last heading.
    needs: Vec<usize>,
    calendar: Calendar,
    line: Line,
    lines_below_heading: Option<usize>,
    /// The newest moment that a line told, nanoseconds since 1970.
    newest_ns: Option<u64>,
    /// What lines of closes show by choice.
    extras: Vec<Extra>,
}

impl Table {
    pub(super) fn new(style: Style) -> Self {
        let style = Style { width: style.width.max(WIDTH_MIN), ..style };
        let columns = columns::shown(false);
        Self {
            style,
            layout: columns::layout(&columns, style),
            columns,
            several_hosts: false,
            needs: Vec::new(),
            calendar: Calendar::default(),
            line: Line::default(),
            lines_below_heading: None,
            newest_ns: None,
            extras: Vec::new(),
        }
    }

    pub(super) fn set_extras(&mut self, extras: &[Extra]) {
        self.extras = extras.to_vec();
    }

    pub(super) fn set_width(&mut self, width: usize) {
        self.style.width = width.max(WIDTH_MIN);
        self.layout = columns::layout(&self.columns, self.style);
    }

    pub(super) fn close(&mut self, out: &mut Vec<u8>, close: &Close, context: &Context) {
        self.row(out, context, close.end_ns, (&close.socket, close.owner.as_ref()), What::Close(close));
    }

    pub(super) fn finding(&mut self, out: &mut Vec<u8>, finding: &Finding, context: &Context) {
        self.row(out, context, finding.time_ns, (&finding.socket, finding.owner.as_ref()), What::Finding(finding));
    }

    pub(super) fn failed_connect(&mut self, out: &mut Vec<u8>, failed: &FailedConnect, context: &Context) {
        self.row(out, context, failed.time_ns, (&failed.socket, failed.owner.as_ref()), What::FailedConnect(failed));
    }

    pub(super) fn event(&mut self, out: &mut Vec<u8>, event: &Event, context: &Context) {
        self.row(out, context, event.time_ns, (&event.socket, event.owner.as_ref()), What::Event(event));
    }

    pub(super) fn held_back(&mut self, out: &mut Vec<u8>, lines: u64, real_ns: u64) {
        self.date(out, real_ns);
        self.line.word(Paint::Faint, self.calendar.time_of_day(real_ns));
        let plural = if lines == 1 { "line" } else { "lines" };
        self.line.word(Paint::Warning, format_args!("{lines} {plural} held back (--max-rate)"));
        self.line.flush(out, self.style);
    }

    pub(super) fn lost(&mut self, out: &mut Vec<u8>, events: u64, real_ns: u64) {
        self.date(out, real_ns);
        self.line.word(Paint::Faint, self.calendar.time_of_day(real_ns));
        let were = if events == 1 { "event was" } else { "events were" };
        let words = format_args!("{} {were} lost until here: closes may be missing, or incomplete", Count(events));
        self.line.word(Paint::Bad, words);
        self.line.flush(out, self.style);
    }

    pub(super) fn summary(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        if self.lines_below_heading.take().is_some() {
            out.push(b'\n');
        }
        let last_ns = summary.status.last_ns;
        let end = self.moment(last_ns, is_another_day(last_ns.saturating_sub(summary.duration_ns), last_ns), 23);
        summary::blocks(out, summary, &end, self.style);
    }

    pub(super) fn stuck(&mut self, out: &mut Vec<u8>, report: &StuckReport, sockets: bool, home: Home<'_>) {
        stuck::blocks(out, &mut self.line, self.style, report, sockets, home);
    }

    pub(super) fn leaks(&mut self, out: &mut Vec<u8>, report: &LeaksReport, sockets: bool, home: Home<'_>) {
        leaks::blocks(out, &mut self.line, self.style, report, sockets, home);
    }

    pub(super) fn advice(&mut self, out: &mut Vec<u8>, advice: &[Advice], page: AdvicePage<'_>) {
        advice::rows(out, self.style, advice, page);
    }

    pub(super) fn histograms(&mut self, out: &mut Vec<u8>, view: &View) {
        self.apart(out);
        let with_date = is_another_day(view.from_ns, view.to_ns);
        let [from, to] = [view.from_ns, view.to_ns].map(|ns| self.moment(ns, with_date, 19));
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

    /// Time of day, with its date where that is wanted, up to this character of a stamp.
    fn moment(&mut self, real_ns: u64, with_date: bool, end: usize) -> String {
        let stamp = self.calendar.stamp(real_ns);
        let start = if with_date { 0 } else { "0000-00-00T".len() };
        stamp.get(start..end).unwrap_or_default().replace('T', " ")
    }

    /// Time of day without a fraction: `03:04:05`.
    fn second(&mut self, real_ns: u64) -> String {
        self.calendar.time_of_day(real_ns).chars().take(8).collect()
    }

    /// A line of a close, a finding or an event, below a heading.
    fn row(
        &mut self,
        out: &mut Vec<u8>,
        context: &Context,
        time_ns: u64,
        (socket, owner): (&Identity, Option<&Owner>),
        what: What<'_>,
    ) {
        if context.shown_host().is_some() && !self.several_hosts {
            self.several_hosts = true;
            self.columns = columns::shown(true);
            self.needs.clear();
            self.lines_below_heading = None;
        }
        let real_ns = context.real_ns(time_ns);
        let row = Row { context, time: self.calendar.time_of_day(real_ns), socket, owner, what };
        columns::fill(&self.columns, &mut self.line, &row);
        let text = self.layout.text();
        match what {
            What::Close(close) => {
                self.line.text_at(text);
                close::text(&mut self.line, close);
                self.extras.iter().for_each(|extra| close::extra(&mut self.line, close, *extra));
            }
            What::FailedConnect(failed) => {
                self.line.text_at(text);
                failed::text(&mut self.line, failed);
            }
            What::Finding(finding) => {
                self.line.text_at(self.text_of_others());
                finding::text(&mut self.line, finding);
            }
            What::Event(event) => {
                self.line.text_at(self.text_of_others());
                event::text(&mut self.line, event);
            }
        }
        self.heading(out);
        self.date(out, real_ns);
        self.line.flush_into(out, self.style.colour, &self.layout);
    }

    /// Findings and events have one text in place of a role and of what follows it.
    fn text_of_others(&self) -> usize {
        self.columns.iter().position(|column| column.breaks).unwrap_or_else(|| self.layout.text())
    }

    /// Appends a heading where one is due: at the beginning, on a terminal from time to time, and where a column has to
    /// grow for the line that follows, so that all lines stand below their titles.
    fn heading(&mut self, out: &mut Vec<u8>) {
        let is_due = match self.lines_below_heading {
            None => true,
            Some(lines) => self.style.terminal && lines >= HEADING_EVERY,
        };
        if is_due {
            // What the lines of the last page did not need is given back.
            self.layout = columns::layout(&self.columns, self.style);
            columns::grow(&self.columns, &mut self.layout, self.needs.drain(..));
        }
        let needs = || self.line.needs(self.columns.len());
        self.needs.resize(self.columns.len(), 0);
        self.needs.iter_mut().zip(needs()).for_each(|(most, need)| *most = need.max(*most));
        let has_moved = columns::grow(&self.columns, &mut self.layout, needs());
        if !is_due && !has_moved {
            self.lines_below_heading = self.lines_below_heading.map(|lines| lines + 1);
            return;
        }
        self.lines_below_heading = Some(1);
        let mut line = std::mem::take(&mut self.line);
        columns::titles(&self.columns, &mut self.line, &self.layout);
        self.line.flush_into(out, self.style.colour, &self.layout);
        std::mem::swap(&mut line, &mut self.line);
    }

    /// Appends the date where it is another one than that of the line before, or where the clock was set back.
    fn date(&mut self, out: &mut Vec<u8>, real_ns: u64) {
        let Some(newest_ns) = self.newest_ns else {
            self.newest_ns = Some(real_ns);
            return;
        };
        let is_back = newest_ns.saturating_sub(real_ns) > LATE_NS;
        if is_back || is_another_day(newest_ns, real_ns) && real_ns > newest_ns {
            let date = self.calendar.stamp(real_ns).get(..10).unwrap_or_default();
            Paint::Strong.apply(out, &format!("--- {date}"), self.style.colour);
            out.push(b'\n');
        }
        self.newest_ns = Some(if is_back { real_ns } else { newest_ns.max(real_ns) });
    }
}

/// Both nanoseconds since 1970.
const fn is_another_day(one_ns: u64, other_ns: u64) -> bool {
    one_ns / DAY_NS != other_ns / DAY_NS
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
