//! `tcptrace leaks`: a block for each group, the largest first.
//!
//! ```text
//! python3/7434  37 leaked, oldest 12.0m, +6 a minute  /system.slice/api.service
//!   cause     eof_seen_not_closed 30, not_polled 7
//!   age       <1m 2, <10m 30, <1h 5
//!   remote    10.0.0.7 (20), 10.0.0.8 (10), 10.0.0.9 (5), and 2 others
//!   advice    ...
//! ```

use std::fmt::Display;

use super::census::{AGE, Age, Count, Held, fit_ends, local, shape, total};
use super::layout::{Layout, Shape};
use super::line::Line;
use super::paint::Paint;
use crate::model::{AGE_BUCKETS, FindingReason, GroupOf, Holder, LeakCause, LeakGroup, LeaksReport, ShownName};
use crate::output::{Home, Style};

/// Of the names in front of the lines of a block.
const NAME: usize = 9;
/// In front of those.
const INDENT: usize = 1;
const BUCKETS: [&str; AGE_BUCKETS.len()] = ["<1m", "<10m", "<1h", "<1d", ">=1d"];

/// Appends all blocks. Nothing but the last line where nothing leaks.
pub(super) fn blocks(
    out: &mut Vec<u8>,
    line: &mut Line,
    style: Style,
    report: &LeaksReport,
    sockets: bool,
    home: Home<'_>,
) {
    let mut page = Page { out, line, style, home };
    for group in &report.groups {
        page.title(group);
        page.lists(group);
        if sockets {
            page.sockets(group);
        }
        page.out.push(b'\n');
    }
    let what =
        format!("{} in {}", Count(report.sockets(), "leaked socket"), Count(report.groups.len() as u64, "group"));
    let what: &dyn Display = if report.groups.is_empty() { &"0 leaked sockets" } else { &what };
    total(page.line, page.out, style, what, &report.round);
}

struct Page<'a> {
    out: &'a mut Vec<u8>,
    line: &'a mut Line,
    style: Style,
    home: Home<'a>,
}

impl Page<'_> {
    fn flush(&mut self) {
        self.line.flush(self.out, self.style);
    }

    fn title(&mut self, group: &LeakGroup) {
        match &group.of {
            GroupOf::Process { pid, comm } => self.line.word(Paint::Strong, format_args!("{}/{pid}", ShownName(comm))),
            GroupOf::Listener { port, .. } => {
                self.line.word(Paint::Strong, format_args!("listener on port {port}"));
                if let Some(Holder { comm, pid, .. }) = group.listener.first() {
                    self.line.word(Paint::Strong, format_args!("of {}/{pid}", ShownName(comm)));
                }
            }
            GroupOf::Unknown => self.line.word(Paint::Strong, "holder unknown"),
        }
        if let Some(place) = group.netns().and_then(|netns| self.home.elsewhere(netns)) {
            self.line.word(Paint::Faint, format_args!("in netns {place}"));
        }
        let oldest = Age { ns: group.oldest_ns, is_lower_bound: group.oldest_is_lower_bound };
        self.line.word(Paint::Warning, format_args!(" {} leaked,", group.count));
        let comma = if group.growth_per_minute.is_some() { "," } else { "" };
        self.line.word(Paint::Plain, format_args!("oldest {oldest}{comma}"));
        if let Some(growth) = group.growth_per_minute {
            let paint = if growth > 0 { Paint::Bad } else { Paint::Plain };
            self.line.word(paint, format_args!("{growth:+} a minute"));
        }
        if !group.cgroup.is_empty() {
            self.line.word(Paint::Faint, format_args!(" {}", ShownName(&group.cgroup)));
        }
        self.flush();
    }

    fn lists(&mut self, group: &LeakGroup) {
        let causes = LeakCause::ALL.map(|cause| FindingReason::Leak(cause).as_str());
        self.list("cause", causes.iter().zip(&group.by_cause).filter(|(_, count)| **count > 0));
        self.list("age", BUCKETS.iter().zip(&group.ages).filter(|(_, count)| **count > 0));
        let others = group.remotes_total.saturating_sub(group.remotes.len() as u64);
        self.name("remote");
        for (place, (addr, count)) in group.remotes.iter().enumerate() {
            let comma = if place + 1 < group.remotes.len() || others > 0 { "," } else { "" };
            self.line.word(Paint::Plain, format_args!("{addr} ({count}){comma}"));
        }
        if others > 0 {
            self.line.word(Paint::Plain, format_args!("and {}", Count(others, "other")));
        }
        self.flush();
        if !group.shared_with.is_empty() {
            self.name("shared");
            self.line.word(Paint::Plain, "with");
            for Holder { comm, pid, .. } in &group.shared_with {
                self.line.word(Paint::Plain, format_args!("{}/{pid}", ShownName(comm)));
            }
            self.flush();
        }
        self.name("advice");
        group.advice.split(' ').for_each(|word| self.line.word(Paint::Plain, word));
        self.flush();
    }

    fn name(&mut self, name: &str) {
        self.line.left(INDENT, Paint::Plain, "");
        self.line.left(NAME, Paint::Faint, name);
    }

    fn list<'a>(&mut self, name: &str, counts: impl Iterator<Item = (&'a &'a str, &'a u64)>) {
        self.name(name);
        let mut counts = counts.peekable();
        while let Some((word, count)) = counts.next() {
            let comma = if counts.peek().is_some() { "," } else { "" };
            self.line.word(Paint::Plain, format_args!("{word} {count}{comma}"));
        }
        self.flush();
    }

    fn sockets(&mut self, group: &LeakGroup) {
        let age = Shape { is_right: true, ..shape(INDENT + 1 + AGE) };
        let room = self.style.terminal.then_some(self.style.width);
        let mut layout = Layout::new(room, vec![age, shape(0), shape(0)]);
        fit_ends(&mut layout, [1, 2], &group.sockets, self.home.context);
        for listed in &group.sockets {
            let finding = &listed.finding;
            self.line.column(0, Paint::Warning, Age::of(finding));
            self.line.column(1, Paint::Plain, local(finding, self.home.context));
            self.line.column(2, Paint::Plain, finding.socket.remote);
            self.line.text_at(layout.text());
            self.line.word(Paint::Plain, finding.reason.as_str());
            if let Some(holders) = finding.holders.as_deref() {
                self.line.word(Paint::Plain, Held(holders));
            }
            // Otherwise it is said above.
            let place = self.home.elsewhere(finding.socket.netns).filter(|_| group.netns().is_none());
            if let Some(place) = place {
                self.line.word(Paint::Faint, format_args!("netns {place}"));
            }
            self.line.flush_into(self.out, self.style.colour, &layout);
        }
    }
}
