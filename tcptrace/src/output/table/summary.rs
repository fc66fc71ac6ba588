//! The end of a run, in blocks; what did not happen is left out, what was lost is not.

use std::fmt::Display;

use super::line::Line;
use super::paint::Paint;
use super::{failed, short};
use crate::model::{Books, PHASES, Phase, ShownName};
use crate::output::Style;
use crate::output::units::{Count, DurationNs, PerSecond};
use crate::report::{FailedSummary, Quantiles, ReasonCount, Run, Summary};

const NAME: usize = 18;
const COUNT: usize = 10;
const DURATION: usize = 8;
const REASON: usize = 18;
/// Owners that are named for each reason; JSON has more.
const OWNERS: usize = 3;

/// Appends all blocks. `end_time` is the time of day of the newest input.
pub(super) fn blocks(out: &mut Vec<u8>, summary: &Summary, end_time: &str, style: Style) {
    let mut page = Page { out, line: Line::default(), style };
    let Summary { closes, incomplete, duration_ns, .. } = summary;
    let plural = if *closes == 1 { "close" } else { "closes" };
    page.line.word(Paint::Strong, format_args!("{} {plural}", Count(*closes)));
    let rate = PerSecond(*closes, *duration_ns);
    let during = DurationNs(*duration_ns);
    if *closes > 0 {
        page.line.word(Paint::Plain, format_args!("in {during} ({rate}/s), until {end_time} UTC"));
    } else {
        page.line.word(Paint::Plain, format_args!("in {during}, until {end_time} UTC"));
    }
    if *incomplete > 0 {
        page.line.word(Paint::Warning, format_args!("({} of them incomplete)", Count(*incomplete)));
    }
    page.flush();
    page.run(&summary.run);
    page.counts("role", &summary.by_role);
    page.counts("outcome", &summary.by_outcome);
    page.reasons(&summary.reasons, *closes);
    page.latency(&summary.latency);
    page.blank();
    let open: Vec<_> = PHASES.map(Phase::as_str).into_iter().zip(summary.status.open).collect();
    page.named("still open", &open, Paint::Plain);
    page.named("findings raised", &summary.findings, Paint::Warning);
    let [tlp, rto, fast, failed] = summary.fin_retransmits;
    page.named("fin retransmits", &[("tlp", tlp), ("rto", rto), ("fast", fast), ("failed", failed)], Paint::Plain);
    page.some("listeners closed", summary.listener_closed, "connections reset in their queues");
    page.some("mptcp", summary.mptcp, "closes are of subflows; the connections above are not traced");
    if let Some(failed) = &summary.failed_connects {
        page.failed_connects(failed);
    }
    let status = &summary.status;
    let others = [("data_retransmits", status.data_retransmits), ("foreign_resets", status.foreign_resets)];
    page.named("beside closes", &others, Paint::Plain);
    page.books(&status.books);
    if let Some(looks) = status.looks {
        page.named("looked up", &looks.found(), Paint::Plain);
    }
    page.named("anomalies", &status.anomalies.named(), Paint::Warning);
}

struct Page<'a> {
    out: &'a mut Vec<u8>,
    line: Line,
    style: Style,
}

