//! Latency over time: a column for each piece of time, a line for each coarse bucket, the slow ones at the top.
//!
//! ```text
//! close over time, 10.0s a column, UTC
//! 2.00ms ░     ▒█░
//! 1.00ms ▒▒▒█▓▒▒██▓▓▒▒▒▒▒▒
//!        03:04:00 03:06:50
//! closes: ░ 1+, ▒ 3+, ▓ 12+, █ 36+
//! ```

use super::edge;
use crate::output::table::paint::Paint;
use crate::output::{
    Style,
    units::{Count, DurationNs},
};
use crate::report::histogram::{COARSE, Coarse, Column, Heat, edges_ns};

/// Shades from nothing to most, which need no colour; colour sets them apart further.
const SHADES: [(char, Paint); 5] =
    [(' ', Paint::Plain), ('░', Paint::Faint), ('▒', Paint::Plain), ('▓', Paint::Good), ('█', Paint::Strong)];
/// In front of the columns: the bucket's lower edge.
const LABEL: usize = 6;
/// What `03:04:05` takes.
const TIME: usize = 8;

/// Appends the map of as many of the newest columns as fit. `time_of_day` writes hours, minutes
/// and seconds of a moment.
pub(in crate::output::table) fn map(
    out: &mut Vec<u8>,
    style: Style,
    heat: &Heat,
    time_of_day: impl FnMut(u64) -> String,
) {
    let room = style.width.saturating_sub(LABEL + 1);
    let columns = heat.columns.get(heat.columns.len().saturating_sub(room)..).unwrap_or_default();
    let mut all = Coarse::default();
    for column in columns {
        all.0.iter_mut().zip(column.counts.0).for_each(|(sum, count)| *sum = sum.saturating_add(count));
    }
    Paint::Strong.apply(out, heat.of.as_str(), style.colour);
    let (Some(first), Some(last), Some((lowest, highest))) = (columns.first(), columns.last(), all.range()) else {
        out.extend_from_slice(b" over time: no closes\n");
        return;
    };
    let length = DurationNs(heat.column_ns);
    out.extend_from_slice(format!(" over time, {length} a column, UTC\n").as_bytes());
    let counts = || columns.iter().flat_map(|column| column.counts.0).filter(|count| *count > 0);
    let steps = steps(counts().min().unwrap_or(1), counts().max().unwrap_or(1));
    for bucket in (lowest..=highest).rev().filter(|bucket| *bucket < COARSE) {
        row(out, style, columns, bucket, steps);
    }
    let [from, to] = [first.from_ns, last.to_ns].map(time_of_day);
    let gap = columns.len().saturating_sub(2 * TIME).max(1);
    out.extend_from_slice(format!("{:LABEL$} {from}{:gap$}{to}\n", "", "").as_bytes());
    legend(out, style, steps);
}

fn row(out: &mut Vec<u8>, style: Style, columns: &[Column], bucket: usize, steps: [u64; 4]) {
    out.extend_from_slice(format!("{:>LABEL$}", edge(Some(edges_ns(bucket).0))).as_bytes());
    let counts = columns.iter().map(|column| column.counts.0.get(bucket).copied().unwrap_or(0));
    let levels: Vec<usize> = counts.map(|count| steps.iter().filter(|step| count >= **step).count()).collect();
    let shown = levels.iter().rposition(|level| *level > 0).map_or(0, |last| last + 1);
    let mut levels = levels.get(..shown).unwrap_or_default();
    if !levels.is_empty() {
        out.push(b' ');
    }
    while let Some(level) = levels.first() {
        let run = levels.iter().take_while(|other| *other == level).count();
        let (shade, paint) = SHADES.get(*level).copied().unwrap_or((' ', Paint::Plain));
        paint.apply(out, &shade.to_string().repeat(run), style.colour);
        levels = levels.get(run..).unwrap_or_default();
    }
    out.push(b'\n');
}

/// From which count on each shade is: equal factors, because counts differ by orders of magnitude.
fn steps(least: u64, most: u64) -> [u64; 4] {
    // Whole-number roots, so that every machine draws the same.
    let half = (most / least.max(1)).isqrt().max(1);
    let quarter = half.isqrt().max(1);
    [1, quarter, half, half.saturating_mul(quarter)].map(|factor| least.saturating_mul(factor).min(most))
}

fn legend(out: &mut Vec<u8>, style: Style, steps: [u64; 4]) {
    const TITLE: &str = "closes:";
    out.extend_from_slice(TITLE.as_bytes());
    let mut used = TITLE.len();
    let mut shown = SHADES.iter().skip(1).zip(steps).enumerate().peekable();
    while let Some((_, ((shade, paint), from))) = shown.next() {
        // Of shades that begin with the same count, the last one is drawn.
        let next = shown.peek().map(|(_, (_, next))| *next);
        if next == Some(from) {
            continue;
        }
        let comma = if next.is_some() { "," } else { "" };
        let from = format!(" {}+{comma}", Count(from));
        let columns = 2 + from.chars().count();
        if used + columns > style.width {
            out.push(b'\n');
            used = 0;
        }
        if used > 0 {
            out.push(b' ');
        }
        used += columns;
        paint.apply(out, &shade.to_string(), style.colour);
        out.extend_from_slice(from.as_bytes());
    }
    out.push(b'\n');
}
