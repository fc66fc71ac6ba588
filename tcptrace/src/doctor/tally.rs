//! Counts the sockets of one namespace as a dump tells them, in bounded memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    PortRange, limits,
    ports::{SLICE_S, SLICES, Tuple},
};
use crate::{
    diagnosis::{Signs, diagnose},
    model::{Snapshot, State, StuckCause, TIME_WAIT_MS, Timer},
};

/// Ports of one tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortUse {
    /// By sockets that are no TIME_WAIT.
    pub held: u64,
    /// By TIME_WAIT sockets, by the time since that began, slices of 10 seconds, youngest first.
    pub time_wait: [u64; SLICES],
}

impl PortUse {
    /// In TIME_WAIT.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.time_wait.iter().sum()
    }

    /// In TIME_WAIT for less than that, if within each slice they began evenly.
    #[must_use]
    pub(super) fn younger_than(&self, ms: u64) -> u64 {
        let mut rest_ms = ms;
        let mut count = 0_u64;
        for slice in self.time_wait {
            let part_ms = rest_ms.min(SLICE_S * 1000);
            count = count.saturating_add(slice.saturating_mul(part_ms).div_ceil(SLICE_S * 1000));
            rest_ms -= part_ms;
        }
        count
    }
}

/// A port that is listened at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenPort {
    /// Inode of the first listener.
    pub inode: u32,
    /// TIME_WAIT sockets at it: this side closed first.
    pub time_wait: u64,
}

/// A listener whose accept queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullQueue {
    /// Its port.
    pub port: u16,
    /// Connections that wait for `accept()`.
    pub waiting: u32,
    /// As many as fit (`sk_max_ack_backlog`); the kernel takes one more (`sk_acceptq_is_full()`).
    pub limit: u32,
    /// Its inode.
    pub inode: u32,
}

/// Long idle connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdleSockets {
    /// Without a keep-alive timer.
    pub count: u64,
    /// The longest idle, milliseconds.
    pub longest_ms: u64,
    /// Inodes, at most [`limits::INODES_MAX`].
    pub inodes: Vec<u32>,
    /// As long idle, with the timer.
    pub with_timer: u64,
}

/// All counts of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Established ones.
    pub established: u64,
    /// FIN_WAIT1, CLOSING, LAST_ACK: those whose FIN is out, or data before it, and is not acknowledged.
    pub fin_unacked: u64,
    /// Of these: held by no program.
    pub fin_unacked_orphans: u64,
    /// Sum of `icsk_retransmits` of these.
    pub retransmits: u64,
    /// FIN_WAIT1, CLOSING, LAST_ACK whose FIN cannot leave: the peer's window is closed, data before it is unsent, or
    /// this host drops what it sends.
    pub unsendable: u64,
    /// Of these: held by no program.
    pub unsendable_orphans: u64,
    /// Of these: behind a closed window.
    pub zero_window: u64,
    /// Of these: this host drops what it sends.
    pub local_drop: u64,
    /// Bytes queued in these.
    pub unsendable_bytes: u64,
    /// Memory that their send queues take, bytes; not known of a capture.
    pub unsendable_memory_bytes: Option<u64>,
    /// Orphans in FIN_WAIT2, most of them as timewait sockets.
    pub fin_wait2_orphans: u64,
    /// Of these: full sockets, which `tcp_fin_timeout` above 60 s makes (`__tcp_close()`).
    pub fin_wait2_full: u64,
    /// Sockets in FIN_WAIT2 that programs hold.
    pub fin_wait2_held: u64,
    /// Inodes of those, at most [`limits::INODES_MAX`].
    pub fin_wait2_inodes: Vec<u32>,
    /// TIME_WAIT.
    pub time_wait: u64,
    /// Of these: to places that this host connected to.
    pub time_wait_as_client: u64,
    /// The same by destination port.
    pub time_wait_to: BTreeMap<u16, u64>,
    /// Listeners by port.
    pub listeners: BTreeMap<u16, ListenPort>,
    /// Listeners whose queues are full.
    pub full_queues: Vec<FullQueue>,
    /// Ephemeral ports in use.
    pub tuples: HashMap<Tuple, PortUse>,
    /// Established and without traffic for long.
    pub idle: IdleSockets,
    /// Sockets whose tuple was not counted: there are too many.
    pub tuples_not_counted: u64,
    /// They are of a capture: sockets in states of a close, and the least numbers of TIME_WAIT.
    pub closing_only: bool,
}

impl Sockets {
    /// Inodes whose holders rules will name.
    #[must_use]
    pub fn inodes(&self) -> Vec<u32> {
        let listening =
            self.listeners.values().filter(|listener| listener.time_wait > 0).map(|listener| listener.inode);
        let full = self.full_queues.iter().map(|queue| queue.inode);
        let all = self.fin_wait2_inodes.iter().chain(&self.idle.inodes).copied().chain(listening).chain(full);
        all.filter(|inode| *inode != 0).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// All that `tcp_max_tw_buckets` counts (`tw_refcount`): TIME_WAIT, and orphans in FIN_WAIT2.
    #[must_use]
    pub fn timewait_sockets(&self) -> u64 {
        self.time_wait.saturating_add(self.fin_wait2_orphans.saturating_sub(self.fin_wait2_full))
    }

    /// Ports that are listened at.
    #[must_use]
    pub fn listening_in(&self, range: PortRange) -> BTreeSet<u16> {
        self.listeners.keys().copied().filter(|port| range.has(*port)).collect()
    }
}

/// Counts. Listeners have to come first: who has a listener's port is no client.
#[derive(Debug)]
pub struct Tally {
    sockets: Sockets,
    range: Option<PortRange>,
    idle_after_ms: u64,
}

impl Tally {
    /// One that has counted nothing. Without a `range`, ports are not counted.
    #[must_use]
    pub fn new(range: Option<PortRange>, idle_after_ms: u64) -> Self {
        Self { sockets: Sockets::default(), range, idle_after_ms }
    }

