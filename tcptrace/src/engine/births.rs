//! What is remembered of sockets that do not close yet: who connected them and when, and resets just sent.

use std::collections::{HashMap, VecDeque};

use super::{config::DUPLICATE_NS, fate::Fate, table::KeyHasher};
use crate::model::{Endpoint, Identity, Owner, SocketKey};

/// One `connect()`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Birth {
    pub(super) time_ns: u64,
    pub(super) owner: Option<Owner>,
    /// Whom it connected to; the local port is not chosen yet.
    pub(super) netns: u32,
    pub(super) remote: Endpoint,
}

#[derive(Debug)]
pub(super) struct Births {
    map: HashMap<SocketKey, Birth, KeyHasher>,
    max: usize,
}

impl Births {
    pub(super) fn new(max: usize) -> Self {
        Self { map: HashMap::with_hasher(KeyHasher), max }
    }

    /// Remembers a connect; false when there is no room.
    pub(super) fn insert(&mut self, key: SocketKey, birth: Birth) -> bool {
        if self.map.len() >= self.max && !self.map.contains_key(&key) {
            return false;
        }
        self.map.insert(key, birth);
        true
    }

    pub(super) fn remove(&mut self, key: SocketKey) -> Option<Birth> {
        self.map.remove(&key)
    }

    pub(super) fn contains(&self, key: SocketKey) -> bool {
        self.map.contains_key(&key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(SocketKey, &Birth) -> bool) {
        self.map.retain(|key, birth| keep(*key, birth));
    }
}

/// Resets sent or received for connections that do not close yet, for the moment until their `-> CLOSE` comes.
#[derive(Debug, Default)]
pub(super) struct EarlyResets(VecDeque<(SocketKey, Fate)>);

/// The two events are fired by one function, so few can stand between them.
const EARLY_RESETS_MAX: usize = 64;

impl EarlyResets {
    pub(super) fn put(&mut self, key: SocketKey, fate: Fate) {
        if self.0.len() >= EARLY_RESETS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((key, fate));
    }

    pub(super) fn take(&mut self, key: SocketKey) -> Option<Fate> {
        let at = self.0.iter().rposition(|(known, _)| *known == key)?;
        self.0.remove(at).map(|(_, fate)| fate)
    }
}

/// Closes that have just ended, to tell a duplicate of the last event from a socket first seen.
#[derive(Debug, Default)]
pub(super) struct Ended(VecDeque<(SocketKey, [u16; 2], u64)>);

/// More events than one softirq brings.
const ENDED_MAX: usize = 512;

impl Ended {
    pub(super) fn put(&mut self, socket: &Identity, end_ns: u64) {
        if self.0.len() >= ENDED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((socket.key, ports(socket), end_ns));
    }

    /// Whether this socket ended just before `now_ns`. A key that is an address may be another socket's by then, a
    /// life of one event; its ports tell.
    pub(super) fn contains(&self, socket: &Identity, now_ns: u64) -> bool {
        let same = |(key, known, end_ns): &(SocketKey, [u16; 2], u64)| {
            *key == socket.key && *known == ports(socket) && now_ns.saturating_sub(*end_ns) <= DUPLICATE_NS
        };
        self.0.iter().rev().any(same)
    }
}

fn ports(socket: &Identity) -> [u16; 2] {
    [socket.local.port, socket.remote.port]
}
