//! What one look at a whole host says: `tcptrace stuck` and `tcptrace leaks`.

use std::net::IpAddr;

use super::{Closing, Finding, FindingKind, GivesUp, Holder, LeakCause, StuckCause};

/// A finding that looks alone have made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As events would have raised it. Its `retransmits` are not to be shown: see [`Listed::fin_rto`]. `mptcp` is true
    /// of an MPTCP connection itself, too.
    pub finding: Finding,
    /// How often the retransmission timer sent the FIN again; `None` where data before it may have been sent instead.
    pub fin_rto: Option<u32>,
    /// A `close()` that still waits for this socket (SO_LINGER).
    pub closing: Option<Closing>,
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
    /// Those of them that may be older: nothing tells.
    pub age_unknown: u64,
    /// Listed, and not in the round before; `None` in the first round.
    pub new: Option<u64>,
    /// The same a minute, over the last minute of rounds.
    pub new_per_minute: Option<u64>,
    /// Listed in the round before, and gone or moved on since; `None` in the first round.
    pub gone: Option<u64>,
    /// Not looked at, because as many sockets as are followed at a time are followed.
    pub not_followed: u64,
}

/// All stuck sockets of a round, the largest group first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StuckReport {
    /// The round.
    pub round: Round,
    /// The groups.
    pub groups: Vec<StuckGroup>,
    /// How many of each cause, in the order of [`StuckCause::ALL`].
    pub by_reason: [u64; StuckCause::ALL.len()],
}

impl StuckReport {
    /// In all groups.
    #[must_use]
    pub fn sockets(&self) -> u64 {
        self.by_reason.iter().sum()
    }

    /// Those of all groups, the oldest first.
    #[must_use]
    pub fn oldest_first(&self) -> Vec<&Listed> {
        let mut all: Vec<&Listed> = self.groups.iter().flat_map(|group| &group.sockets).collect();
        all.sort_by_key(|listed| (std::cmp::Reverse(listed.finding.age_ns), listed.finding.socket.key));
        all
    }
}

/// Whose stuck sockets are in a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StuckOf {
    /// Of one process: the first one that holds them, or the one whose `close()` still waits.
    Process {
        /// Process id.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// Orphans that this process had, or closed, in an earlier round.
    Left {
        /// Process id.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// Orphans of a service of this host: somebody listens at their local port, or it is none that `connect()` takes.
    Service {
        /// Inode of the network namespace.
        netns: u32,
        /// Local port.
        port: u16,
    },
    /// Orphans of connections that this host opened, to this port elsewhere.
    Opened {
        /// Inode of the network namespace.
        netns: u32,
        /// Remote port.
        port: u16,
    },
    /// Orphans whose ports do not tell which of them is the service.
    Orphans,
    /// Not known: no process that could be looked at has them among its files.
    Unknown,
}

/// What the sockets of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StuckKey {
    /// Whose they are.
    pub of: StuckOf,
    /// Their state.
    pub kind: FindingKind,
    /// Why they are stuck.
    pub cause: StuckCause,
}

/// Stuck sockets that have one fault in common, most likely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckGroup {
    /// What they have in common.
    pub key: StuckKey,
    /// What groups of both commands have.
    pub group: Grouped,
    /// Bytes queued and never sent, of all of them.
    pub unsent_bytes: u64,
    /// Bytes sent and not acknowledged, of all of them.
    pub unacked_bytes: u64,
    /// When the kernel gives up the first and the last of those of which it is known, nanoseconds from the look.
    pub gives_up_ns: Option<(u64, u64)>,
    /// How many the kernel never gives up, as things are.
    pub never_give_up: u64,
    /// What to look for.
    pub advice: &'static str,
    /// Each socket, the oldest first.
    pub sockets: Vec<Listed>,
}

impl StuckGroup {
    /// Takes in what the kernel will do about one of them.
    pub fn add_end(&mut self, gives_up: GivesUp) {
        match gives_up {
            GivesUp::In(ns) => {
                let (first, last) = self.gives_up_ns.unwrap_or((ns, ns));
                self.gives_up_ns = Some((first.min(ns), last.max(ns)));
            }
            GivesUp::Never(_) => self.never_give_up += 1,
            GivesUp::Unknown => {}
        }
    }

    /// The network namespace that all of the sockets are in; `None` where they are in several.
    #[must_use]
    pub fn netns(&self) -> Option<u32> {
        common_netns(&self.sockets)
    }
}

/// What groups of stuck sockets and of leaks have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouped {
    /// Of sockets that nobody holds: who holds the listener at their port, where that is known.
    pub listener: Vec<Holder>,
    /// Others that hold some of the sockets, too; see `SHARERS_MAX` where they are gathered.
    pub shared_with: Vec<Holder>,
    /// cgroup of the process, or of the first that holds the listener; empty where it is not known.
    pub cgroup: String,
    /// How many sockets.
    pub count: u64,
    /// How many of them belong to MPTCP connections.
    pub mptcp: u64,
    /// Age of the oldest, nanoseconds.
    pub oldest_ns: u64,
    /// It may be older.
    pub oldest_is_lower_bound: bool,
    /// More (or fewer, below 0) a minute, over the last minute of looks; `None` before there are two.
    pub growth_per_minute: Option<i64>,
    /// How many are how old, as far as is known, in the order of [`AGE_BUCKETS`].
    pub ages: [u64; AGE_BUCKETS.len()],
    /// Remote addresses with most of them, most first.
    pub remotes: Vec<(IpAddr, u64)>,
    /// How many different remote addresses there are.
    pub remotes_total: u64,
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

impl LeakGroup {
    /// The network namespace that all of the sockets are in; `None` where they are in several.
    #[must_use]
    pub fn netns(&self) -> Option<u32> {
        common_netns(&self.sockets)
    }

    /// How many of the sockets belong to MPTCP connections.
    #[must_use]
    pub fn mptcp(&self) -> u64 {
        self.sockets.iter().filter(|listed| listed.finding.mptcp).count() as u64
    }
}

fn common_netns(sockets: &[Listed]) -> Option<u32> {
    let mut all = sockets.iter().map(|listed| listed.finding.socket.netns);
    let first = all.next()?;
    all.all(|netns| netns == first).then_some(first)
}

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
    pub remotes: Vec<(IpAddr, u64)>,
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