    /// What was counted.
    #[must_use]
    pub fn finish(self) -> Sockets {
        self.sockets
    }

    /// Counts a socket.
    pub fn see(&mut self, snapshot: &Snapshot) {
        match snapshot.state {
            State::Listen => return self.listener(snapshot),
            State::Established => self.established(snapshot),
            State::FinWait1 | State::Closing | State::LastAck => self.fin_queued(snapshot),
            State::FinWait2 => self.fin_wait2(snapshot),
            State::TimeWait => self.time_wait(snapshot),
            _ => {}
        }
        self.port(snapshot);
    }

    fn listener(&mut self, snapshot: &Snapshot) {
        let (port, inode) = (snapshot.socket.local.port, snapshot.inode);
        let sockets = &mut self.sockets;
        if sockets.listeners.len() < limits::LISTENERS_MAX || sockets.listeners.contains_key(&port) {
            sockets.listeners.entry(port).or_insert(ListenPort { inode, time_wait: 0 });
        }
        // `inet_diag_msg_common_fill()`: the receive queue is `sk_ack_backlog`, the send queue `sk_max_ack_backlog`.
        let (waiting, limit) = (snapshot.recv_queue_bytes, snapshot.send_queue_bytes);
        if waiting > limit && sockets.full_queues.len() < limits::INODES_MAX {
            sockets.full_queues.push(FullQueue { port, waiting, limit, inode });
        }
    }

    fn established(&mut self, snapshot: &Snapshot) {
        self.sockets.established += 1;
        let Some(info) = snapshot.info.as_ref().filter(|_| snapshot.inode != 0) else { return };
        let idle_ms = u64::from(info.last_data_sent_ms.min(info.last_data_recv_ms).min(info.last_ack_recv_ms));
        if idle_ms < self.idle_after_ms {
            return;
        }
        let idle = &mut self.sockets.idle;
        match snapshot.timer {
            Timer::None => {
                idle.count += 1;
                idle.longest_ms = idle.longest_ms.max(idle_ms);
                remember(&mut idle.inodes, snapshot.inode);
            }
            // Whoever waits for an answer to a segment or a probe notices a dead peer.
            Timer::Keepalive => idle.with_timer += 1,
            Timer::Retransmit | Timer::Probe | Timer::TimeWait => {}
        }
    }

    fn fin_queued(&mut self, snapshot: &Snapshot) {
        let orphan = u64::from(snapshot.inode == 0);
        let cause = diagnose(snapshot, None, Signs::default()).cause;
        let sockets = &mut self.sockets;
        match cause {
            StuckCause::ZeroWindow | StuckCause::UnsentData | StuckCause::LocalDrop => {
                sockets.unsendable += 1;
                sockets.unsendable_orphans += orphan;
                sockets.zero_window += u64::from(cause == StuckCause::ZeroWindow);
                sockets.local_drop += u64::from(cause == StuckCause::LocalDrop);
                sockets.unsendable_bytes += u64::from(snapshot.send_queue_bytes);
                if let Some(bytes) = snapshot.info.and_then(|info| info.send_memory_bytes) {
                    *sockets.unsendable_memory_bytes.get_or_insert(0) += u64::from(bytes);
                }
            }
            _ => {
                sockets.fin_unacked += 1;
                sockets.fin_unacked_orphans += orphan;
                sockets.retransmits += snapshot.info.map_or(0, |info| u64::from(info.retransmits));
            }
        }
    }

    fn fin_wait2(&mut self, snapshot: &Snapshot) {
        if snapshot.timewait || snapshot.inode == 0 {
            self.sockets.fin_wait2_orphans += 1;
            self.sockets.fin_wait2_full += u64::from(!snapshot.timewait);
        } else {
            self.sockets.fin_wait2_held += 1;
            remember(&mut self.sockets.fin_wait2_inodes, snapshot.inode);
        }
    }

    fn time_wait(&mut self, snapshot: &Snapshot) {
        self.sockets.time_wait += 1;
        match self.sockets.listeners.get_mut(&snapshot.socket.local.port) {
            Some(listener) => listener.time_wait += 1,
            None => {
                self.sockets.time_wait_as_client += 1;
                *self.sockets.time_wait_to.entry(snapshot.socket.remote.port).or_default() += 1;
            }
        }
    }

    /// A socket with an ephemeral port that nobody listens at takes that port from its tuple.
    fn port(&mut self, snapshot: &Snapshot) {
        let local = snapshot.socket.local;
        let is_ephemeral = self.range.is_some_and(|range| range.has(local.port));
        if !is_ephemeral || self.sockets.listeners.contains_key(&local.port) {
            return;
        }
        let tuple = Tuple::of(&snapshot.socket);
        let known = self.sockets.tuples.len();
        if known >= limits::TUPLES_MAX && !self.sockets.tuples.contains_key(&tuple) {
            self.sockets.tuples_not_counted += 1;
            return;
        }
        let used = self.sockets.tuples.entry(tuple).or_default();
        if snapshot.state == State::TimeWait {
            let since_s = u64::from(TIME_WAIT_MS.saturating_sub(snapshot.expires_ms)) / 1000;
            let slice = usize::try_from(since_s / SLICE_S).unwrap_or(SLICES).min(SLICES - 1);
            if let Some(count) = used.time_wait.get_mut(slice) {
                *count += 1;
            }
        } else {
            used.held += 1;
        }
    }
}

fn remember(inodes: &mut Vec<u32>, inode: u32) {
    if inodes.len() < limits::INODES_MAX {
        inodes.push(inode);
    }
}
