//! What a reader sees: closes, findings, events and the summary, as a table or as JSON lines.
//!
//! Appends to a buffer that the caller writes out and clears: no I/O here, and in steady state no allocation.

mod extra;
#[cfg(test)]
pub(crate) mod fixtures;
mod json;
mod table;
mod time;
mod units;

use crate::model::{Advice, LeaksReport, Output, StuckReport, Verdict};
use crate::report::histogram::{Heat, View};
use crate::report::{Context, Summary};
pub use extra::Extra;
pub(crate) use json::{Escaping, to_json};
pub(crate) use time::Calendar;

/// `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned lines for people.
    #[default]
    Table,
    /// One JSON object a line.
    Json,
}

/// How a table looks; JSON is the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Escape codes for colour: only for a terminal.
    pub colour: bool,
    /// Columns that a line may fill; at least 60 are used. Tight lines lose their alignment first.
    pub width: usize,
    /// A person watches: what is still too long is broken between words, never cut, and the heading returns every
    /// 40 lines. In files and pipes a close is one line, whatever its length, and there is one heading.
    pub terminal: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, width: 100, terminal: false }
    }
}

/// Turns outputs into text.
#[derive(Debug)]
pub struct Renderer(Kind);

#[derive(Debug)]
enum Kind {
    Table(Box<table::Table>),
    Json(json::Json),
}

impl Renderer {
    /// A renderer that has shown nothing yet.
    #[must_use]
    pub fn new(format: Format, style: Style) -> Self {
        Self(match format {
            Format::Table => Kind::Table(Box::new(table::Table::new(style))),
            Format::Json => Kind::Json(json::Json::default()),
        })
    }

    /// A person reads it: nothing has to be said twice.
    #[must_use]
    pub const fn is_for_people(&self) -> bool {
        matches!(self.0, Kind::Table(_))
    }

    /// Lines of closes show these, too, in this order.
    pub fn set_extras(&mut self, extras: &[Extra]) {
        if let Kind::Table(table) = &mut self.0 {
            table.set_extras(extras);
        }
    }

    /// The reader has another width from now on: columns, as [`Style::width`]. JSON has none.
    pub fn set_width(&mut self, width: usize) {
        if let Kind::Table(table) = &mut self.0 {
            table.set_width(width);
        }
    }

    /// Appends one output.
    pub fn render(&mut self, out: &mut Vec<u8>, output: &Output, context: &Context) {
        match (&mut self.0, output) {
            (Kind::Table(table), Output::Close(close)) => table.close(out, close, context),
            (Kind::Table(table), Output::Finding(finding)) => table.finding(out, finding, context),
            (Kind::Table(table), Output::FailedConnect(failed)) => table.failed_connect(out, failed, context),
            (Kind::Table(table), Output::Event(event)) => table.event(out, event, context),
            (Kind::Json(json), Output::Close(close)) => json.close(out, close, context),
            (Kind::Json(json), Output::Finding(finding)) => json.finding(out, finding, context),
            (Kind::Json(json), Output::FailedConnect(failed)) => json.failed_connect(out, failed, context),
            (Kind::Json(json), Output::Event(event)) => json.event(out, event, context),
        }
    }

    /// Appends the stuck sockets of a round, and with `sockets` each of them; JSON always has them. `own_netns` is the
    /// namespace that goes without saying.
    pub fn stuck(&mut self, out: &mut Vec<u8>, report: &StuckReport, sockets: bool, own_netns: u32, context: &Context) {
        match &mut self.0 {
            Kind::Table(table) => table.stuck(out, report, sockets, Home { own_netns, context }),
            Kind::Json(json) => json.stuck(out, report, context),
        }
    }

    /// Appends the leaks of a round, and with `sockets` each of them.
    pub fn leaks(&mut self, out: &mut Vec<u8>, report: &LeaksReport, sockets: bool, own_netns: u32, context: &Context) {
        match &mut self.0 {
            Kind::Table(table) => table.leaks(out, report, sockets, Home { own_netns, context }),
            Kind::Json(json) => json.leaks(out, report, sockets, context),
        }
    }

    /// Appends what `doctor` says of one host.
    pub fn advice(&mut self, out: &mut Vec<u8>, advice: &[Advice], page: AdvicePage<'_>) {
        match &mut self.0 {
            Kind::Table(table) => table.advice(out, advice, page),
            Kind::Json(_) => json::advice(out, advice, page),
        }
    }

    /// Appends histograms of a span of time.
    pub fn histograms(&mut self, out: &mut Vec<u8>, view: &View) {
        match &mut self.0 {
            Kind::Table(table) => table.histograms(out, view),
            Kind::Json(json) => json.histograms(out, view),
        }
    }

    /// Appends a heat map. In JSON the histograms of the intervals are it.
    pub fn heatmap(&mut self, out: &mut Vec<u8>, heat: &Heat) {
        if let Kind::Table(table) = &mut self.0 {
            table.heatmap(out, heat);
        }
    }

    /// Appends that so many lines are left out here; `real_ns` is the time since 1970.
    pub fn held_back(&mut self, out: &mut Vec<u8>, lines: u64, real_ns: u64) {
        match &mut self.0 {
            Kind::Table(table) => table.held_back(out, lines, real_ns),
            Kind::Json(json) => json.held_back(out, lines, real_ns),
        }
    }

    /// Appends that so many events were lost until here; `real_ns` is the time since 1970.
    pub fn lost(&mut self, out: &mut Vec<u8>, events: u64, real_ns: u64) {
        match &mut self.0 {
            Kind::Table(table) => table.lost(out, events, real_ns),
            Kind::Json(json) => json.lost(out, events, real_ns),
        }
    }

    /// Appends the summary of a run.
    pub fn summary(&mut self, out: &mut Vec<u8>, summary: &Summary) {
        match &mut self.0 {
            Kind::Table(table) => table.summary(out, summary),
            Kind::Json(_) => json::summary(out, summary),
        }
    }
}

/// How the rows of `doctor` are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdvicePage<'a> {
    /// Also the evidence of rows where all is well.
    pub full: bool,
    /// No rows but those that say act or watch.
    pub problems_only: bool,
    /// The namespace that goes without saying.
    pub own_netns: u32,
    /// The host, where there are several.
    pub host: Option<&'a str>,
    /// Names of namespaces.
    pub context: Option<&'a Context>,
}

impl AdvicePage<'_> {
    /// Whether a row is shown.
    pub(crate) const fn shows(&self, advice: &Advice) -> bool {
        !self.problems_only || matches!(advice.verdict, Verdict::Act | Verdict::Watch)
    }

    /// A namespace for people.
    pub(crate) fn netns_in_words(&self, netns: u32) -> String {
        self.context.map_or_else(|| netns.to_string(), |context| context.netns_in_words(netns))
    }
}

/// The namespace that goes without saying, and names of the others.
#[derive(Clone, Copy)]
struct Home<'a> {
    own_netns: u32,
    context: &'a Context,
}

impl Home<'_> {
    /// Another namespace for people; `None` for the own one.
    fn elsewhere(self, netns: u32) -> Option<String> {
        (netns != self.own_netns).then(|| self.context.netns_in_words(netns))
    }
}

/// Appends a line that says when what follows was so.
pub fn clock_line(out: &mut Vec<u8>, real_ns: u64) {
    let mut calendar = time::Calendar::default();
    let (date, rest) = calendar.stamp(real_ns).split_once('T').unwrap_or_default();
    let time = rest.get(..8).unwrap_or_default();
    out.extend_from_slice(format!("--- {date} {time} UTC\n").as_bytes());
}
