//! Counts the sockets of one namespace as a dump tells them, in bounded memory.

use super::{
    PortRange, limits,
    ports::{SLICE_S, SLICES, Tuple},
    sockets::{FullQueue, ListenPort, Sockets},
};
use crate::{
    diagnosis::{Signs, diagnose},
    model::{Snapshot, State, StuckCause, TIME_WAIT_MS, Timer},
};

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
        if waiting > limit {
            sockets.full_queues_total += 1;
            if sockets.full_queues.len() < limits::FULL_QUEUES_MAX {
                sockets.full_queues.push(FullQueue { port, waiting, limit, inode });
            }
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
        self.source(snapshot);
        if snapshot.state == State::Close {
            self.sockets.bound.insert(local.port);
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

    fn source(&mut self, snapshot: &Snapshot) {
        let (source, port) = (snapshot.socket.local.ip(), snapshot.socket.local.port);
        let sources = &mut self.sockets.sources;
        if sources.len() >= limits::SOURCES_MAX && !sources.contains_key(&source) {
            self.sockets.sources_not_counted += 1;
            return;
        }
        sources.entry(source).or_default().see(port, snapshot.state == State::TimeWait);
    }
}

fn remember(inodes: &mut Vec<u32>, inode: u32) {
    if inodes.len() < limits::INODES_MAX {
        inodes.push(inode);
    }
}
