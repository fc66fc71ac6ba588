//! What the tables of `stuck` and `leaks` have in common.

use std::fmt::{Display, Formatter, Result};

use super::line::Line;
use super::paint::Paint;
use crate::model::{Finding, Holders, Listed, Round};
use crate::output::{Style, units::DurationNs};

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

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self(count, what) = self;
        let plural = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {what}{plural}")
    }
}

/// Widths of the columns of both ends: what the longest takes, within what a line of IPv4 takes.
pub(super) fn ends(sockets: &[Listed]) -> (usize, usize) {
    const WIDTH_MAX: usize = 21;
    let longest = |end: fn(&Finding) -> String| {
        let width = |listed: &Listed| end(&listed.finding).chars().count();
        sockets.iter().map(width).max().unwrap_or(0).clamp("REMOTE".len(), WIDTH_MAX)
    };
    (longest(|finding| finding.socket.local.to_string()), longest(|finding| finding.socket.remote.to_string()))
}

/// `comm/pid fd 7`, and how many more hold it.
pub(super) struct Held<'a>(pub(super) &'a Holders);

impl Display for Held<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Some(first) = self.0.list.first() else { return f.write_str("?") };
        write!(f, "{}/{} fd {}", first.comm, first.pid, first.fd)?;
        match self.0.total {
            0 | 1 => Ok(()),
            total => write!(f, " +{}", total - 1),
        }
    }
}

/// The last line of a round.
pub(super) fn total(line: &mut Line, out: &mut Vec<u8>, style: Style, what: &dyn Display, round: &Round) {
    line.word(Paint::Strong, format_args!("{what};"));
    line.word(Paint::Plain, format_args!("{} looked at", Count(round.namespaces, "network namespace")));
    if round.unreachable > 0 {
        line.word(Paint::Warning, format_args!("({} could not be)", round.unreachable));
    }
    if round.young > 0 {
        line.word(Paint::Plain, format_args!("{} younger", round.young));
    }
    if let Some(gone) = round.gone.filter(|gone| *gone > 0) {
        line.word(Paint::Good, format_args!("{gone} gone since the last look"));
    }
    if round.not_followed > 0 {
        let beyond = format_args!("{} beyond what is followed at a time", round.not_followed);
        line.word(Paint::Bad, beyond);
    }
    line.flush(out, style);
}
