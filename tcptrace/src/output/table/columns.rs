//! The columns of lines of closes, findings and events: their list, and what each says of a row.
//!
//! Another column is another entry of [`ALL`]: its title, its widths, when it is shown, and how it gets its text.
//! Columns stand in the order of the list, in front of outcome and phases.

use std::fmt::Display;

use super::close;
use super::failed;
use super::layout::{Layout, Shape};
use super::line::Line;
use super::paint::Paint;
use crate::model::{Close, Event, FailedConnect, Finding, Identity, Owner, ShownComm, ShownName};
use crate::output::Style;
use crate::report::Context;

/// What one line is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum What<'a> {
    Close(&'a Close),
    FailedConnect(&'a FailedConnect),
    Finding(&'a Finding),
    Event(&'a Event),
}

/// All that columns can tell of a line.
pub(super) struct Row<'a> {
    pub(super) context: &'a Context,
    /// Time of day.
    pub(super) time: &'a str,
    pub(super) socket: &'a Identity,
    pub(super) owner: Option<&'a Owner>,
    pub(super) what: What<'a>,
}

impl Row<'_> {
    /// Of events, only transitions tell.
    fn bound_if(&self) -> u32 {
        match self.what {
            What::Close(close) => close.bound_if,
            What::FailedConnect(_) => 0,
            What::Finding(finding) => finding.bound_if,
            What::Event(event) => event.bound_if(),
        }
    }
}

/// Where a column writes its text of a row, once at most.
pub(super) struct Cell<'a> {
    line: &'a mut Line,
    column: usize,
}

impl Cell<'_> {
    pub(super) fn put(self, paint: Paint, content: impl Display) {
        self.line.column(self.column, paint, content);
    }
}

/// Which runs show a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// Those of several hosts.
    Hosts,
}

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    title: &'static str,
    when: When,
    /// Its widths: it starts with one of the first, and grows when a row needs more.
    widths: &'static [usize],
    /// What nearly all rows need, and what all but addresses need: a wide terminal has room for it from the start.
    usual: [usize; 2],
    is_right: bool,
    /// A second line begins with it on a narrow terminal; so does the text of findings and events.
    pub(super) breaks: bool,
    cell: fn(&Row<'_>, Cell<'_>),
}

/// All columns there are.
static ALL: [Column; 7] = [TIME, HOST, OWNER, LOCAL, REMOTE, ROLE, TOTAL];

/// Those of a run.
pub(super) fn shown(several_hosts: bool) -> Vec<&'static Column> {
    let is_shown = |column: &&Column| column.when == When::Always || several_hosts;
    ALL.iter().filter(is_shown).collect()
}

/// What stands behind all columns.
const TEXT_TITLE: &str = "OUTCOME, PHASES";

/// The same where the terminal has no room for it.
const TEXT_TITLE_SHORT: &str = "OUTCOME";

/// What is left for outcome and phases before columns get each of their usual widths on a terminal: two phases, and
/// some words more.
const TEXT_ROOMY: [usize; 2] = [30, 50];

/// Addresses with their ports: short ones, the longest of IPv4, and steps up to the longest of IPv6 (47), without a
/// zone and with one.
const ENDS: &[usize] = &[15, 18, 21, 26, 32, 39, 47, 63];

const TIME: Column = Column {
    title: "TIME (UTC)",
    when: When::Always,
    widths: &[12],
    usual: [12, 12],
    is_right: false,
    breaks: false,
    cell: |row, cell| cell.put(Paint::Faint, row.time),
};

const HOST: Column = Column {
    title: "HOST",
    when: When::Hosts,
    widths: &[8, 16, 32],
    usual: [8, 16],
    cell: |row, cell| cell.put(Paint::Plain, ShownName(row.context.shown_host().unwrap_or_default())),
    ..TIME
};

