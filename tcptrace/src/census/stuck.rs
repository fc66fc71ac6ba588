//! The report of `tcptrace stuck`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Census,
    follow::{self, Known},
    groups::Gathering,
};
use crate::{
    diagnosis::{Signs, diagnose},
    model::{
        Closer, Closing, FindingReason, GivesUp, Holders, Identity, Listed, Snapshot, State, StuckCause, StuckKey,
        StuckOf, StuckReport,
    },
};

/// The ports that `connect()` takes where the namespace's own range is not known (`inet_net_init()`).
const EPHEMERAL: (u16, u16) = (32_768, 60_999);

/// What is known of those who have the sockets: holders by inode, and threads that wait in `close()`.
#[derive(Clone, Copy, Debug)]
pub struct Owners<'a> {
    /// Of each inode that was looked for.
    pub holders: &'a HashMap<u32, Holders>,
    /// Of the whole host.
    pub closers: &'a [Closer],
}

impl Census {
    /// Whether sockets will be listed that nobody has among its files, though they are no orphans: a `close()` may wait
    /// for them.
    #[must_use]
    pub fn may_be_closing(&self, holders: &HashMap<u32, Holders>) -> bool {
        self.followed.seen().any(|(_, known)| self.is_listed(known) && waits(&known.snapshot, holders))
    }

    /// Namespaces and inodes of all sockets that a `close()` may wait for. Subflows share that of their connection.
    pub(super) fn may_linger(&self) -> impl Iterator<Item = (u32, u32)> {
        let seen = self.followed.seen().map(|(_, known)| &known.snapshot).filter(|snapshot| may_linger(snapshot));
        seen.map(|snapshot| (snapshot.socket.netns, snapshot.inode)).chain(self.others.iter().copied())
    }

    /// How many sockets of each namespace nobody is known to have.
    fn waiting(&self, holders: &HashMap<u32, Holders>) -> HashMap<u32, u64> {
        let is_held = |inode: &u32| holders.get(inode).is_some_and(|holders| holders.total > 0);
        let all: HashSet<(u32, u32)> = self.may_linger().filter(|(_, inode)| !is_held(inode)).collect();
        let mut counts = HashMap::new();
        all.into_iter().for_each(|(netns, _)| *counts.entry(netns).or_default() += 1);
        counts
    }

    /// Ends a round that looked for stuck sockets. `admits` leaves out what the user does not want to see; an orphan is
    /// nobody's, and a socket whose `close()` waits is that of the process.
    pub fn stuck(&mut self, time_ns: u64, owners: Owners<'_>, admits: impl Fn(&Holders) -> bool) -> StuckReport {
        let (listed, round) = self.close_round(time_ns);
        let mut report = StuckReport { round, ..StuckReport::default() };
        let waiting = self.waiting(owners.holders);
        let nobody = Holders::default();
        let mut groups: HashMap<StuckKey, Gathering> = HashMap::new();
        for known in listed {
            let snapshot = &known.snapshot;
            let holders = owners.holders.get(&snapshot.inode);
            let closing = self.closing(&known, owners, &waiting);
            let by_closing = closing.as_ref().map(Closing::holders);
            if !admits(by_closing.as_ref().or(holders).unwrap_or(&nobody)) {
                continue;
            }
            let Some(mut finding) = self.finding(&known, holders.cloned().map(Arc::new)) else { continue };
            if let Some(closing) = &closing {
                finding.owner = closing.owner();
                // As long as SO_LINGER says, which nothing shows.
                finding.diagnosis.iter_mut().for_each(|diagnosis| diagnosis.gives_up = GivesUp::Unknown);
            }
            let FindingReason::Stuck(cause) = finding.reason else { continue };
            let place = StuckCause::ALL.iter().position(|known| *known == cause);
            super::groups::count(&mut report.by_reason, place);
            let (of, held) = self.stuck_of(snapshot, holders, closing.as_ref());
            if let StuckOf::Process { pid, comm } = &of {
                self.had.insert(follow::key(&snapshot.socket), (*pid, comm.clone()));
            }
            let listener = self.listeners.of(&snapshot.socket).and_then(|listener| owners.holders.get(&listener.inode));
            let shown = match &of {
                StuckOf::Process { .. } if closing.is_some() => by_closing.as_ref(),
                StuckOf::Service { .. } => listener,
                _ => holders,
            };
            let key = StuckKey { of, kind: finding.kind, cause };
            let listed = Listed { finding, fin_rto: fin_rto(snapshot), closing };
            groups.entry(key).or_default().add(listed, shown, held);
        }
        self.finish_stuck(report, groups)
    }

