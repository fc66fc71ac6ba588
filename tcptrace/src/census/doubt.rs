//! Sockets that may be old enough: for how long to wait, and which of them to look at again.

use std::collections::HashSet;

use super::{Census, follow::Known};
use crate::model::{Look, Mptcp};

/// After this time, nanoseconds, the sockets in passing are gone: no close in good health takes longer on a network of
/// this planet. Nobody waits for more than these before the others are told apart.
pub const PASSES_NS: u64 = 250_000_000;
/// For longer than this, nanoseconds, a single look at a host waits for nobody: a person waits for it, and what runs
/// checks kills one after some tens of seconds.
pub const PATIENCE_NS: u64 = 10_000_000_000;

impl Census {
    /// Sockets that may be old enough and are not known to be, where waiting for this time (nanoseconds) shows it.
    fn doubtful(&self, patience_ns: u64) -> impl Iterator<Item = &Known> {
        self.followed.seen().map(|(_, known)| known).filter(move |known| {
            let missing_ns = self.threshold_ns.saturating_sub(self.age_ns(known));
            missing_ns > 0 && missing_ns <= patience_ns && !self.is_young(known)
        })
    }

    /// For how long to wait until the sockets in doubt are looked at again, where so much of this round has passed,
    /// both in nanoseconds; `None` where nobody is in doubt, or waiting would take too long.
    #[must_use]
    pub fn wait_ns(&self, waited_ns: u64) -> Option<u64> {
        let left_ns = self.patience_ns.saturating_sub(waited_ns);
        let missing_ns = self.doubtful(left_ns).map(|known| self.threshold_ns.saturating_sub(self.age_ns(known))).max();
        // Most that are there only in passing are gone after a moment.
        missing_ns.map(|ns| if waited_ns == 0 { ns.min(PASSES_NS) } else { ns })
    }

    /// The sockets to look at again, and the namespaces whose MPTCP connections are in doubt.
    #[must_use]
    pub fn second_looks(&self, waited_ns: u64) -> (Vec<Look>, HashSet<u32>) {
        Self::looks_at(self.doubtful(self.patience_ns.saturating_sub(waited_ns)))
    }

    /// The same of sockets that will be listed: after a wait, they may be gone.
    #[must_use]
    pub fn last_looks(&self) -> (Vec<Look>, HashSet<u32>) {
        Self::looks_at(self.followed.seen().map(|(_, known)| known).filter(|known| self.is_listed(known)))
    }

    fn looks_at<'a>(sockets: impl Iterator<Item = &'a Known>) -> (Vec<Look>, HashSet<u32>) {
        let mut looks = Vec::new();
        let mut mptcp = HashSet::new();
        for Known { snapshot, .. } in sockets {
            if matches!(snapshot.mptcp, Mptcp::Connection(_)) {
                mptcp.insert(snapshot.socket.netns);
            } else {
                looks.push(Look { socket: snapshot.socket, bound_if: snapshot.bound_if, holders: false });
            }
        }
        (looks, mptcp)
    }

    /// MPTCP connections of a namespace, which are told anew: who is not among them is gone.
    pub fn begin_mptcp(&mut self, netns: u32) {
        self.followed.unsee_mptcp(netns);
    }
}
