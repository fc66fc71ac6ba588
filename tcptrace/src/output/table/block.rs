//! What the blocks of `stuck` and `leaks` have in common: a title, and lines that begin with a name.

use std::net::IpAddr;

use super::census::{AGE, Age, Count, fit_ends, local, shape};
use super::layout::{Layout, Shape};
use super::line::Line;
use super::paint::Paint;
use crate::model::{AGE_BUCKETS, Finding, Holder, Listed, ShownName};
use crate::output::{Home, Style};

/// Of the names in front of the lines of a block.
const NAME: usize = 9;
/// In front of those.
const INDENT: usize = 1;
const BUCKETS: [&str; AGE_BUCKETS.len()] = ["<1m", "<10m", "<1h", "<1d", ">=1d"];

pub(super) struct Block<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) line: &'a mut Line,
    pub(super) style: Style,
    pub(super) home: Home<'a>,
}

impl Block<'_> {
    pub(super) fn flush(&mut self) {
        self.line.flush(self.out, self.style);
    }

    pub(super) fn indent(&mut self) {
        self.line.left(INDENT, Paint::Plain, "");
    }

    pub(super) fn name(&mut self, name: &str) {
        self.indent();
        self.line.left(NAME, Paint::Faint, name);
    }

    /// Words that a line may be broken between.
    pub(super) fn words(&mut self, paint: Paint, words: &str) {
        words.split(' ').for_each(|word| self.line.word(paint, word));
    }

    /// Where all are in one namespace that is not the own one.
    pub(super) fn netns(&mut self, netns: Option<u32>) {
        if let Some(place) = netns.and_then(|netns| self.home.elsewhere(netns)) {
            self.line.word(Paint::Faint, format_args!("in netns {place}"));
        }
    }

    /// `mptcp`, or how many of several.
    pub(super) fn mptcp(&mut self, count: u64, of: u64, comma: &str) {
        match count {
            0 => {}
            all if all == of => self.line.word(Paint::Plain, format_args!("mptcp{comma}")),
            some => self.line.word(Paint::Plain, format_args!("{some} mptcp{comma}")),
        }
    }

    pub(super) fn oldest(&mut self, ns: u64, is_lower_bound: bool, growth_per_minute: Option<i64>) {
        let comma = if growth_per_minute.is_some() { "," } else { "" };
        self.line.word(Paint::Plain, format_args!("oldest {}{comma}", Age { ns, is_lower_bound }));
        if let Some(growth) = growth_per_minute {
            let paint = if growth > 0 { Paint::Bad } else { Paint::Plain };
            self.line.word(paint, format_args!("{growth:+} a minute"));
        }
    }

    /// Ends the title.
    pub(super) fn cgroup(&mut self, cgroup: &str) {
        if !cgroup.is_empty() {
            self.line.word(Paint::Faint, format_args!(" {}", ShownName(cgroup)));
        }
        self.flush();
    }

    pub(super) fn ages(&mut self, ages: &[u64; AGE_BUCKETS.len()]) {
        self.list("age", BUCKETS.iter().zip(ages).filter(|(_, count)| **count > 0));
    }

    pub(super) fn remotes(&mut self, remotes: &[(IpAddr, u64)], total: u64) {
        let others = total.saturating_sub(remotes.len() as u64);
        self.name("remote");
        for (place, (addr, count)) in remotes.iter().enumerate() {
            let comma = if place + 1 < remotes.len() || others > 0 { "," } else { "" };
            self.line.word(Paint::Plain, format_args!("{addr} ({count}){comma}"));
        }
        if others > 0 {
            self.line.word(Paint::Plain, format_args!("and {}", Count(others, "other")));
        }
        self.flush();
    }

    pub(super) fn shared(&mut self, with: &[Holder]) {
        if !with.is_empty() {
            self.name("shared");
            self.line.word(Paint::Plain, "with");
            for Holder { comm, pid, .. } in with {
                self.line.word(Paint::Plain, format_args!("{}/{pid}", ShownName(comm)));
            }
            self.flush();
        }
    }

    /// Where the columns of single sockets stand: age, then both ends.
    pub(super) fn columns(&self, sockets: &[Listed]) -> Layout {
        let age = Shape { is_right: true, ..shape(INDENT + 1 + AGE) };
        let room = self.style.terminal.then_some(self.style.width);
        let mut layout = Layout::new(room, vec![age, shape(0), shape(0)]);
        fit_ends(&mut layout, [1, 2], sockets, self.home.context);
        layout
    }

    /// Begins the line of a single socket.
    pub(super) fn socket(&mut self, paint: Paint, finding: &Finding, layout: &Layout) {
        self.line.column(0, paint, Age::of(finding));
        self.line.column(1, Paint::Plain, local(finding, self.home.context));
        self.line.column(2, Paint::Plain, finding.socket.remote);
        self.line.text_at(layout.text());
    }

    /// Ends it; its namespace is named where the title does not.
    pub(super) fn end_socket(&mut self, finding: &Finding, of_title: Option<u32>, layout: &Layout) {
        let place = self.home.elsewhere(finding.socket.netns).filter(|_| of_title.is_none());
        if let Some(place) = place {
            self.line.word(Paint::Faint, format_args!("netns {place}"));
        }
        self.line.flush_into(self.out, self.style.colour, layout);
    }

    pub(super) fn advice(&mut self, advice: &str) {
        self.name("advice");
        self.words(Paint::Plain, advice);
        self.flush();
    }

    pub(super) fn list<'a>(&mut self, name: &str, counts: impl Iterator<Item = (&'a &'a str, &'a u64)>) {
        self.name(name);
        let mut counts = counts.peekable();
        while let Some((word, count)) = counts.next() {
            let comma = if counts.peek().is_some() { "," } else { "" };
            self.line.word(Paint::Plain, format_args!("{word} {count}{comma}"));
        }
        self.flush();
    }
}
