//! What the tables of `stuck` and `leaks` have in common.

use std::fmt::{Display, Formatter, Result};

use super::layout::{Layout, Shape};
use super::line::Line;
use super::paint::Paint;
use crate::model::{Finding, Holders, Listed, Round, ShownName, ZonedEndpoint};
use crate::output::{Style, units::DurationNs};
use crate::report::Context;

/// `>=` and a duration.
pub(super) const AGE: usize = 8;

pub(super) struct Age {
    pub(super) ns: u64,
    pub(super) is_lower_bound: bool,
}

impl Age {
    pub(super) fn of(finding: &Finding) -> Self {
        Self { ns: finding.age_ns, is_lower_bound: finding.age_is_lower_bound }
    }
}

impl Display for Age {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let least = if self.is_lower_bound { ">=" } else { "" };
        write!(f, "{least}{}", DurationNs(self.ns))
    }
}

/// A number of things, as people say it.
pub(super) struct Count(pub(super) u64, pub(super) &'static str);

impl Count {
    /// How many sockets, and in how many groups.
    pub(super) fn of_groups(sockets: u64, what: &'static str, groups: usize) -> String {
        let sockets = Self(sockets, what);
        if groups == 0 { sockets.to_string() } else { format!("{sockets} in {}", Self(groups as u64, "group")) }
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self(count, what) = self;
        let plural = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {what}{plural}")
    }
}

/// A rate for each second, from that of a minute: as many digits as it has.
struct PerSecond(u64);

impl Display for PerSecond {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let hundredths = self.0.saturating_mul(100) / 60;
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// What a line of IPv4 takes for an end.
const END: usize = 21;

/// Gives the columns of both ends, of these numbers, what the longest takes, as far as that costs no line.
pub(super) fn fit_ends(layout: &mut Layout, columns: [usize; 2], sockets: &[Listed], context: &Context) {
    let widest = |end: &dyn Fn(&Finding) -> String| {
        sockets.iter().map(|listed| end(&listed.finding).chars().count()).max().unwrap_or(0)
    };
    let widths =
        [widest(&|finding| local(finding, context).to_string()), widest(&|finding| finding.socket.remote.to_string())];
    for limit in [END, usize::MAX] {
        for (column, width) in columns.into_iter().zip(widths) {
            layout.widen(column, width.min(limit));
        }
    }
}

/// The local end, with its interface where it is bound to one.
pub(super) fn local<'a>(finding: &Finding, context: &'a Context) -> ZonedEndpoint<'a> {
    context.zoned(finding.socket.local, finding.socket.netns, finding.bound_if)
}

/// A column of this width.
pub(super) fn shape(width: usize) -> Shape {
    Shape { width, is_right: false, breaks: false }
}

/// `comm/pid fd 7`, and how many more hold it.
pub(super) struct Held<'a>(pub(super) &'a Holders);

impl Display for Held<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Some(first) = self.0.list.first() else { return f.write_str("?") };
        write!(f, "{}/{} fd {}", ShownName(&first.comm), first.pid, first.fd)?;
        match self.0.total {
            0 | 1 => Ok(()),
            total => write!(f, " +{}", total - 1),
        }
    }
}

/// The last line of a round.
pub(super) fn total(line: &mut Line, out: &mut Vec<u8>, style: Style, what: &dyn Display, round: &Round) {
    let Round { namespaces, unreachable, young, age_unknown, gone, new, new_per_minute, not_followed, .. } = *round;
    line.word(Paint::Strong, format_args!("{what};"));
    let sum = |count: u64, paint, words: &str| (count > 0).then(|| (paint, format!("{count} {words}")));
    let places = format!("{} looked at", Count(namespaces, "network namespace"));
    let parts = [
        Some((Paint::Plain, places)),
        sum(unreachable, Paint::Warning, "could not be"),
        sum(young, Paint::Plain, if age_unknown > 0 { "younger or unknown" } else { "younger" }),
        new.zip(new_per_minute).map(|(new, rate)| {
            (Paint::Plain, format!("{new} new since the last look, {} a second on average", PerSecond(rate)))
        }),
        sum(gone.unwrap_or(0), Paint::Good, "gone"),
        sum(not_followed, Paint::Bad, "beyond what is followed at a time"),
    ];
    let mut parts = parts.iter().flatten().peekable();
    while let Some((paint, words)) = parts.next() {
        let comma = if parts.peek().is_some() { "," } else { "" };
        line.word(*paint, format_args!("{words}{comma}"));
    }
    line.flush(out, style);
}
