//! What one look at a whole host says: `tcptrace stuck` and `tcptrace leaks`.

use super::{Finding, Holder, LeakCause, StuckCause};

/// A finding that looks alone have made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As events would have raised it. Its `retransmits` are not to be shown: see [`Listed::fin_rto`].
    pub finding: Finding,
    /// How often the retransmission timer sent the FIN again; `None` where data before it may have been sent instead.
    pub fin_rto: Option<u32>,
}

/// What both commands say of a round of looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// When it was over, CLOCK_MONOTONIC nanoseconds.
    pub time_ns: u64,
    /// Network namespaces whose sockets were told.
    pub namespaces: u64,
    /// Those that could not be entered, or whose dump broke off.
    pub unreachable: u64,
    /// Sockets in these states that are younger than the threshold, or may be and are not proven older.
    pub young: u64,
    /// Listed in the round before, and gone or moved on since; `None` in the first round.
    pub gone: Option<u64>,
    /// Not looked at, because as many sockets as are followed at a time are followed.
    pub not_followed: u64,
}

/// All stuck sockets of a round, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StuckReport {
    /// The round.
    pub round: Round,
    /// The sockets.
    pub sockets: Vec<Listed>,
    /// How many of each cause, in the order of [`StuckCause::ALL`].
    pub by_reason: [u64; StuckCause::ALL.len()],
}

/// All leaks of a round, the largest group first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaksReport {
    /// The round.
    pub round: Round,
    /// The groups.
    pub groups: Vec<LeakGroup>,
    /// How many of each cause, in the order of [`LeakCause::ALL`].
    pub by_cause: [u64; LeakCause::ALL.len()],
}

impl LeaksReport {
    /// In all groups.
    #[must_use]
    pub fn sockets(&self) -> u64 {
        self.by_cause.iter().sum()
    }
}

/// Whose sockets a group has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupOf {
    /// Of one process: the first one that holds them.
    Process {
        /// Process id.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// Of nobody yet: they wait for `accept()`.
    Listener {
        /// Inode of the network namespace.
        netns: u32,
        /// Port of the listener.
        port: u16,
    },
    /// Not known: no process that could be looked at has them among its files.
    Unknown,
}

/// Upper bounds of the buckets of [`LeakGroup::ages`] but the last, nanoseconds; with their names.
pub const AGE_BUCKETS: [(&str, u64); 5] = [
    ("lt_1m", 60_000_000_000),
    ("lt_10m", 600_000_000_000),
    ("lt_1h", 3_600_000_000_000),
    ("lt_1d", 86_400_000_000_000),
    ("ge_1d", u64::MAX),
];
/// Remote addresses that a group names.
pub const REMOTES_MAX: usize = 3;

/// Leaks that have one fault in common, most likely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakGroup {
    /// Whose they are.
    pub of: GroupOf,
    /// Of sockets that wait for `accept()`: who holds the listener, where that is known.
    pub listener: Vec<Holder>,
    /// Others that hold some of the sockets, too; see `SHARERS_MAX` where they are gathered.
    pub shared_with: Vec<Holder>,
    /// cgroup of the process, or of the first that holds the listener; empty where it is not known.
    pub cgroup: String,
    /// How many sockets.
    pub count: u64,
    /// Age of the oldest, nanoseconds.
    pub oldest_ns: u64,
    /// It may be older.
    pub oldest_is_lower_bound: bool,
    /// More (or fewer, below 0) a minute, over the last minute of looks; `None` before there are two.
    pub growth_per_minute: Option<i64>,
    /// How many are how old, as far as is known, in the order of [`AGE_BUCKETS`].
    pub ages: [u64; AGE_BUCKETS.len()],
    /// Remote addresses with most of them, most first.
    pub remotes: Vec<(std::net::IpAddr, u64)>,
    /// How many different remote addresses there are.
    pub remotes_total: u64,
    /// How many of each cause, in the order of [`LeakCause::ALL`].
    pub by_cause: [u64; LeakCause::ALL.len()],
    /// The commonest cause.
    pub cause: LeakCause,
    /// What to look for in the program.
    pub advice: &'static str,
    /// Each socket, the oldest first.
    pub sockets: Vec<Listed>,
}
