//! Ways into network namespaces: a socket in each that is being looked at.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use crate::{
    model::{AbsentWhy, NetnsFacts, Snapshot, StateSet},
    source::{
        diag::{Detail, DiagSocket},
        proc::{Blocked, EnterError, Namespaces, Obstacle, Unseen, has_tcp, read_facts},
    },
};

/// Settings and counters are read again after this time.
const FACTS_AGE: Duration = Duration::from_secs(1);
/// Namespaces are searched for at most this often, in at most this share of the time, but at least so often: those who
/// wait for it have a limit to their patience.
const SCAN_INTERVAL: Duration = Duration::from_millis(100);
const SCAN_SHARE: u32 = 50;
const SCAN_INTERVAL_MAX: Duration = Duration::from_secs(8);
/// Sockets kept open at a time.
const OPEN_MAX: usize = 64;

/// Why there is no way into a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum NoWay {
    /// No known way leads there, and the last search for others was a moment ago.
    NotSearched,
    /// There is none.
    Gone,
    /// Something is in the way.
    Blocked(Blocked),
}

impl NoWay {
    /// As captures and the engine know it.
    pub(super) const fn why(self) -> AbsentWhy {
        match self {
            Self::NotSearched | Self::Gone => AbsentWhy::NoNamespace,
            Self::Blocked(_) => AbsentWhy::NotAsked,
        }
    }
}

pub(in crate::source) struct Places {
    namespaces: Namespaces,
    open: HashMap<u32, DiagSocket>,
    facts: HashMap<u32, Instant>,
    scanned: Option<Instant>,
    /// Of the last search.
    cost: Duration,
}

impl Places {
    pub(in crate::source) fn new() -> Self {
        Self {
            namespaces: Namespaces::new(),
            open: HashMap::new(),
            facts: HashMap::new(),
            scanned: None,
            cost: Duration::ZERO,
        }
    }

    /// Every namespace that was found.
    pub(super) fn found(&mut self) -> Vec<u32> {
        self.scan();
        self.namespaces.inodes().collect()
    }

    /// Every namespace with TCP sockets.
    pub(in crate::source) fn all(&mut self) -> Vec<u32> {
        self.found().into_iter().filter(|netns| self.enter(*netns, has_tcp).unwrap_or(true)).collect()
    }

    /// Until namespaces may be searched for again.
    pub(super) fn next_search(&self) -> Duration {
        let interval = self.cost.saturating_mul(SCAN_SHARE).clamp(SCAN_INTERVAL, SCAN_INTERVAL_MAX);
        self.scanned.map_or(Duration::ZERO, |at| interval.saturating_sub(at.elapsed()))
    }

    /// A socket in a namespace.
    pub(in crate::source) fn socket(&mut self, netns: u32) -> Result<&mut DiagSocket, NoWay> {
        if !self.open.contains_key(&netns) {
            if self.open.len() >= OPEN_MAX {
                self.let_go();
            }
            let opened = self.enter(netns, DiagSocket::open)?;
            self.open.insert(netns, opened.map_err(|error| no_socket(&error))?);
        }
        self.open.get_mut(&netns).ok_or(NoWay::Gone)
    }

    /// Tells every socket of a namespace in these states; whether it came to its end.
    pub(in crate::source) fn dump(
        &mut self,
        netns: u32,
        states: StateSet,
        detail: impl Into<Detail>,
        sink: &mut dyn FnMut(Snapshot),
    ) -> Result<bool, NoWay> {
        let dumped = self.socket(netns)?.dump(states, detail, netns, sink);
        let whole = dumped.is_ok_and(|dumped| dumped.refused == 0 && !dumped.interrupted);
        if !whole {
            self.forget(netns);
        }
        Ok(whole)
    }

    /// Tells every MPTCP connection of a namespace in these states; whether it came to its end. A kernel without
    /// `mptcp_diag` has none.
    pub(in crate::source) fn dump_mptcp(
        &mut self,
        netns: u32,
        states: StateSet,
        sink: &mut dyn FnMut(Snapshot),
    ) -> Result<bool, NoWay> {
        match self.socket(netns)?.dump_mptcp(states, netns, sink) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Ok(dumped) if dumped.refused == 0 && !dumped.interrupted => Ok(true),
            Ok(_) | Err(_) => {
                self.forget(netns);
                Ok(false)
            }
        }
    }

    /// Processes whose namespaces cannot be seen.
    pub(in crate::source) fn hidden(&self) -> &Unseen {
        self.namespaces.hidden()
    }

    /// The file that leads to a namespace that is not the own one.
    pub(in crate::source) fn way(&self, netns: u32) -> Option<String> {
        self.namespaces.way(netns).map(|path| path.display().to_string())
    }

    /// What `--netns` takes for a namespace.
    pub(in crate::source) fn word(&self, netns: u32) -> Option<String> {
        self.namespaces.word(netns)
    }

    /// Settings and counters as they are now.
    pub(in crate::source) fn facts(&mut self, netns: u32) -> Result<NetnsFacts, NoWay> {
        let facts = self.enter(netns, || read_facts(netns))?;
        if self.facts.len() >= crate::source::proc::NAMESPACES_MAX {
            self.facts.clear();
        }
        self.facts.insert(netns, Instant::now());
        Ok(facts)
    }

    /// Settings and counters, unless they were told a moment ago.
    pub(in crate::source) fn facts_if_old(&mut self, netns: u32) -> Result<Option<NetnsFacts>, NoWay> {
        let young = self.facts.get(&netns).is_some_and(|at| at.elapsed() < FACTS_AGE);
        if young { Ok(None) } else { self.facts(netns).map(Some) }
    }

    /// A socket that failed is of no more use.
    fn forget(&mut self, netns: u32) {
        self.open.remove(&netns);
    }

    /// Closes all sockets: each keeps its namespace in being.
    pub(in crate::source) fn let_go(&mut self) {
        self.open.clear();
    }

    /// Does something within a namespace.
    pub(in crate::source) fn enter<T>(&mut self, netns: u32, body: impl Fn() -> T) -> Result<T, NoWay> {
        let mut entered = self.namespaces.enter(netns, &body);
        if matches!(entered, Err(EnterError::Gone)) {
            // The process that led there may be gone, and not the namespace.
            if !self.scan() {
                return Err(NoWay::NotSearched);
            }
            entered = self.namespaces.enter(netns, &body);
        }
        if matches!(entered, Err(EnterError::Gone)) {
            let began = Instant::now();
            self.namespaces.scan_for(netns);
            self.searched(began, self.cost);
            entered = self.namespaces.enter(netns, &body);
        }
        entered.map_err(|error| match error {
            EnterError::Gone => NoWay::Gone,
            EnterError::Blocked(blocked) => NoWay::Blocked(blocked),
        })
    }

    /// Whether namespaces were searched for now, and not a moment ago.
    fn scan(&mut self) -> bool {
        if !self.next_search().is_zero() {
            return false;
        }
        let began = Instant::now();
        self.namespaces.scan();
        self.searched(began, Duration::ZERO);
        true
    }

    fn searched(&mut self, began: Instant, before: Duration) {
        let now = Instant::now();
        self.scanned = Some(now);
        self.cost = now.saturating_duration_since(began) + before;
    }
}

/// In the own namespace one could be had, so that this is a lack of files or memory.
fn no_socket(error: &io::Error) -> NoWay {
    NoWay::Blocked(Blocked { obstacle: Obstacle::of(error).unwrap_or(Obstacle::Other(0)), needed: &[] })
}
