//! Orphans whose peer is on this host, in the same namespace: the peer's own events tell when its FIN came, more
//! closely than a look does, and nobody has to ask. They tell its reset, too, which a look has to confirm.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::{
    closing::Closing,
    config::{PEER_NS, YOUNG_NS},
    judge::Verdict,
    run::Engine,
    table::{SlotId, Table},
};
use crate::model::{Endpoint, Identity, Outcome, State};

/// Orphans that wait for their peers, by their ends. Remote ends choose a part of those, hence the keyed hash. No more
/// than there are closes in the table.
#[derive(Debug, Default)]
pub(super) struct Peers {
    orphans: HashTable<SlotId>,
    keys: RandomState,
}

impl Peers {
    /// An older entry with the same ends is left to looks.
    pub(super) fn insert(&mut self, table: &Table, id: SlotId) {
        let Some(socket) = table.get(id).map(|closing| closing.socket).filter(stays_inside) else { return };
        let Self { orphans, keys } = self;
        if let Ok(mut entry) = orphans.find_entry(hash(keys, &socket), |other| has_ends(table, *other, &socket)) {
            *entry.get_mut() = id;
            return;
        }
        let rehash = |id: &SlotId| table.get(*id).map_or(0, |closing| hash(keys, &closing.socket));
        orphans.insert_unique(hash(keys, &socket), id, rehash);
    }

    pub(super) fn remove(&mut self, table: &Table, id: SlotId) {
        let Some(closing) = table.get(id) else { return };
        if let Ok(entry) = self.orphans.find_entry(hash(&self.keys, &closing.socket), |other| *other == id) {
            entry.remove();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.orphans.len()
    }

    fn find<'a>(&self, table: &'a Table, socket: &Identity) -> Option<(SlotId, &'a Closing)> {
        let id = *self.orphans.find(hash(&self.keys, socket), |id| has_ends(table, *id, socket))?;
        Some((id, table.get(id)?))
    }
}

/// Whether both ends are certainly of this namespace: a host speaks with itself from the address that it speaks to, or
/// over loopback. Elsewhere a proxy may have the mirrored ends for a connection of its own (`IP_TRANSPARENT`); here it
/// cannot, for they are taken.
fn stays_inside(socket: &Identity) -> bool {
    let (local, remote) = (socket.local.ip(), socket.remote.ip());
    local == remote || (local.is_loopback() && remote.is_loopback())
}

fn hash(keys: &RandomState, socket: &Identity) -> u64 {
    let Endpoint { port, .. } = socket.local;
    keys.hash_one((socket.netns, port, socket.remote.port, u128::from_ne_bytes(socket.remote.octets())))
}

fn has_ends(table: &Table, id: SlotId, socket: &Identity) -> bool {
    let ends = |socket: &Identity| (socket.netns, socket.local, socket.remote);
    table.get(id).is_some_and(|closing| ends(&closing.socket) == ends(socket))
}

impl Engine {
    /// A close is over. If it was the passive one of an orphan that waits, its FIN met the timewait socket
    /// (`tcp_timewait_state_process()`) between its LAST_ACK and its CLOSE, which the acknowledgement brought
    /// (`tcp_rcv_state_process()`).
    pub(super) fn tell_peer(&mut self, id: SlotId, verdict: Verdict, acked_ns: u64) {
        if self.peers.orphans.is_empty() || verdict.0 != Outcome::Fin {
            return;
        }
        let Some(peer) = self.table.get(id).filter(|peer| peer.state == State::LastAck && peer.since_known()) else {
            return;
        };
        let Some((id, closed_ns)) = self.orphan_of(peer) else { return };
        let from_ns = peer.since_ns.max(closed_ns);
        let Some(span_ns) = acked_ns.checked_sub(from_ns).filter(|span_ns| *span_ns <= PEER_NS) else { return };
        self.stop_waiting(id);
        self.orphan_closed(id, from_ns.saturating_add(span_ns / 2), acked_ns);
    }
}

impl Engine {
    /// The orphan whose peer this is, and when it was handed over. The orphan's FIN began the peer's close, and its
    /// acknowledgement the orphan's FIN_WAIT2. Another connection that has had these ends since does not fit in
    /// between.
    fn orphan_of(&self, peer: &Closing) -> Option<(SlotId, u64)> {
        let (id, orphan) = self.peers.find(&self.table, &mirrored(&peer.socket))?;
        let closed_ns = orphan.rare.fate().map_or(0, |fate| fate.closed_ns);
        let fits = peer.begun_known() && orphan.begun_ns <= peer.begun_ns && peer.begun_ns <= closed_ns;
        fits.then_some((id, closed_ns))
    }

    /// A reset was sent for a socket that had the peer's FIN and sent none. If that peer is an orphan that waits, its
    /// timewait socket is gone now (`tcp_timewait_state_process()`, `kill`), unless a firewall dropped the reset: that
    /// a look tells, and this says what it was and when.
    pub(super) fn tell_peer_of_reset(&mut self, id: SlotId, time_ns: u64) {
        if self.peers.orphans.is_empty() {
            return;
        }
        let Some(peer) = self.table.get(id) else { return };
        let ended_in = peer.rare.fate().and_then(|fate| fate.end).map_or(peer.state, |end| end.old);
        if ended_in != State::CloseWait {
            return;
        }
        let Some((id, closed_ns)) = self.orphan_of(peer).filter(|(_, closed_ns)| *closed_ns <= time_ns) else { return };
        let Some(orphan) = self.table.get_mut(id) else { return };
        orphan.rare.some_fate().peer_reset_ns = Some(time_ns.max(closed_ns));
        // One that lingers is not due soon.
        if orphan.lane.is_none() && orphan.rare.asked().is_none() {
            self.schedule.set(&mut self.table, id, time_ns.saturating_add(YOUNG_NS));
        }
    }
}

/// The same connection as the other end has it.
fn mirrored(socket: &Identity) -> Identity {
    Identity { local: socket.remote, remote: socket.local, ..*socket }
}
