//! `tcptrace hist`: for each duration its quantiles, split by keys, and how it is distributed.
//!
//! ```text
//! close 5,000 closes, 500/s, 03:04:00 to 03:04:10 UTC
//! PROCESS CLOSES PER_S    P50    P90    P99  P99.9    MAX 10.0us                1.00s
//! nginx    4,000   400 1.02ms 2.10ms 9.80ms  110ms  210ms        ▁▂▅█▇▃▁
//! ```

mod chart;
pub(super) mod heat;
mod keys;
mod picture;
mod rows;

use super::line::Line;
use super::paint::Paint;
use crate::output::Style;
use crate::output::units::{Bytes, Count, DurationNs, PerSecond};
use crate::report::Distribution;
use crate::report::histogram::{Memory, Of, SpanKind, Split, View};

/// What a duration takes, and what a share takes.
const CELL: usize = 6;

/// Where histograms are drawn. No line is longer than its width, in files, too: they are pictures.
pub(super) struct Page<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) line: &'a mut Line,
    pub(super) style: Style,
}

impl Page<'_> {
    /// Appends a block for each duration, and what is to be known about all of them below the total. The times are
    /// those of the view.
    pub(super) fn view(&mut self, view: &View, from: &str, to: &str) {
        if view.splits.iter().all(|split| split.closes() == 0) {
            let total = if view.span == SpanKind::Total { " in total" } else { "" };
            self.words(Paint::Plain, &format!("no closes{total}, {from} to {to} UTC"));
            self.flush();
            self.lost(view.lost);
            return;
        }
        for (number, split) in view.splits.iter().enumerate() {
            if number > 0 {
                self.out.push(b'\n');
            }
            self.heading(view, split, from, to);
            self.rows(view, split);
            if view.bys.is_empty() {
                self.chart(&split.all);
            }
        }
        self.folded(view);
        if view.span == SpanKind::Total {
            self.notes(view);
        }
    }

    fn heading(&mut self, view: &View, split: &Split, from: &str, to: &str) {
        let closes = split.closes();
        self.line.word(Paint::Strong, split.of);
        let plural = if closes == 1 { "close" } else { "closes" };
        let total = if view.span == SpanKind::Total { " in total" } else { "" };
        let (count, rate) = (Count(closes), PerSecond(closes, view.length_ns()));
        self.words(Paint::Plain, &format!("{count} {plural}{total}, {rate}/s, {from} to {to} UTC"));
        self.flush();
        self.lost(view.lost);
        if view.sample_one_in > 1 {
            let (one_in, error) = (Count(view.sample_one_in), Count(view.count_error(&split.all)));
            let timed = Count(split.all.count());
            let words =
                format!("sampled 1/{one_in}: counts are estimates (±{error} of {timed} with a duration, at 95 %)");
            self.words(Paint::Warning, &words);
            self.flush();
        }
    }

    /// What holds of every table of the run.
    fn notes(&mut self, view: &View) {
        self.out.push(b'\n');
        if view.splits.iter().any(|split| split.without > 0) {
            self.words(Paint::Faint, "UNTIMED: closes that have no such duration, or of which it is not known");
            self.flush();
            if view.splits.iter().any(|split| split.of == Of::Close && split.without > 0) {
                self.words(Paint::Faint, "(close: aborted at once, or only partly seen)");
                self.flush();
            }
        }
        let error = Distribution::ERROR_PERCENT;
        let of = if view.sample_one_in > 1 { "of what was traced: " } else { "" };
        self.words(Paint::Faint, &format!("{of}quantiles are within {error} %, the maximum is exact"));
        self.flush();
        if view.bys.is_empty() {
            return;
        }
        let Memory { keys, bytes, bytes_max, key_bytes_max, .. } = view.memory;
        let plural = if keys == 1 { "key" } else { "keys" };
        let [bytes, bytes_max, each] = [bytes, bytes_max, key_bytes_max].map(Bytes);
        let keys = Count(keys);
        self.words(Paint::Faint, &format!("{keys} {plural}; memory {bytes} of {bytes_max}, at most {each} a key"));
        self.flush();
    }

    /// Rows that are not what they seem say so where they stand.
    fn folded(&mut self, view: &View) {
        let Memory { keys_folded, folded_is_at_least, closes_folded, .. } = view.memory;
        if keys_folded > 0 || folded_is_at_least {
            let least = if folded_is_at_least { "at least " } else { "" };
            let (keys, closes) = (Count(keys_folded), Count(closes_folded));
            let what = format!("FOLDED {least}{keys} keys of {closes} closes into the others: a bound is reached");
            self.words(Paint::Bad, &what);
            self.flush();
        }
        if folded_is_at_least {
            self.words(Paint::Bad, "not all of them are told apart any more: rows may lack closes");
            self.flush();
        }
    }

    /// Says that events of the span were lost.
    fn lost(&mut self, events: u64) {
        if events > 0 {
            let were = if events == 1 { "event was" } else { "events were" };
            let words = format!("LOST {} {were} not seen: closes are missing, or incomplete", Count(events));
            self.words(Paint::Bad, &words);
            self.flush();
        }
    }

    /// Cells of their own, so that a line breaks between them.
    fn words(&mut self, paint: Paint, words: &str) {
        words.split(' ').for_each(|word| self.line.word(paint, word));
    }

    fn flush(&mut self) {
        self.line.flush(self.out, Style { terminal: true, ..self.style });
    }
}

/// `1.00ms`, or `-` where there is no edge.
fn edge(ns: Option<u64>) -> String {
    ns.map_or_else(|| "-".to_owned(), |ns| DurationNs(ns).to_string())
}