impl Page<'_> {
    fn flush(&mut self) {
        self.line.flush(self.out, self.style);
    }

    fn blank(&mut self) {
        self.out.push(b'\n');
    }

    fn run(&mut self, run: &Run) {
        if !run.hosts.is_empty() {
            self.line.left(NAME, Paint::Strong, "hosts");
            run.hosts.iter().for_each(|host| self.line.word(Paint::Plain, ShownName(host)));
            self.flush();
        }
        if run.sample_one_in > 1 {
            self.line.left(NAME, Paint::Strong, "sample");
            let n = run.sample_one_in;
            let (least, most) = if run.samples_differ { ("hosts differ, down to ", "up to ") } else { ("", "") };
            let part = format_args!("{least}1/{n} of the sockets: counts of closes are estimates,");
            self.line.word(Paint::Warning, part);
            self.line.word(Paint::Warning, format_args!("each that was seen stands for {most}{n}"));
            self.flush();
        }
        if let Some(lines) = run.held_back.filter(|lines| *lines > 0) {
            self.line.left(NAME, Paint::Strong, "held back");
            self.line.word(Paint::Warning, format_args!("{} lines by --max-rate; they are counted here", Count(lines)));
            self.flush();
        }
    }

    /// A block of names and numbers, each with its share.
    fn counts(&mut self, title: &str, counts: &[(&'static str, u64)]) {
        let total: u64 = counts.iter().map(|(_, count)| count).sum();
        if total == 0 {
            return;
        }
        self.blank();
        self.line.left(NAME, Paint::Strong, title);
        self.line.right(COUNT, Paint::Strong, "closes");
        self.line.right(DURATION, Paint::Strong, "share");
        self.flush();
        for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
            self.line.left(NAME, Paint::Plain, name);
            self.line.right(COUNT, Paint::Plain, Count(*count));
            self.line.right(DURATION, Paint::Plain, Share { part: *count, whole: total });
            self.flush();
        }
    }

    /// Closes that did not end with both FINs: why, and whose they were.
    fn reasons(&mut self, reasons: &[ReasonCount], closes: u64) {
        if reasons.is_empty() {
            return;
        }
        self.blank();
        self.line.left(NAME, Paint::Strong, "not by both FINs");
        self.line.right(COUNT, Paint::Strong, "closes");
        self.line.right(DURATION, Paint::Strong, "share");
        self.line.left(REASON, Paint::Strong, "reason");
        self.line.word(Paint::Strong, "owners");
        self.flush();
        for count in reasons {
            self.line.left(NAME, Paint::Plain, count.outcome);
            self.line.right(COUNT, Paint::Plain, Count(count.closes));
            self.line.right(DURATION, Paint::Plain, Share { part: count.closes, whole: closes });
            self.line.left(REASON, Paint::Plain, count.reason.unwrap_or("-"));
            self.owners(count);
            self.flush();
        }
    }

    fn owners(&mut self, of: &ReasonCount) {
        let more = of.owners.iter().skip(OWNERS);
        let closes = more.clone().fold(of.other_closes, |sum, (_, closes)| sum.saturating_add(*closes));
        let names = (more.count() as u64).saturating_add(of.other_owners);
        let mut named = of.owners.iter().take(OWNERS).peekable();
        while let Some((name, closes)) = named.next() {
            let comma = if named.peek().is_some() || names > 0 || of.other_owners_is_at_least { "," } else { "" };
            let closes = Count(*closes);
            match name {
                Some(name) => self.line.word(Paint::Plain, format_args!("{name} {closes}{comma}")),
                None => self.line.word(Paint::Faint, format_args!("unknown {closes}{comma}")),
            }
        }
        if names > 0 || of.other_owners_is_at_least {
            let least = if of.other_owners_is_at_least { "more than " } else { "" };
            let (names, closes) = (Count(names), Count(closes));
            self.line.word(Paint::Faint, format_args!("{least}{names} others {closes}"));
        }
    }

    fn latency(&mut self, latency: &[(&'static str, Quantiles)]) {
        if latency.iter().all(|(_, quantiles)| quantiles.count == 0) {
            return;
        }
        self.blank();
        self.line.left(NAME, Paint::Strong, "latency");
        self.line.right(COUNT, Paint::Strong, "count");
        for title in ["p50", "p90", "p99", "max"] {
            self.line.right(DURATION, Paint::Strong, title);
        }
        self.flush();
        for (name, quantiles) in latency.iter().filter(|(_, quantiles)| quantiles.count > 0) {
            let Quantiles { count, p50_ns, p90_ns, p99_ns, max_ns, .. } = *quantiles;
            match PHASES.into_iter().find(|phase| phase.as_str() == *name) {
                Some(phase) => self.line.left(NAME, Paint::Plain, format_args!("{name} ({})", short(phase))),
                None => self.line.left(NAME, Paint::Plain, name),
            }
            self.line.right(COUNT, Paint::Plain, Count(count));
            for ns in [p50_ns, p90_ns, p99_ns, max_ns] {
                self.line.right(DURATION, Paint::Plain, DurationNs(ns));
            }
            self.flush();
        }
    }

    /// `title  name 1, name 2`, without zeros; nothing where all are zero.
    fn named(&mut self, title: &str, counts: &[(&'static str, u64)], paint: Paint) {
        let mut left = counts.iter().filter(|(_, count)| *count > 0).peekable();
        if left.peek().is_none() {
            return;
        }
        self.line.left(NAME, Paint::Strong, title);
        while let Some((name, count)) = left.next() {
            let comma = if left.peek().is_some() { "," } else { "" };
            self.line.word(paint, format_args!("{name} {}{comma}", Count(*count)));
        }
        self.flush();
    }

    /// A count with its meaning; nothing where it is 0.
    fn some(&mut self, title: &str, count: u64, what: &str) {
        if count > 0 {
            self.line.left(NAME, Paint::Strong, title);
            self.line.word(Paint::Plain, format_args!("{count} {what}"));
            self.flush();
        }
    }

    fn failed_connects(&mut self, summary: &FailedSummary) {
        self.blank();
        self.line.left(NAME, Paint::Strong, "failed connects");
        self.line.right(COUNT, Paint::Strong, summary.total());
        if summary.total() > 0 {
            self.line.word(Paint::Plain, format_args!("({})", failed::words(&summary.counts)));
        }
        self.flush();
        for (comm, count, what) in failed::rows(summary) {
            self.line.left(NAME, Paint::Plain, comm);
            self.line.right(COUNT, Paint::Plain, count);
            self.line.word(Paint::Plain, what);
            self.flush();
        }
        if summary.others > 0 {
            self.line.left(NAME, Paint::Faint, "others");
            self.line.right(COUNT, Paint::Plain, summary.others);
            self.flush();
        }
        self.blank();
    }

    fn books(&mut self, books: &Books) {
        let Books { seen, delivered, lost, missed, refused, torn } = *books;
        let events = [seen, delivered, lost, refused].map(Count);
        self.line.left(NAME, Paint::Strong, "events");
        let equals = if seen == delivered.saturating_add(lost).saturating_add(refused) { "=" } else { "!=" };
        self.line.word(
            Paint::Plain,
            format_args!(
                "seen {} {equals} delivered {} + lost {} + refused {}",
                events[0], events[1], events[2], events[3]
            ),
        );
        self.flush();
        if lost > 0 {
            let share = Share { part: lost, whole: seen };
            let what = format_args!("{} events ({share} of seen): closes are missing or incomplete", Count(lost));
            self.trouble("LOST", what);
        }
        if missed > 0 {
            self.trouble("", format_args!("{} of them because the kernel skipped the program", Count(missed)));
        }
        if refused > 0 {
            self.trouble(
                "REFUSED",
                format_args!("{} events could not be decoded: closes are missing or incomplete", Count(refused)),
            );
        }
        if torn {
            self.trouble("TORN", "the capture is damaged or breaks off: closes may be missing or incomplete");
        } else if !books.balanced() {
            self.trouble("UNBALANCED", "events are unaccounted for, or the closing counters are missing");
        }
    }

    fn trouble(&mut self, word: &str, what: impl Display) {
        self.line.left(NAME, Paint::Bad, word);
        self.line.word(Paint::Bad, what);
        self.flush();
    }
}

/// A part in percent: what is more than nothing never prints as nothing, what is less than all never as all.
pub(super) struct Share {
    pub(super) part: u64,
    pub(super) whole: u64,
}

impl Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (part, whole) = (u128::from(self.part), u128::from(self.whole.max(1)));
        match (part * 1_000 + whole / 2) / whole {
            0 if part > 0 => f.write_str("<0.1%"),
            1_000 if part < whole => f.write_str(">99.9%"),
            tenths => write!(f, "{}.{}%", tenths / 10, tenths % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_round_to_nothing_or_all() {
        for (part, whole, text) in [
            (0, 0, "0.0%"),
            (0, 9, "0.0%"),
            (9, 9, "100.0%"),
            (1, 1_000_000, "<0.1%"),
            (999_999, 1_000_000, ">99.9%"),
            (2, 3, "66.7%"),
            (1, 2_000, "0.1%"),
            (u64::MAX, u64::MAX, "100.0%"),
        ] {
            assert_eq!(Share { part, whole }.to_string(), text);
        }
    }
}
