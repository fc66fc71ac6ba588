//! Sockets that have one fault in common: leaks of one process or listener, stuck sockets of one service.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use crate::{
    diagnosis::{advice, stuck_advice},
    model::{
        AGE_BUCKETS, FindingReason, GroupOf, Grouped, Holder, Holders, LeakCause, LeakGroup, Listed, REMOTES_MAX,
        Snapshot, StuckGroup, StuckKey,
    },
};

/// Processes named that share a group's sockets.
pub const SHARERS_MAX: usize = 8;

/// A group in the making.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    listener: Vec<Holder>,
    shared_with: BTreeMap<u32, Holder>,
    cgroup: String,
    remotes: HashMap<IpAddr, u64>,
    sockets: Vec<Listed>,
}

/// Whose a socket is.
pub(super) fn group_of(snapshot: &Snapshot, holders: Option<&Holders>) -> GroupOf {
    match holders.and_then(|holders| holders.list.first()) {
        _ if snapshot.inode == 0 => {
            GroupOf::Listener { netns: snapshot.socket.netns, port: snapshot.socket.local.port }
        }
        Some(first) => GroupOf::Process { pid: first.pid, comm: first.comm.clone() },
        None => GroupOf::Unknown,
    }
}

impl Gathering {
    /// The oldest come first. `holders` are those of the socket, or of its listener where it is `held` by nobody.
    pub(super) fn add(&mut self, listed: Listed, holders: Option<&Holders>, held: bool) {
        if let Some([first, others @ ..]) = holders.map(|holders| holders.list.as_slice()) {
            if self.cgroup.is_empty() {
                self.cgroup.clone_from(&first.cgroup);
            }
            if !held && self.listener.is_empty() {
                self.listener = holders.map(|holders| holders.list.clone()).unwrap_or_default();
            }
            for other in others.iter().filter(|_| held) {
                if self.shared_with.len() < SHARERS_MAX {
                    self.shared_with.entry(other.pid).or_insert_with(|| other.clone());
                }
            }
        }
        *self.remotes.entry(listed.finding.socket.remote.ip()).or_default() += 1;
        self.sockets.push(listed);
    }

    pub(super) fn count(&self) -> u64 {
        self.sockets.len() as u64
    }

    fn grouped(self, growth_per_minute: Option<i64>) -> (Grouped, Vec<Listed>) {
        let mut ages = [0; AGE_BUCKETS.len()];
        for Listed { finding, .. } in &self.sockets {
            count(&mut ages, AGE_BUCKETS.iter().position(|(_, end_ns)| finding.age_ns < *end_ns));
        }
        let oldest = self.sockets.first().map(|listed| &listed.finding);
        let remotes_total = self.remotes.len() as u64;
        let mut remotes: Vec<(IpAddr, u64)> = self.remotes.into_iter().collect();
        remotes.sort_by_key(|(ip, count)| (std::cmp::Reverse(*count), *ip));
        remotes.truncate(REMOTES_MAX);
        let grouped = Grouped {
            listener: self.listener,
            shared_with: self.shared_with.into_values().collect(),
            cgroup: self.cgroup,
            count: self.sockets.len() as u64,
            mptcp: self.sockets.iter().filter(|listed| listed.finding.mptcp).count() as u64,
            oldest_ns: oldest.map_or(0, |finding| finding.age_ns),
            oldest_is_lower_bound: oldest.is_some_and(|finding| finding.age_is_lower_bound),
            growth_per_minute,
            ages,
            remotes,
            remotes_total,
        };
        (grouped, self.sockets)
    }

    pub(super) fn finish(self, of: GroupOf, growth_per_minute: Option<i64>) -> LeakGroup {
        let (grouped, sockets) = self.grouped(growth_per_minute);
        let mut by_cause = [0; LeakCause::ALL.len()];
        for Listed { finding, .. } in &sockets {
            count(&mut by_cause, LeakCause::ALL.iter().position(|cause| finding.reason == FindingReason::Leak(*cause)));
        }
        // The first of several that are as common: the one that says most.
        let most = by_cause.iter().max().copied().unwrap_or(0);
        let commonest = LeakCause::ALL.into_iter().zip(by_cause).find(|(_, count)| *count == most);
        let cause = commonest.map_or(LeakCause::Unknown, |(cause, _)| cause);
        LeakGroup {
            of,
            listener: grouped.listener,
            shared_with: grouped.shared_with,
            cgroup: grouped.cgroup,
            count: grouped.count,
            oldest_ns: grouped.oldest_ns,
            oldest_is_lower_bound: grouped.oldest_is_lower_bound,
            growth_per_minute,
            ages: grouped.ages,
            remotes: grouped.remotes,
            remotes_total: grouped.remotes_total,
            by_cause,
            cause,
            advice: advice(cause),
            sockets,
        }
    }

    pub(super) fn finish_stuck(self, key: StuckKey, growth_per_minute: Option<i64>) -> StuckGroup {
        let (group, sockets) = self.grouped(growth_per_minute);
        let advice = stuck_advice(key.cause, group.mptcp == group.count);
        let (unsent_bytes, unacked_bytes, gives_up_ns, never_give_up) = (0, 0, None, 0);
        let mut stuck = StuckGroup {
            key,
            group,
            unsent_bytes,
            unacked_bytes,
            gives_up_ns,
            never_give_up,
            advice,
            sockets: Vec::new(),
        };
        for diagnosis in sockets.iter().filter_map(|listed| listed.finding.diagnosis) {
            stuck.unsent_bytes += u64::from(diagnosis.unsent_bytes.unwrap_or(0));
            stuck.unacked_bytes += u64::from(diagnosis.unacked_bytes.unwrap_or(0));
            stuck.add_end(diagnosis.gives_up);
        }
        StuckGroup { sockets, ..stuck }
    }
}

pub(super) fn count(counts: &mut [u64], place: Option<usize>) {
    if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
        *count += 1;
    }
}