const OWNER: Column = Column {
    title: "OWNER",
    widths: &[13, 14, 15, 16, 19, 23],
    usual: [16, 23],
    cell: |row, cell| match row.owner {
        Some(owner) => cell.put(Paint::Plain, format_args!("{}/{}", ShownComm(&owner.comm), owner.pid)),
        None => cell.put(Paint::Plain, "-"),
    },
    ..TIME
};

const LOCAL: Column = Column {
    title: "LOCAL",
    widths: ENDS,
    usual: [21, 21],
    cell: |row, cell| {
        let Identity { local, netns, .. } = *row.socket;
        cell.put(Paint::Plain, row.context.zoned(local, netns, row.bound_if()));
    },
    ..TIME
};

const REMOTE: Column = Column { title: "REMOTE", cell: |row, cell| cell.put(Paint::Plain, row.socket.remote), ..LOCAL };

const ROLE: Column = Column {
    title: "ROLE",
    widths: &[7, 12],
    usual: [12, 12],
    breaks: true,
    cell: |row, cell| match row.what {
        What::Close(close) => cell.put(Paint::Plain, close.role.as_str()),
        What::FailedConnect(_) => cell.put(Paint::Plain, "connect"),
        What::Finding(_) | What::Event(_) => {}
    },
    ..TIME
};

/// As wide as a duration.
const TOTAL: Column = Column {
    title: "TOTAL",
    widths: &[6],
    usual: [6, 6],
    is_right: true,
    cell: |row, cell| match row.what {
        What::Close(close) => close::total(cell, close),
        What::FailedConnect(failed) => failed::took(cell, failed),
        What::Finding(_) | What::Event(_) => {}
    },
    ..TIME
};

/// The width that a column needs for so many characters, as far as it goes.
fn width_for(column: &Column, chars: usize) -> usize {
    column.widths.iter().copied().find(|width| *width >= chars).or(column.widths.last().copied()).unwrap_or(0)
}

/// Fills a line with the columns of a row.
pub(super) fn fill(columns: &[&Column], line: &mut Line, row: &Row<'_>) {
    for (number, column) in columns.iter().enumerate() {
        (column.cell)(row, Cell { line, column: number });
    }
}

/// Fills a line with the titles.
pub(super) fn titles(columns: &[&Column], line: &mut Line, layout: &Layout) {
    for (number, column) in columns.iter().enumerate() {
        line.column(number, Paint::Strong, column.title);
    }
    line.text_at(columns.len());
    let end = layout.place(columns.len()).start + TEXT_TITLE.len();
    let fits = layout.room().is_none_or(|room| end <= room);
    line.word(Paint::Strong, if fits { TEXT_TITLE } else { TEXT_TITLE_SHORT });
}

/// Where the columns stand before anything was seen.
pub(super) fn layout(columns: &[&Column], style: Style) -> Layout {
    let room = style.terminal.then_some(style.width);
    let shape = |column: &&Column| Shape {
        width: column.widths.first().copied().unwrap_or(0),
        is_right: column.is_right,
        breaks: column.breaks,
    };
    let mut layout = Layout::new(room, columns.iter().map(shape).collect());
    let usual: [fn(&Column) -> usize; 2] = [|column| column.usual[0], |column| column.usual[1]];
    for (usual, text) in usual.into_iter().zip(TEXT_ROOMY).take(if style.terminal { 2 } else { 1 }) {
        for (number, column) in columns.iter().enumerate() {
            layout.widen_leaving(number, usual(column), text);
        }
    }
    layout
}

/// Widens the columns that are too narrow for so many characters. Whether any was.
pub(super) fn grow(columns: &[&Column], layout: &mut Layout, needs: impl Iterator<Item = usize>) -> bool {
    let mut moved = false;
    for (number, (column, chars)) in columns.iter().zip(needs).enumerate() {
        if chars > layout.place(number).width {
            moved |= layout.widen(number, width_for(column, chars));
        }
    }
    moved
}
