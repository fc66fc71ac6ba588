//! Listening sockets, whose queues hold what was never accepted.

use std::collections::HashMap;

use crate::model::{Identity, Snapshot};

/// Listeners that are remembered in a round; sockets of those beyond are listed without a listener's holder.
pub const LISTENERS_MAX: usize = 1 << 15;

/// By namespace and port.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_port: HashMap<(u32, u16), Vec<Snapshot>>,
    count: usize,
}

impl Listeners {
    pub(super) fn learn(&mut self, snapshot: &Snapshot) {
        if self.count < LISTENERS_MAX {
            self.count += 1;
            self.by_port.entry((snapshot.socket.netns, snapshot.socket.local.port)).or_default().push(*snapshot);
        }
    }

    /// The one whose queue a socket is in, most likely: bound to its address rather than to any, and of several of
    /// these (SO_REUSEPORT) the one with the longest queue.
    pub(super) fn of(&self, socket: &Identity) -> Option<&Snapshot> {
        let place = (socket.netns, socket.local.port);
        let rank = |listener: &&Snapshot| (listener.socket.local.ip() == socket.local.ip(), listener.recv_queue_bytes);
        let fits = |listener: &&Snapshot| {
            let ip = listener.socket.local.ip();
            ip == socket.local.ip() || ip.is_unspecified()
        };
        self.by_port.get(&place)?.iter().filter(fits).max_by_key(rank)
    }
}
