//! All TCP sockets in some states of all network namespaces, now: what `stuck` and `leaks` ask.
//!
//! Every call blocks, and moves the calling thread in and out of namespaces.

use std::collections::{BTreeSet, HashMap};

use super::{
    clock,
    diag::{Detail, DiagSocket, LookAnswer},
    error::SourceError,
    interfaces,
    looker::{NoWay, Places},
    proc::{Blocked, HolderIndex, Obstacle, Sight, Unseen, closers},
};
use crate::model::{Closer, Holders, Identity, InterfaceName, Look, NetnsFacts, Snapshot, StateSet, Tick};

/// What became of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Every socket was told, from this moment on (CLOCK_MONOTONIC nanoseconds).
    Told {
        /// When its dump began.
        began_ns: u64,
        /// Its settings, where they can be read.
        facts: Option<Box<NetnsFacts>>,
    },
    /// It went away: no error.
    Gone,
    /// It cannot be looked at.
    Blocked(Blocked),
    /// The kernel did not tell all of its sockets.
    BrokeOff,
}

/// Looks at namespaces, sockets and processes, and remembers the ways to them.
pub struct Survey {
    places: Places,
    holders: HolderIndex,
}

impl Survey {
    /// One that has looked at nothing yet.
    ///
    /// # Errors
    /// When the kernel has no sock_diag for TCP, or no socket can be had to ask it.
    pub fn new() -> Result<Self, SourceError> {
        match DiagSocket::open() {
            Ok(_) => Ok(Self { places: Places::new(), holders: HolderIndex::new() }),
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                Err(SourceError::Kernel(error.to_string()))
            }
            Err(source) if Obstacle::of(&source).and_then(Obstacle::limit).is_some() => {
                Err(SourceError::Limit { what: "ask sock_diag for sockets".to_owned(), source })
            }
            Err(source) => Err(SourceError::Io { what: "ask sock_diag for sockets", source }),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Tick {
        clock::now()
    }

    /// Every namespace with TCP sockets that a process, a mount or this process's own place leads to.
    pub fn places(&mut self) -> Vec<u32> {
        self.places.all()
    }

    /// Processes whose namespaces cannot be seen.
    #[must_use]
    pub fn hidden(&self) -> &Unseen {
        self.places.hidden()
    }

    /// Which processes are out of sight, and with `namespaces` whose namespaces are, in words.
    #[must_use]
    pub fn out_of_sight(&self, namespaces: bool) -> Vec<String> {
        let hidden = self.hidden();
        let hides = namespaces && !hidden.is_empty();
        let words = || format!("the network namespaces of {} cannot be seen: {}", hidden.who(), hidden.advice());
        Sight::now().in_words().into_iter().chain(hides.then(words)).collect()
    }

    /// Processes whose files could not be seen when holders were searched for last.
    #[must_use]
    pub fn unseen(&self) -> &Unseen {
        self.holders.unseen()
    }

    /// Does something on this thread within a namespace.
    ///
    /// # Errors
    /// Where it cannot be entered, in words.
    pub fn within<T>(&mut self, netns: u32, body: impl Fn() -> T) -> Result<T, String> {
        self.places.enter(netns, body).map_err(|no_way| match (no_way, self.places.hidden()) {
            (NoWay::Blocked(blocked), _) => format!("the network namespace cannot be entered: {}", blocked.advice()),
            (_, hidden) if !hidden.is_empty() => format!(
                "the network namespace is gone, or one of {}, whose namespaces cannot be seen: {}",
                hidden.who(),
                hidden.advice()
            ),
            _ => "the network namespace is gone".to_owned(),
        })
    }

    /// What `--netns` takes for a namespace: a name, a path or the id of a process in it.
    #[must_use]
    pub fn word(&self, netns: u32) -> Option<String> {
        self.places.word(netns)
    }

    /// The file that leads to a namespace that is not the own one (nsenter(1)).
    #[must_use]
    pub fn way(&self, netns: u32) -> Option<String> {
        self.places.way(netns)
    }

    /// Tells the sockets of a namespace, of each set of states as much as is asked for.
    pub fn dump(&mut self, netns: u32, asked: &[(StateSet, Detail)], sink: &mut dyn FnMut(Snapshot)) -> Place {
        let began_ns = clock::monotonic_ns();
        for (states, detail) in asked.iter().copied() {
            if states == StateSet(0) {
                continue;
            }
            match self.places.dump(netns, states, detail, sink) {
                Ok(true) => {}
                Ok(false) => return Place::BrokeOff,
                Err(NoWay::Blocked(blocked)) => return Place::Blocked(blocked),
                Err(_) => return Place::Gone,
            }
        }
        Place::Told { began_ns, facts: self.places.facts(netns).ok().map(Box::new) }
    }

    /// Tells the MPTCP connections of a namespace; whether it came to its end. A kernel without `mptcp_diag` has none.
    pub fn dump_mptcp(&mut self, netns: u32, states: StateSet, sink: &mut dyn FnMut(Snapshot)) -> bool {
        self.places.dump_mptcp(netns, states, sink).unwrap_or(false)
    }

    /// Looks at single sockets again: `sink` hears of each, with what it is now, or with nothing where it is gone or
    /// nobody knows.
    pub fn look(&mut self, looks: &[Look], sink: &mut dyn FnMut(Identity, Option<Snapshot>)) {
        let mut by_place: HashMap<u32, Vec<Look>> = HashMap::new();
        for look in looks {
            by_place.entry(look.socket.netns).or_default().push(*look);
        }
        for (netns, looks) in by_place {
            let Ok(socket) = self.places.socket(netns) else {
                looks.iter().for_each(|look| sink(look.socket, None));
                continue;
            };
            socket.look(&looks, &mut |_, answer| match answer {
                LookAnswer::Found(snapshot) => sink(snapshot.socket, Some(snapshot)),
                LookAnswer::Absent(absent) => sink(absent.socket, None),
            });
        }
    }

    /// Names of interfaces, by namespace and index, as far as they are known.
    pub fn interfaces(&mut self, wanted: &BTreeSet<(u32, u32)>) -> Vec<InterfaceName> {
        let name = |(netns, index): &(u32, u32)| self.within(*netns, || interfaces::name(*netns, *index)).ok()?;
        wanted.iter().filter_map(name).collect()
    }

    /// Who holds these sockets; one whose holders could not be searched for in time is left out.
    pub fn holders(&mut self, inodes: &[u32]) -> HashMap<u32, Holders> {
        if inodes.is_empty() { HashMap::new() } else { self.holders.find(inodes) }
    }

    /// Threads that wait in `close()` for a lingering socket (SO_LINGER).
    #[must_use]
    pub fn closers(&self) -> Vec<Closer> {
        closers()
    }

    /// Ends a round: an open socket would keep a dead container's namespace in being.
    pub fn let_go(&mut self) {
        self.places.let_go();
    }
}