    fn finish_stuck(&mut self, mut report: StuckReport, groups: HashMap<StuckKey, Gathering>) -> StuckReport {
        let time_ns = report.round.time_ns;
        let present: HashSet<StuckKey> = groups.keys().cloned().collect();
        for (key, gathering) in groups {
            let growth = self.stuck_trends.record(&key, time_ns, gathering.count());
            report.groups.push(gathering.finish_stuck(key, growth));
        }
        let listed = report.groups.iter().flat_map(|group| &group.sockets);
        let mut round = report.round;
        self.end_round(&mut round, listed.map(|listed| &listed.finding.socket));
        report.round = round;
        self.stuck_trends.end(time_ns, &present);
        let followed = &self.followed;
        self.had.retain(|key, _| followed.has(*key));
        report.groups.sort_by(|a, b| b.group.count.cmp(&a.group.count).then_with(|| a.key.cmp(&b.key)));
        report
    }

    /// Whose a socket is, and whether somebody has it yet.
    fn stuck_of(&self, snapshot: &Snapshot, holders: Option<&Holders>, closing: Option<&Closing>) -> (StuckOf, bool) {
        let process = |pid, comm: &str| (StuckOf::Process { pid, comm: comm.to_owned() }, true);
        if let Some(closer) = closing.and_then(Closing::process) {
            return process(closer.pid, &closer.comm);
        }
        if snapshot.inode != 0 {
            let first = holders.and_then(|holders| holders.list.first());
            return first.map_or((StuckOf::Unknown, true), |first| process(first.pid, &first.comm));
        }
        if let Some((pid, comm)) = self.had.get(&follow::key(&snapshot.socket)) {
            return (StuckOf::Left { pid: *pid, comm: comm.clone() }, false);
        }
        let netns = snapshot.socket.netns;
        let (local, remote) = (snapshot.socket.local.port, snapshot.socket.remote.port);
        let facts = self.facts.get(&netns);
        let (low, high) = facts.and_then(|facts| facts.port_low.zip(facts.port_high)).unwrap_or(EPHEMERAL);
        let is_ephemeral = |port| (low..=high).contains(&port);
        let of = if self.listeners.of(&snapshot.socket).is_some() || !is_ephemeral(local) {
            StuckOf::Service { netns, port: local }
        } else if !is_ephemeral(remote) || self.listens(&snapshot.socket) {
            StuckOf::Opened { netns, port: remote }
        } else {
            StuckOf::Orphans
        };
        (of, false)
    }

    /// Whether somebody listens at the remote end of a connection within the host.
    fn listens(&self, socket: &Identity) -> bool {
        let Identity { local, remote, .. } = *socket;
        let within = local.ip() == remote.ip() || remote.ip().is_loopback();
        within && self.listeners.of(&Identity { local: remote, remote: local, ..*socket }).is_some()
    }

    /// What is known of the `close()` that waits for a socket, if one does.
    fn closing(&self, known: &Known, owners: Owners<'_>, waiting: &HashMap<u32, u64>) -> Option<Closing> {
        let snapshot = &known.snapshot;
        let netns = snapshot.socket.netns;
        let threads: Vec<Closer> = owners.closers.iter().filter(|closer| closer.netns == netns).cloned().collect();
        if threads.is_empty() || !waits(snapshot, owners.holders) {
            return None;
        }
        let orphan = Signs { orphan: Some(true), ..Signs::default() };
        let then = diagnose(snapshot, self.facts.get(&netns), orphan).gives_up;
        Some(Closing { threads, sockets: waiting.get(&netns).copied().unwrap_or(1), then })
    }
}

/// Whether a `close()` may wait for it: `sock_orphan()` takes the inode away after the wait.
pub(super) const fn may_linger(snapshot: &Snapshot) -> bool {
    snapshot.inode != 0 && matches!(snapshot.state, State::FinWait1 | State::Closing | State::LastAck)
}

/// Whether a `close()` most likely waits for it: the file is gone from its process's table.
fn waits(snapshot: &Snapshot, holders: &HashMap<u32, Holders>) -> bool {
    may_linger(snapshot) && holders.get(&snapshot.inode).is_some_and(|holders| holders.total == 0)
}

/// How often the timer sent the FIN again, as of `icsk_retransmits`: of a FIN that never left, 0; of one that is alone,
/// the number; behind data, nobody knows.
pub(super) fn fin_rto(snapshot: &Snapshot) -> Option<u32> {
    let info = snapshot.info?;
    match (info.notsent_bytes, info.unacked_segments) {
        (0, 0 | 1) => Some(u32::from(info.retransmits)),
        (0, _) => None,
        _ => Some(0),
    }
}
