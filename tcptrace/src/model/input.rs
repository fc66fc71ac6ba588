//! What goes into the engine and what comes out.

use serde::{Deserialize, Serialize};

use super::{Absent, Close, DumpMark, Event, FailedConnect, Finding, Holders, NetnsFacts, NetnsName, Snapshot};

/// What is known of the recording host, once, before anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostInfo {
    /// `uname -r`.
    pub kernel_release: String,
    /// `uname -n`.
    pub hostname: String,
    /// Version of tcptrace that made the record.
    pub tcptrace_version: String,
    /// `enum sk_rst_reason` of the kernel: number and name, without `SK_RST_REASON_`.
    pub reset_reasons: Vec<(u32, String)>,
    /// `--stuck-after` of the recording run, nanoseconds.
    pub stuck_after_ns: u64,
    /// `--leak-after` of the recording run, nanoseconds.
    pub leak_after_ns: u64,
    /// sock_diag answers what the engine asks; without it, what only a look can tell stays unknown.
    pub sock_diag: bool,
    /// Owners were asked for, and the kernel side left out what others closed: a socket that no event told of is
    /// theirs, unless it was closing before the start.
    pub owners_filtered: bool,
    /// One socket in so many was followed, with its whole life; 0 and 1 mean all.
    pub sample_one_in: u32,
    /// The filters that the kernel side applied, as options on the command line; empty for none.
    pub filters: String,
}

/// Time passes. Also tells wall-clock time, which can step; nothing is measured by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub mono_ns: u64,
    /// CLOCK_REALTIME at the same moment, nanoseconds since 1970.
    pub real_ns: u64,
}

/// What the kernel side has counted so far, over all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters {
    /// Events of interest.
    pub seen: u64,
    /// Of those: no room in the ring buffer.
    pub lost: u64,
    /// Runs of a program that the kernel skipped, because the same program was interrupted on that CPU
    /// (`bpf_prog_info.recursion_misses`): events that may have been of interest.
    pub missed: u64,
    /// Retransmits of data alone.
    pub data_retransmits: u64,
    /// Resets for no socket, for a request, or for a timewait socket without a cookie.
    pub foreign_resets: u64,
}

/// A cgroup's path, told before the first event that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupName {
    /// cgroup v2 id.
    pub id: u64,
    /// Path below the mount, `/` for the root.
    pub path: String,
}

/// The name of an interface, told before it is needed, and again when it may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName {
    /// Inode of the network namespace, in which the index counts.
    pub netns: u32,
    /// Its index (`ifindex`).
    pub index: u32,
    /// Its name, of 15 bytes at most, from whoever set it up.
    pub name: String,
}

/// Why a record could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Shorter or longer than a record.
    Length,
    /// A kind that this version does not know.
    Kind,
    /// A state number that no kernel has.
    State,
    /// Neither IPv4 nor IPv6.
    Family,
    /// Flag bits that this version does not know.
    Flags,
}

impl Refusal {
    /// All refusals.
    pub const ALL: [Self; 5] = [Self::Length, Self::Kind, Self::State, Self::Family, Self::Flags];

    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Kind => "kind",
            Self::State => "state",
            Self::Family => "family",
            Self::Flags => "flags",
        }
    }
}

/// A socket that sock_diag told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What it said.
    pub snapshot: Snapshot,
    /// Who holds the socket, where that was asked.
    pub holders: Option<Holders>,
    /// It answers a look-up; otherwise it is part of a dump.
    pub asked: bool,
}

/// One input of the engine. What is rare is boxed, so that an event is all that is moved for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The recording host.
    Host(HostInfo),
    /// A kernel event.
    Event(Event),
    /// A record that could not be decoded.
    Refused(Refusal),
    /// The kernel side's counters.
    Counters(KernelCounters),
    /// Time.
    Tick(Tick),
    /// A cgroup's path.
    Cgroup(CgroupName),
    /// An interface's name.
    Interface(InterfaceName),
    /// A socket, as sock_diag shows it. Every event that is older has come before it, unless it is lost.
    Sighting(Box<Sighting>),
    /// A look-up that found nothing.
    Absent(Absent),
    /// A dump begins or ends.
    Dump(DumpMark),
    /// Settings and counters of a network namespace.
    Netns(Box<NetnsFacts>),
    /// A network namespace's name.
    NetnsName(NetnsName),
    /// Inputs are missing here: a damaged capture, or one that breaks off.
    Gap,
}

/// One output of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A close is over.
    Close(Close),
    /// A socket is stuck or leaked, or no longer.
    Finding(Finding),
    /// A `connect()` failed, for `--failed-connects`.
    FailedConnect(FailedConnect),
    /// An event as it came, in input order, for `--transitions`.
    Event(Event),
}

impl Output {
    /// When it was so, CLOCK_MONOTONIC nanoseconds.
    #[must_use]
    pub const fn time_ns(&self) -> u64 {
        match self {
            Self::Close(close) => close.end_ns,
            Self::Finding(finding) => finding.time_ns,
            Self::FailedConnect(failed) => failed.time_ns,
            Self::Event(event) => event.time_ns,
        }
    }
}
