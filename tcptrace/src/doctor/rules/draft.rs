//! An advice in the making.

use crate::{
    doctor::{ProcessCount, limits::LISTED_MAX},
    model::{Advice, Evidence, Fact, Row, Setting, Verdict},
};

pub(super) struct Draft(Advice);

impl Draft {
    pub(super) fn new(row: Row, netns: Option<u32>, source: &'static str) -> Self {
        Self(Advice {
            row,
            netns,
            verdict: Verdict::Ok,
            finding: String::new(),
            evidence: Vec::new(),
            advice: String::new(),
            caveat: String::new(),
            commands: Vec::new(),
            source,
            settings: Vec::new(),
        })
    }

    pub(super) fn fact(mut self, name: &'static str, fact: impl Into<Fact>) -> Self {
        self.0.evidence.push((name, fact.into()));
        self
    }

    pub(super) fn command(mut self, command: impl Into<String>) -> Self {
        self.0.commands.push(command.into());
        self
    }

    /// A setting that the evidence supports, and its command.
    pub(super) fn setting(mut self, key: &'static str, value: impl ToString, why: impl Into<String>) -> Self {
        let setting = Setting { key, value: value.to_string(), why: why.into() };
        self.0.commands.push(setting.command());
        self.0.settings.push(setting);
        self
    }

    pub(super) fn caveat(mut self, caveat: impl AsRef<str>) -> Self {
        let caveat = caveat.as_ref();
        if !self.0.caveat.is_empty() && !caveat.is_empty() {
            self.0.caveat.push(' ');
        }
        self.0.caveat.push_str(caveat);
        self
    }

    pub(super) fn says(mut self, verdict: Verdict, finding: impl Into<String>, advice: impl Into<String>) -> Advice {
        self.0.verdict = verdict;
        self.0.finding = finding.into();
        self.0.advice = advice.into();
        self.0
    }

    /// What decides is not known: `why`.
    pub(super) fn unknown(self, why: impl Into<String>) -> Advice {
        let why = why.into();
        self.says(
            Verdict::Unknown,
            format!("not known: {why}"),
            "nothing: the facts that decide could not be read or seen",
        )
    }
}

/// The first of a list of processes, as evidence.
pub(super) fn processes(list: &[ProcessCount]) -> Fact {
    let one = |process: &ProcessCount| -> Evidence {
        vec![("pid", process.pid.into()), ("comm", process.comm.as_str().into()), ("sockets", process.sockets.into())]
    };
    Fact::List(list.iter().take(LISTED_MAX).map(one).collect())
}

/// `nginx/12 (40), processes that are not known (3)`: all of the sockets, `unseen` of which have no holder that could
/// be seen or was searched for.
pub(super) fn named(list: &[ProcessCount], unseen: u64) -> String {
    let one = |process: &ProcessCount| format!("{}/{} ({})", process.comm, process.pid, process.sockets);
    let mut parts: Vec<String> = list.iter().take(LISTED_MAX).map(one).collect();
    let rest = list.get(LISTED_MAX..).unwrap_or_default();
    if !rest.is_empty() {
        let sockets: u64 = rest.iter().map(|process| process.sockets).sum();
        parts.push(format!("{} ({sockets})", count_of(rest.len() as u64, "other process", "other processes")));
    }
    if unseen > 0 {
        parts.push(format!("processes that are not known ({unseen})"));
    }
    parts.join(", ")
}

/// Says where holders were searched for a part of the sockets alone.
pub(super) fn examined(draft: Draft, part: usize, all: u64) -> Draft {
    let part = part as u64;
    if part >= all {
        draft
    } else {
        draft.caveat(format!("Holders are those of {part} of the {all} sockets, which were examined."))
    }
}

/// `12.6` of 126.
pub(super) fn tenths(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `1 socket`, `2 sockets`.
pub(super) fn count(number: u64, what: &str) -> String {
    count_of(number, what, &format!("{what}s"))
}

/// `1 process`, `2 processes`.
pub(super) fn count_of(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// `is` after one, `are` after several.
pub(super) fn is(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// Whether `part` is at least so many percent of `whole`.
pub(super) fn at_least(part: u64, percent: u64, whole: u64) -> bool {
    u128::from(part) * 100 >= u128::from(whole) * u128::from(percent)
}

/// `part` of `whole`, percent, rounded down.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}
