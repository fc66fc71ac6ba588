//! Gathers closes as they happen: which program opens and which closes connections, how long they lived, and which
//! were reset because a listener closed. And connects: how many a second go to one place.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use super::{
    Tuple,
    limits::{CLOSERS_MAX, LISTENERS_MAX, SHORT_NS, SOURCES_MAX, TUPLES_MAX},
};
use crate::model::{Close, Event, EventKind, Reason, Role, State};

/// A program, and the end that its connections have in common. Processes of one name count together: workers of a
/// server, or a shell loop that starts a process for each request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Closer {
    /// The program's name, fit for terminals; empty where the owner is not known.
    pub comm: String,
    /// Destination of connections that this side opened; `None` for accepted ones.
    pub to: Option<(IpAddr, u16)>,
    /// Local port of accepted connections; `None` for those that this side opened.
    pub local_port: Option<u16>,
}

/// What one program did at one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClosesOf {
    /// Process id of the first close; `None` where the owner is not known.
    pub pid: Option<u32>,
    /// Other processes of the same name did so, too.
    pub several: bool,
    /// All closes.
    pub count: u64,
    /// Of these: this side sent the first FIN.
    pub first: u64,
    /// Of these: no exchange of FINs, mostly a reset.
    pub aborted: u64,
    /// Of these: opened less than [`SHORT_NS`] before the close began. Known of connections that this side opened while
    /// closes were followed.
    pub short: u64,
}

/// A listener that closed while connections waited in its accept queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedListener {
    /// Process that closed it; `None` where that is not known.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: crate::model::Comm,
    /// Connections that the kernel reset.
    pub resets: u64,
}

/// The closes of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closes {
    /// For how long they were watched, nanoseconds.
    pub ns: u64,
    /// They are of a capture, which has no list of listeners.
    pub recorded: bool,
    /// All.
    pub count: u64,
    /// Closed first by this side.
    pub active: u64,
    /// Segments with FIN that were sent again.
    pub fin_retransmits: u64,
    /// By program and end.
    pub closers: HashMap<Closer, ClosesOf>,
    /// Closes of programs and ends that had so few that they are no longer told apart.
    pub folded: u64,
    /// The most by which any count in `closers` falls short, and the most that one that is not in it can have.
    pub understated: u64,
    /// Events were lost, so there were more.
    pub lost: u64,
    /// Calls of `connect()`, also those that failed later: each needs a port.
    pub opened: HashMap<Tuple, u64>,
    /// Calls of `connect()` whose tuple was not counted: there are too many.
    pub opened_not_counted: u64,
    /// Calls of `connect()` on sockets that had a local port by then (`bind()`), by source address.
    pub opened_bound: HashMap<IpAddr, u64>,
    /// Listeners that closed with a queue, by port.
    pub closed_listeners: BTreeMap<u16, ClosedListener>,
}

impl Closes {
    /// Counts a close. `listening`: ports that are listened at, where that is known.
    pub fn see(&mut self, close: &Close, listening: &HashSet<u16>) {
        self.count += 1;
        self.fin_retransmits += u64::from(close.retransmits.sent());
        self.active += u64::from(close.role == Role::Active);
        if close.reason == Some(Reason::ListenerClosed) {
            // Nobody opened or accepted it on this side.
            return self.listener_closed(close);
        }
        let (local, remote) = (close.socket.local, close.socket.remote);
        let opened = self.opened_here(close, listening);
        let closer = Closer {
            comm: close.owner.map(|owner| owner.comm.to_string()).unwrap_or_default(),
            to: opened.then(|| (remote.ip(), remote.port)),
            local_port: (!opened).then_some(local.port),
        };
        if self.closers.len() >= CLOSERS_MAX && !self.closers.contains_key(&closer) {
            self.make_room();
        }
        let pid = close.owner.map(|owner| owner.pid);
        let of = self.closers.entry(closer).or_insert(ClosesOf { pid, ..ClosesOf::default() });
        of.several |= of.pid != pid;
        of.count += 1;
        of.first += u64::from(close.role == Role::Active);
        of.aborted += u64::from(close.role == Role::Abort);
        // How long the peer took to close is not the program's doing.
        let lived = close.lifetime_ns.map(|ns| ns.saturating_sub(close.close_ns.unwrap_or(0)));
        of.short += u64::from(lived.is_some_and(|ns| ns < SHORT_NS));
    }

