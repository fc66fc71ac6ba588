//! `tcptrace hist`: for each duration its quantiles, split by keys, and how it is distributed.
//!
//! ```text
//! close 5000 closes, 03:04:00 to 03:04:10 UTC
//! PROCESS COUNT    P50    P90    P99  P99.9    MAX 10.0us                1.00s
//! nginx    4000 1.02ms 2.10ms 9.80ms  110ms  210ms        ▁▂▅█▇▃▁
//! ```

mod chart;
pub(super) mod heat;
mod keys;
mod picture;
mod rows;

use super::line::Line;
use super::paint::Paint;
use crate::output::Style;
use crate::output::units::{Bytes, DurationNs};
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
    /// Appends a block for each duration, and one about the whole. The times are those of the view.
    pub(super) fn view(&mut self, view: &View, from: &str, to: &str) {
        for split in &view.splits {
            self.heading(view, split, from, to);
            if split.all.count() > 0 {
                self.rows(view, split);
                if view.bys.is_empty() {
                    self.chart(&split.all);
                }
            }
            self.without(split);
            self.out.push(b'\n');
        }
        self.memory(view);
    }

    fn heading(&mut self, view: &View, split: &Split, from: &str, to: &str) {
        let count = split.all.count();
        self.line.word(Paint::Strong, split.of);
        let plural = if count == 1 { "close" } else { "closes" };
        let total = if view.span == SpanKind::Total { " in total" } else { "" };
        self.words(Paint::Plain, &format!("{count} {plural}{total}, {from} to {to} UTC"));
        self.flush();
        if view.lost > 0 {
            let were = if view.lost == 1 { "event was" } else { "events were" };
            self.words(Paint::Bad, &format!("LOST {} {were} not seen: closes are missing, or incomplete", view.lost));
            self.flush();
        }
        if view.sample_one_in > 1 {
            let (one_in, error) = (view.sample_one_in, view.count_error(&split.all));
            self.words(
                Paint::Warning,
                &format!("sampled 1/{one_in}: counts are estimates (±{error} of {count} at 95 %)"),
            );
            self.flush();
        }
    }

    /// A histogram that leaves closes out says so.
    fn without(&mut self, split: &Split) {
        let count = split.without;
        if count == 0 {
            return;
        }
        let why = match split.of {
            Of::Close => "without: aborted at once, or not seen whole",
            _ => "without, or with an unknown one",
        };
        self.words(Paint::Faint, &format!("{count} more {why}"));
        self.flush();
    }

    fn memory(&mut self, view: &View) {
        let Memory { keys, keys_folded, folded_is_at_least, closes_folded, bytes, bytes_max, key_bytes_max } =
            view.memory;
        let error = Distribution::ERROR_PERCENT;
        let of = if view.sample_one_in > 1 { "of what was traced: " } else { "" };
        self.words(Paint::Faint, &format!("{of}quantiles are within {error} %, the maximum is exact"));
        self.flush();
        if view.bys.is_empty() {
            return;
        }
        let plural = if keys == 1 { "key" } else { "keys" };
        let [bytes, bytes_max, each] = [bytes, bytes_max, key_bytes_max].map(Bytes);
        self.words(Paint::Faint, &format!("{keys} {plural}; memory {bytes} of {bytes_max}, at most {each} a key"));
        self.flush();
        if keys_folded > 0 || folded_is_at_least {
            let least = if folded_is_at_least { "at least " } else { "" };
            self.words(
                Paint::Bad,
                &format!(
                    "FOLDED {least}{keys_folded} keys of {closes_folded} closes into the others: a bound is reached"
                ),
            );
            self.flush();
        }
        if folded_is_at_least {
            self.words(Paint::Bad, "not all of them are told apart any more: rows may lack closes");
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
