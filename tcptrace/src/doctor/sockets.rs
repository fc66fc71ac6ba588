//! What is counted of the sockets of one namespace.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use super::{
    PortRange,
    ports::{SLICE_S, SLICES, Tuple},
    portset::{PortSet, SourceUse},
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
    /// Inodes, at most [`super::limits::INODES_MAX`].
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
    /// Inodes of those, at most [`super::limits::INODES_MAX`].
    pub fin_wait2_inodes: Vec<u32>,
    /// TIME_WAIT.
    pub time_wait: u64,
    /// Of these: to places that this host connected to.
    pub time_wait_as_client: u64,
    /// The same by destination port.
    pub time_wait_to: BTreeMap<u16, u64>,
    /// Listeners by port.
    pub listeners: BTreeMap<u16, ListenPort>,
    /// Listeners whose queues are full, at most [`super::limits::FULL_QUEUES_MAX`].
    pub full_queues: Vec<FullQueue>,
    /// All of them.
    pub full_queues_total: u64,
    /// Ephemeral ports in use.
    pub tuples: HashMap<Tuple, PortUse>,
    /// The same by source address, and of sockets that are bound. An address of zeros is that of sockets that are bound
    /// to every address.
    pub sources: HashMap<IpAddr, SourceUse>,
    /// Sockets whose source address was not counted: there are too many.
    pub sources_not_counted: u64,
    /// Ports of sockets that are bound, and neither connected nor listening (Linux 6.8 and later list them).
    pub bound: PortSet,
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