    /// Whether this side called `connect()`. Its event tells, for this connection or others to the same place; a
    /// connection without one was accepted, or is older than what was followed.
    fn opened_here(&self, close: &Close, listening: &HashSet<u16>) -> bool {
        let (local, remote) = (close.socket.local.port, close.socket.remote.port);
        if close.lifetime_ns.is_some() {
            return true;
        }
        if listening.contains(&local) {
            return false;
        }
        // Where listeners are known and this is none, the lower port is most often the service.
        self.opened.contains_key(&Tuple::of(&close.socket)) || (!self.recorded && remote < local)
    }

    /// Lets go of the smaller half of all closers, and remembers how many closes that hides (lossy counting): whoever
    /// has many stays, so the counts that matter are short by [`Self::understated`] at the most.
    fn make_room(&mut self) {
        let mut counts: Vec<u64> = self.closers.values().map(|of| of.count).collect();
        counts.sort_unstable();
        let least = counts.get(counts.len() / 2).copied().unwrap_or(0);
        let folded = &mut self.folded;
        self.closers.retain(|_, of| {
            let stays = of.count > least;
            *folded += if stays { 0 } else { of.count };
            stays
        });
        self.understated += least;
    }

    fn listener_closed(&mut self, close: &Close) {
        let port = close.socket.local.port;
        if self.closed_listeners.len() < LISTENERS_MAX || self.closed_listeners.contains_key(&port) {
            let owner = close.owner;
            let new = ClosedListener {
                pid: owner.map(|owner| owner.pid),
                comm: owner.map(|owner| owner.comm).unwrap_or_default(),
                resets: 0,
            };
            self.closed_listeners.entry(port).or_insert(new).resets += 1;
        }
    }

    /// Counts a `connect()`; other events say nothing here.
    pub fn open(&mut self, event: &Event) {
        let EventKind::Transition { old: State::Close, new: State::SynSent, .. } = event.kind else { return };
        // The local port is not chosen yet, unless by `bind()`; the address is (`tcp_v4_connect()`).
        let tuple = Tuple::of(&event.socket);
        if event.socket.local.port != 0
            && (self.opened_bound.len() < SOURCES_MAX || self.opened_bound.contains_key(&tuple.source))
        {
            *self.opened_bound.entry(tuple.source).or_default() += 1;
        }
        if self.opened.len() >= TUPLES_MAX && !self.opened.contains_key(&tuple) {
            self.opened_not_counted += 1;
            return;
        }
        *self.opened.entry(tuple).or_default() += 1;
    }

    /// So many a second of what was counted, in tenths.
    #[must_use]
    pub fn tenths_a_second(&self, count: u64) -> u64 {
        let tenths = u128::from(count) * 10_000_000_000 / u128::from(self.ns.max(1));
        u64::try_from(tenths).unwrap_or(u64::MAX)
    }

    /// Closers of which `count` is above 0, those with most first.
    #[must_use]
    pub fn most(&self, count: impl Fn(&Closer, &ClosesOf) -> u64) -> Vec<(&Closer, ClosesOf)> {
        let counted = self.closers.iter().map(|(closer, of)| (count(closer, of), closer, *of));
        let mut list: Vec<_> = counted.filter(|(count, ..)| *count > 0).collect();
        list.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        list.into_iter().map(|(_, closer, of)| (closer, of)).collect()
    }

    /// What became of connections that this side opened to one place.
    #[must_use]
    pub fn opened_to(&self, to: (IpAddr, u16)) -> ClosesOf {
        let mut sum = ClosesOf::default();
        for (_, of) in self.closers.iter().filter(|(closer, _)| closer.to == Some(to)) {
            sum.count += of.count;
            sum.first += of.first;
            sum.aborted += of.aborted;
            sum.short += of.short;
        }
        sum
    }
}
