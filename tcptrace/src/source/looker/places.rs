//! Ways into network namespaces: a socket in each that is being looked at.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    model::{AbsentWhy, NetnsFacts, Snapshot, StateSet},
    source::{
        diag::DiagSocket,
        proc::{EnterError, Namespaces, has_tcp, read_facts},
    },
};

/// Settings and counters are read again after this time.
const FACTS_AGE: Duration = Duration::from_secs(1);
/// Namespaces are searched for at most this often.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);
/// Sockets kept open at a time.
const OPEN_MAX: usize = 64;

pub(in crate::source) struct Places {
    namespaces: Namespaces,
    open: HashMap<u32, DiagSocket>,
    facts: HashMap<u32, Instant>,
    scanned: Option<Instant>,
}

impl Places {
    pub(in crate::source) fn new() -> Self {
        Self { namespaces: Namespaces::new(), open: HashMap::new(), facts: HashMap::new(), scanned: None }
    }

    /// Every namespace with TCP sockets.
    pub(in crate::source) fn all(&mut self) -> Vec<u32> {
        self.scan();
        let all: Vec<u32> = self.namespaces.inodes().collect();
        all.into_iter().filter(|netns| self.enter(*netns, has_tcp).unwrap_or(true)).collect()
    }

    /// A socket in a namespace.
    pub(in crate::source) fn socket(&mut self, netns: u32) -> Result<&mut DiagSocket, AbsentWhy> {
        if !self.open.contains_key(&netns) {
            if self.open.len() >= OPEN_MAX {
                self.let_go();
            }
            let opened = self.enter(netns, DiagSocket::open)?;
            self.open.insert(netns, opened.map_err(|_| AbsentWhy::NotAsked)?);
        }
        self.open.get_mut(&netns).ok_or(AbsentWhy::NotAsked)
    }

    /// Tells every socket of a namespace in these states; whether it came to its end.
    pub(in crate::source) fn dump(
        &mut self,
        netns: u32,
        states: StateSet,
        detail: bool,
        sink: &mut dyn FnMut(Snapshot),
    ) -> Result<bool, AbsentWhy> {
        let dumped = self.socket(netns)?.dump(states, detail, netns, sink);
        let whole = dumped.is_ok_and(|dumped| dumped.refused == 0);
        if !whole {
            self.forget(netns);
        }
        Ok(whole)
    }

    /// Processes whose namespaces cannot be seen.
    pub(in crate::source) fn hidden(&self) -> u64 {
        self.namespaces.hidden()
    }

    /// Settings and counters as they are now; none of a namespace that cannot be entered.
    pub(in crate::source) fn facts(&mut self, netns: u32) -> Option<NetnsFacts> {
        let facts = self.enter(netns, || read_facts(netns)).ok()?;
        if self.facts.len() >= crate::source::proc::NAMESPACES_MAX {
            self.facts.clear();
        }
        self.facts.insert(netns, Instant::now());
        Some(facts)
    }

    /// Settings and counters, unless they were told a moment ago.
    pub(in crate::source) fn facts_if_old(&mut self, netns: u32) -> Option<NetnsFacts> {
        let young = self.facts.get(&netns).is_some_and(|at| at.elapsed() < FACTS_AGE);
        if young { None } else { self.facts(netns) }
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
    fn enter<T>(&mut self, netns: u32, body: impl Fn() -> T) -> Result<T, AbsentWhy> {
        match self.namespaces.enter(netns, &body) {
            Err(EnterError::Gone) if self.scan() => match self.namespaces.enter(netns, &body) {
                Err(EnterError::Gone) => {
                    self.namespaces.scan_for(netns);
                    self.namespaces.enter(netns, &body)
                }
                other => other,
            },
            other => other,
        }
        .map_err(|error| match error {
            EnterError::Gone => AbsentWhy::NoNamespace,
            _ => AbsentWhy::NotAsked,
        })
    }

    /// Whether namespaces were searched for now, and not a moment ago.
    fn scan(&mut self) -> bool {
        if self.scanned.is_some_and(|at| at.elapsed() < SCAN_INTERVAL) {
            return false;
        }
        self.namespaces.scan();
        self.scanned = Some(Instant::now());
        true
    }
}
