//! All that rules are told.

use std::collections::BTreeMap;

use super::{Closes, Counters, Files, Settings, Sockets};
use crate::model::LeakGroup;

/// Of the whole host.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// `tcp_max_orphans`; only the first network namespace shows it.
    pub max_orphans: Option<u64>,
    /// `tcp_mem`, pages: low, pressure, limit.
    pub mem_limits_pages: Option<[u64; 3]>,
    /// Pages that all TCP sockets take (`/proc/net/sockstat`).
    pub mem_pages: Option<u64>,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// Orphans now (`/proc/net/sockstat`, which adds up all namespaces).
    pub orphans: Option<u64>,
    /// Most that were seen while it was watched; `None` after a single look.
    pub orphans_peak: Option<u64>,
    /// Orphans and pages could not be read, and why.
    pub sockstat_unreadable: Option<String>,
    /// Sysctl files; `None` where there are none to speak of, as in a capture.
    pub files: Option<Files>,
    /// What is missing is missing because this is a capture.
    pub is_capture: bool,
}

/// By how much counters grew in how long.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// Nanoseconds between both readings.
    pub ns: u64,
    /// Growth.
    pub by: Counters,
}

impl Moved {
    /// Growth a second, in tenths, rounded up: what has moved is not 0.
    #[must_use]
    pub fn tenths_a_second(&self, name: &str) -> Option<u64> {
        let count = u128::from(self.by.get(name)?);
        let tenths = (count * 10_000_000_000).div_ceil(u128::from(self.ns.max(1)));
        Some(u64::try_from(tenths).unwrap_or(u64::MAX))
    }
}

/// Something that could be looked at, or why not.
pub type Seen<T> = Result<T, String>;

/// Closes as they happened.
pub type Live = Seen<Closes>;

/// Sockets of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessCount {
    /// Process id.
    pub pid: u32,
    /// Its name, fit for terminals.
    pub comm: String,
    /// How many.
    pub sockets: u64,
}

/// One network namespace.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its inode.
    pub netns: u32,
    /// The file that leads there (nsenter(1)); `None` for the own one.
    pub way: Option<String>,
    /// What `--netns` takes for it, where that is known.
    pub name: Option<String>,
    /// It is the first one, which sysctl files are for; `None` where that cannot be told.
    pub is_initial: Option<bool>,
    /// Settings.
    pub settings: Settings,
    /// Of a capture, which has no list of them: ports of the range that are reserved.
    pub reserved_in_range: Option<u64>,
    /// Counters since the namespace was made.
    pub counters: Counters,
    /// Their growth; `None` after a single look.
    pub moved: Option<Moved>,
    /// Sockets.
    pub sockets: Seen<Sockets>,
    /// Leaked CLOSE_WAIT sockets by process.
    pub leaks: Seen<Vec<LeakGroup>>,
    /// CLOSE_WAIT sockets, here or in another namespace, that were not looked at: there are too many.
    pub leaks_not_counted: u64,
    /// Closes as they happened.
    pub live: Live,
    /// Holders by inode, of the sockets that rules name processes for; see [`Sockets::inodes`].
    pub holders: BTreeMap<u32, (u32, String)>,
}

impl Place {
    /// Sockets of all states.
    pub(super) fn all_sockets(&self) -> Result<&Sockets, &str> {
        match &self.sockets {
            Ok(sockets) if sockets.closing_only => Err("a capture holds sockets that are closing, and no others"),
            Ok(sockets) => Ok(sockets),
            Err(why) => Err(why),
        }
    }

    /// Whose these sockets are, those with most first; and how many of all `sockets` have no holder that could be seen,
    /// or were not searched for.
    #[must_use]
    pub fn processes(&self, inodes: &[u32], sockets: u64) -> (Vec<ProcessCount>, u64) {
        let mut counts: BTreeMap<&(u32, String), u64> = BTreeMap::new();
        let mut unknown = sockets.saturating_sub(inodes.len() as u64);
        for inode in inodes {
            match self.holders.get(inode) {
                Some(holder) => *counts.entry(holder).or_default() += 1,
                None => unknown += 1,
            }
        }
        let count =
            |(holder, sockets): (&(u32, String), u64)| ProcessCount { pid: holder.0, comm: holder.1.clone(), sockets };
        let mut list: Vec<ProcessCount> = counts.into_iter().map(count).collect();
        list.sort_by_key(|count| (std::cmp::Reverse(count.sockets), count.pid));
        (list, unknown)
    }
}
