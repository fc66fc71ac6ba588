//! Gathers closes as they happen: who closes first, and who closes connections that lived but a moment. And connects:
//! how many a second go to one place.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    Tuple,
    limits::{CLOSERS_MAX, SHORT_NS, TUPLES_MAX},
};
use crate::model::{Close, Event, EventKind, Role, State};

/// A process that closed first, and at which end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Closer {
    /// Process id; `None` where the owner is not known.
    pub pid: Option<u32>,
    /// Its name, fit for terminals; empty where the owner is not known.
    pub comm: String,
    /// Where to, of a connection that this side opened; `None` where the other side did, or it is not known who did.
    pub to: Option<(IpAddr, u16)>,
    /// The local port, where the other side opened the connection or it is not known who did.
    pub local_port: Option<u16>,
}

/// What one closer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClosesOf {
    /// Connections that it closed first.
    pub count: u64,
    /// Of these: opened less than [`SHORT_NS`] before they were over, without the wait for the peer's FIN.
    pub short: u64,
}

/// The closes of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closes {
    /// For how long they were watched, nanoseconds.
    pub ns: u64,
    /// All.
    pub count: u64,
    /// Closed first by this side.
    pub active: u64,
    /// Segments with FIN that were sent again.
    pub fin_retransmits: u64,
    /// By closer.
    pub closers: HashMap<Closer, ClosesOf>,
    /// Closes whose closer was not counted: there are too many.
    pub not_counted: u64,
    /// Events were lost, so there were more.
    pub lost: u64,
    /// Calls of `connect()`, also those that failed later: each needs a port.
    pub opened: HashMap<Tuple, u64>,
    /// Calls of `connect()` whose tuple was not counted: there are too many.
    pub opened_not_counted: u64,
}

impl Closes {
    /// Counts a close. `listening`: ports that are listened at, which tells who opened a connection whose beginning was
    /// not seen.
    pub fn see(&mut self, close: &Close, listening: &HashSet<u16>) {
        self.count += 1;
        self.fin_retransmits += u64::from(close.retransmits.sent());
        if close.role != Role::Active {
            return;
        }
        self.active += 1;
        let (local, remote) = (close.socket.local, close.socket.remote);
        let opened_here = close.lifetime_ns.is_some() || !listening.contains(&local.port);
        let closer = Closer {
            pid: close.owner.map(|owner| owner.pid),
            comm: close.owner.map(|owner| owner.comm.to_string()).unwrap_or_default(),
            to: opened_here.then(|| (remote.ip(), remote.port)),
            local_port: (!opened_here).then_some(local.port),
        };
        if self.closers.len() >= CLOSERS_MAX && !self.closers.contains_key(&closer) {
            self.not_counted += 1;
            return;
        }
        let of = self.closers.entry(closer).or_default();
        of.count += 1;
        // How long the peer took to close is not the program's doing.
        let lived = close.lifetime_ns.map(|ns| ns.saturating_sub(close.close_ns.unwrap_or(0)));
        of.short += u64::from(lived.is_some_and(|ns| ns < SHORT_NS));
    }

    /// Counts a `connect()`; other events say nothing here.
    pub fn open(&mut self, event: &Event) {
        let EventKind::Transition { old: State::Close, new: State::SynSent, .. } = event.kind else { return };
        // The local port is not chosen yet, the address is (`tcp_v4_connect()`).
        let tuple = Tuple::of(&event.socket);
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

    /// Closers, those with most closes first.
    #[must_use]
    pub fn by_count(&self) -> Vec<(&Closer, ClosesOf)> {
        let mut list: Vec<(&Closer, ClosesOf)> = self.closers.iter().map(|(closer, of)| (closer, *of)).collect();
        list.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));
        list
    }
}
