//! What happened, as data: what tcptrace has to say about a scenario.
//!
//! The words are DESIGN's, written out here once more: a test that took them from tcptrace would agree with
//! any mistake in them.

use std::{
    fs, process,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::pair::Ends;

/// How exactly a timer of the kernel tells when it was set.
const BY_TIMER: Duration = Duration::from_millis(20);

/// Something that happened between two looks at the clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    not_before: Instant,
    not_after: Instant,
}

/// Bounds of a duration. Both are measured, so they hold on the slowest of machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// It took this long or longer.
    pub at_least: Duration,
    /// It took this long or less.
    pub at_most: Duration,
}

impl Moment {
    /// What `act` does happens somewhere within it.
    ///
    /// # Errors
    /// When `act` fails.
    pub fn of<T>(act: impl FnOnce() -> Result<T>) -> Result<(Self, T)> {
        let not_before = Instant::now();
        let value = act()?;
        Ok((Self { not_before, not_after: Instant::now() }, value))
    }

    /// From this one to a later one.
    #[must_use]
    pub fn until(self, later: Self) -> Span {
        Span {
            at_least: later.not_before.saturating_duration_since(self.not_after),
            at_most: later.not_after.saturating_duration_since(self.not_before),
        }
    }

    /// Somewhere within this one, from start to end.
    #[must_use]
    pub fn within(self) -> Span {
        self.until(self)
    }
}

impl Span {
    /// The same, known only by the timer of a timewait socket.
    ///
    /// `tcp_timewait_state_process()` sets it anew when the peer's FIN comes. It counts in the kernel's ticks, of
    /// up to 10 ms, and is rounded when it is set and when it is read.
    #[must_use]
    pub fn by_timer(self) -> Self {
        Self { at_least: self.at_least.saturating_sub(BY_TIMER), at_most: self.at_most + BY_TIMER }
    }

    /// The same without its lower bound.
    #[must_use]
    pub fn or_less(self) -> Self {
        Self { at_least: Duration::ZERO, ..self }
    }
}

/// What a phase must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: not entered, or not known.
    Null,
    /// A time within these bounds.
    Within(Span),
}

/// Who must be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody.
    Null,
    /// This process, for having done this.
    Known(Who),
    /// The scenario cannot know.
    Any,
}

/// A process and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Process id.
    pub pid: u32,
    /// Name of the process.
    pub comm: String,
    /// `connect` or `close`.
    pub source: &'static str,
}

impl Owner {
    /// The process of the calling thread, which called `close()` or `shutdown()`.
    ///
    /// # Errors
    /// When the process's name cannot be read.
    pub fn closer() -> Result<Self> {
        Ok(Self::Known(Who { pid: process::id(), comm: process_name()?, source: "close" }))
    }

    /// The process of the calling thread, which called `connect()`.
    ///
    /// # Errors
    /// When the process's name cannot be read.
    pub fn connecter() -> Result<Self> {
        Ok(Self::Known(Who { pid: process::id(), comm: process_name()?, source: "connect" }))
    }
}

/// That of its first thread, whichever thread acts.
fn process_name() -> Result<String> {
    let name = fs::read_to_string("/proc/self/comm").context("cannot read this process's name")?;
    Ok(name.trim_end_matches('\n').to_owned())
}

/// One record that must come. Fields that are `None` are not compared, if not said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Addresses.
    pub ends: Ends,
    /// Who closed first.
    pub role: &'static str,
    /// How it ended.
    pub outcome: &'static str,
    /// Why; `None` means null.
    pub reason: Option<&'static str>,
    /// Who acted.
    pub owner: Owner,
    /// Time in FIN_WAIT1.
    pub fin_wait1: Phase,
    /// Time in FIN_WAIT2.
    pub fin_wait2: Phase,
    /// Time in CLOSING.
    pub closing: Phase,
    /// Time in CLOSE_WAIT.
    pub close_wait: Phase,
    /// Time in LAST_ACK.
    pub last_ack: Phase,
    /// Every phase that was entered is known.
    pub complete: bool,
    /// No program held it at the end.
    pub orphan: Option<bool>,
    /// The peer's FIN came with the acknowledgement of ours.
    pub three_way: Option<bool>,
    /// How often the FIN went out again.
    pub fin_resent: Option<u32>,
    /// Payload sent.
    pub bytes_sent: Option<u64>,
    /// Payload received.
    pub bytes_received: Option<u64>,
}

impl Close {
    /// A close of which only that much is certain: everything else is to be nothing, or is not compared.
    #[must_use]
    pub fn new(ends: Ends, role: &'static str, outcome: &'static str) -> Self {
        Self {
            ends,
            role,
            outcome,
            reason: None,
            owner: Owner::Any,
            fin_wait1: Phase::Null,
            fin_wait2: Phase::Null,
            closing: Phase::Null,
            close_wait: Phase::Null,
            last_ack: Phase::Null,
            complete: true,
            orphan: None,
            three_way: None,
            fin_resent: Some(0),
            bytes_sent: Some(0),
            bytes_received: Some(0),
        }
    }

    /// The phases by their words.
    #[must_use]
    pub fn phases(&self) -> [(&'static str, Phase); 5] {
        [
            ("fin_wait1", self.fin_wait1),
            ("fin_wait2", self.fin_wait2),
            ("closing", self.closing),
            ("close_wait", self.close_wait),
            ("last_ack", self.last_ack),
        ]
    }
}

/// A finding that must be raised, and cleared later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Addresses.
    pub ends: Ends,
    /// Which threshold.
    pub kind: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Who acted on it, as of then.
    pub owner: Owner,
    /// Time in the phase when it cleared.
    pub age: Span,
    /// How the connection ended, where it ended with the phase; `None` means null: it moved on.
    pub outcome: Option<&'static str>,
}

/// What happened in a namespace: these records, each once, and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// The namespace.
    pub netns: u64,
    /// Every close.
    pub closes: Vec<Close>,
    /// Every finding, given thresholds well below the scenario's hold.
    pub findings: Vec<Finding>,
}
