//! Literal histories.

use super::*;
use crate::model::{Endpoint, GroupOf, Holder, LeakGroup, LeaksReport, SocketKey, StuckReport, TcpDetail, Timer};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MS: u64 = 1_000_000;
pub(super) const NETNS: u32 = 4_026_531_840;

pub(super) fn end(last: u8, port: u16) -> Endpoint {
    let mut addr = [0; 16];
    addr[..4].copy_from_slice(&[10, 0, 0, last]);
    Endpoint::from_bytes(addr, false, port)
}

/// At time 0; port 80 of 10.0.0.1.
pub(super) fn snapshot(cookie: u64, state: State) -> Snapshot {
    let socket = Identity { key: SocketKey(cookie), netns: NETNS, local: end(1, 80), remote: end(2, 4000) };
    Snapshot {
        time_ns: 0,
        socket,
        bound_if: 0,
        state,
        timewait: false,
        timer: Timer::None,
        expires_ms: 0,
        inode: 0,
        recv_queue_bytes: 1,
        send_queue_bytes: 0,
        mptcp: crate::model::Mptcp::No,
        info: Some(TcpDetail { last_data_recv_ms: u32::MAX, ..TcpDetail::default() }),
    }
}

/// Held, if `inode` is not 0.
fn close_wait(cookie: u64, inode: u32) -> Snapshot {
    Snapshot { inode, ..snapshot(cookie, State::CloseWait) }
}

/// One whole dump at a time.
pub(super) fn dump(census: &mut Census, time_ns: u64, sockets: &[Snapshot]) {
    census.begin();
    for seen in sockets {
        census.see(&Snapshot { time_ns, ..*seen });
    }
    census.told(NETNS, time_ns - MS);
    census.end_of_dump();
}

pub(super) fn held_by(pids: &[u32]) -> Holders {
    let list = pids.iter().map(|pid| Holder { pid: *pid, comm: format!("p{pid}"), fd: 7, cgroup: format!("/c{pid}") });
    Holders { list: list.collect(), total: u32::try_from(pids.len()).unwrap(), in_epoll: None, partial: false }
}

pub(super) fn stuck(census: &mut Census, time_ns: u64) -> StuckReport {
    census.stuck(time_ns, Owners { holders: &HashMap::new(), closers: &[] }, |_| true)
}

/// Inode 10 is of p100, 20 of p200 and p201, 30 of a listener of p300.
fn leaks(census: &mut Census, time_ns: u64) -> LeaksReport {
    let holders = HashMap::from([(10, held_by(&[100])), (20, held_by(&[200, 201])), (30, held_by(&[300]))]);
    census.leaks(time_ns, &holders, |_| true)
}

/// Cookie, age and whether it is a lower bound.
pub(super) fn ages(report: &StuckReport) -> Vec<(u64, u64, bool)> {
    let age = |listed: &crate::model::Listed| {
        (listed.finding.socket.key.0, listed.finding.age_ns, listed.finding.age_is_lower_bound)
    };
    report.oldest_first().into_iter().map(age).collect()
}

fn cookies(group: &LeakGroup) -> Vec<u64> {
    group.sockets.iter().map(|listed| listed.finding.socket.key.0).collect()
}

/// Keys of what a second look is for, at this time of the round.
pub(super) fn doubtful(census: &Census, waited_ns: u64) -> Vec<u64> {
    let (looks, _) = census.second_looks(waited_ns);
    let mut keys: Vec<u64> = looks.iter().map(|look| look.socket.key.0).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn whoever_moves_on_is_not_stuck() {
    let mut census = Census::new(Kind::Stuck, 5 * SECOND, PATIENCE_NS);
    let one = snapshot(1, State::FinWait1);
    for (state, inode, young) in [(State::FinWait2, 9, 0), (State::TimeWait, 0, 0), (State::Closing, 0, 1)] {
        dump(&mut census, SECOND, &[one]);
        census.see(&Snapshot { time_ns: SECOND + 300 * MS, state, inode, ..one });
        let report = stuck(&mut census, SECOND + 301 * MS);
        assert_eq!((report.sockets(), report.round.young), (0, young), "{state:?}");
        census = Census::new(Kind::Stuck, 5 * SECOND, PATIENCE_NS);
    }
}

#[test]
fn of_fin_wait2_orphans_alone() {
    let mut census = Census::new(Kind::Stuck, 5 * SECOND, PATIENCE_NS);
    let orphan = Snapshot { timewait: true, info: None, expires_ms: 50_000, ..snapshot(1, State::FinWait2) };
    let held = Snapshot { inode: 9, ..snapshot(2, State::FinWait2) };
    let young = Snapshot { expires_ms: 58_000, socket: Identity { key: SocketKey(3), ..orphan.socket }, ..orphan };
    census.learn(NetnsFacts { netns: NETNS, fin_timeout_s: Some(60), ..NetnsFacts::default() });
    dump(&mut census, SECOND, &[orphan, held, young]);
    assert_eq!(doubtful(&census, 0), [0; 0]);
    let report = stuck(&mut census, SECOND);
    assert_eq!((ages(&report), report.round.young), (vec![(1, 9_990 * MS, false)], 1));
    assert_eq!(report.oldest_first()[0].finding.orphan, Some(true));
}

#[test]
fn ages_grow_from_dump_to_dump() {
    let mut census = Census::new(Kind::Stuck, 5 * SECOND, PATIENCE_NS);
    let [old, new] = [1, 2].map(|cookie| snapshot(cookie, State::LastAck));
    dump(&mut census, 10 * SECOND, &[old]);
    stuck(&mut census, 10 * SECOND);
    dump(&mut census, 11 * SECOND, &[new, old]);
    // It was not there a second ago, so it cannot be old enough.
    let report = stuck(&mut census, 11 * SECOND);
    assert_eq!((report.sockets(), report.round.young, report.round.age_unknown), (0, 2, 1));
    dump(&mut census, 16 * SECOND, &[new, old]);
    let report = stuck(&mut census, 16 * SECOND);
    assert_eq!(ages(&report), [(1, 6 * SECOND, true), (2, 5 * SECOND, true)]);
    assert_eq!(report.round.gone, Some(0));
    // Between two dumps a second apart it began: in the end that hardly matters.
    dump(&mut census, 311 * SECOND, &[new]);
    let report = stuck(&mut census, 311 * SECOND);
    assert_eq!((ages(&report), report.round.gone), (vec![(2, 300 * SECOND, false)], Some(1)));
}

#[test]
fn another_state_is_another_age() {
    let mut census = Census::new(Kind::Stuck, 2 * SECOND, PATIENCE_NS);
    let one = snapshot(1, State::FinWait1);
    for (time, sockets) in [(10, 0), (13, 1)] {
        dump(&mut census, time * SECOND, &[one]);
        assert_eq!(stuck(&mut census, time * SECOND).sockets(), sockets);
    }
    dump(&mut census, 14 * SECOND, &[Snapshot { state: State::Closing, ..one }]);
    let report = stuck(&mut census, 14 * SECOND);
    assert_eq!((report.sockets(), report.round.young, report.round.gone), (0, 1, Some(1)));
}

/// A dump that broke off proves nobody gone.
#[test]
fn what_could_not_be_seen_is_not_gone() {
    let mut census = Census::new(Kind::Stuck, 2 * SECOND, PATIENCE_NS);
    let one = snapshot(1, State::FinWait1);
    dump(&mut census, 10 * SECOND, &[one]);
    dump(&mut census, 13 * SECOND, &[one]);
    assert_eq!(stuck(&mut census, 13 * SECOND).sockets(), 1);
    census.begin();
    census.unreachable();
    census.end_of_dump();
    let report = stuck(&mut census, 14 * SECOND);
    assert_eq!((report.sockets(), report.round.unreachable, report.round.gone), (0, 1, Some(0)));
    dump(&mut census, 20 * SECOND, &[one]);
    assert_eq!(ages(&stuck(&mut census, 20 * SECOND)), [(1, 10 * SECOND, true)]);
}

#[test]
fn retransmits_of_the_fin_as_far_as_they_can_be_told() {
    let with = |notsent_bytes, unacked_segments, retransmits| {
        let info = TcpDetail { notsent_bytes, unacked_segments, retransmits, ..TcpDetail::default() };
        stuck::fin_rto(&Snapshot { info: Some(info), ..snapshot(1, State::FinWait1) })
    };
    assert_eq!(with(0, 1, 4), Some(4));
    assert_eq!(with(0, 3, 4), None, "of data before it, perhaps");
    assert_eq!(with(100, 3, 4), Some(0), "the FIN never left");
    assert_eq!(stuck::fin_rto(&Snapshot { info: None, ..snapshot(1, State::FinWait2) }), None);
}

#[test]
fn leaks_are_grouped_by_who_holds_them() {
    let mut census = Census::new(Kind::Leaks, SECOND, PATIENCE_NS);
    let listener = Snapshot { inode: 30, ..snapshot(9, State::Listen) };
    let sockets = [close_wait(1, 10), close_wait(2, 20), close_wait(3, 20), close_wait(4, 0), close_wait(5, 77)];
    dump(&mut census, 10 * SECOND, &[listener]);
    let all: Vec<Snapshot> = sockets.into_iter().chain([listener]).collect();
    dump(&mut census, 20 * SECOND, &all);
    dump(&mut census, 22 * SECOND, &all);
    let mut inodes = census.inodes();
    inodes.sort_unstable();
    assert_eq!(inodes, [10, 20, 30, 77]);
    let report = leaks(&mut census, 22 * SECOND);
    let of: Vec<(GroupOf, Vec<u64>)> = report.groups.iter().map(|group| (group.of.clone(), cookies(group))).collect();
    assert_eq!(
        of,
        [
            (GroupOf::Process { pid: 200, comm: "p200".into() }, vec![2, 3]),
            (GroupOf::Process { pid: 100, comm: "p100".into() }, vec![1]),
            (GroupOf::Listener { netns: NETNS, port: 80 }, vec![4]),
            (GroupOf::Unknown, vec![5]),
        ]
    );
    let [shared, own, queue, unknown] = report.groups.as_slice() else { panic!("{report:?}") };
    assert_eq!(shared.shared_with.iter().map(|holder| holder.pid).collect::<Vec<_>>(), [201]);
    assert_eq!((shared.cgroup.as_str(), shared.count, shared.oldest_ns), ("/c200", 2, 2 * SECOND));
    assert_eq!(own.sockets[0].finding.owner.map(|owner| owner.pid), Some(100));
    assert_eq!(shared.sockets[0].finding.owner, None, "two hold it");
    assert_eq!((queue.listener[0].pid, queue.cgroup.as_str(), queue.shared_with.len()), (300, "/c300", 0));
    assert_eq!((queue.sockets[0].finding.orphan, &queue.sockets[0].finding.holders), (None, &None));
    assert_eq!((unknown.cgroup.as_str(), unknown.listener.len()), ("", 0));
    assert_eq!((report.sockets(), shared.ages), (5, [2, 0, 0, 0, 0]));
}

#[test]
fn remote_ends_causes_and_growth_of_a_group() {
    let mut census = Census::new(Kind::Leaks, SECOND, PATIENCE_NS);
    let mut sockets = Vec::new();
    for (cookie, remote) in [(1, 5), (2, 6), (3, 6), (4, 7), (5, 8), (6, 8), (7, 8)] {
        let one = close_wait(cookie, 10);
        sockets.push(Snapshot { socket: Identity { remote: end(remote, 1), ..one.socket }, ..one });
    }
    dump(&mut census, 10 * SECOND, &sockets[..1]);
    dump(&mut census, 13 * SECOND, &sockets[..1]);
    assert_eq!(leaks(&mut census, 13 * SECOND).groups[0].growth_per_minute, None);
    dump(&mut census, 30 * SECOND, &sockets);
    dump(&mut census, 33 * SECOND, &sockets);
    let report = leaks(&mut census, 33 * SECOND);
    let group = &report.groups[0];
    let remotes: Vec<(String, u64)> = group.remotes.iter().map(|(ip, count)| (ip.to_string(), *count)).collect();
    let wanted = [("10.0.0.8", 3), ("10.0.0.6", 2), ("10.0.0.5", 1)].map(|(ip, count)| (ip.to_owned(), count));
    assert_eq!((remotes.as_slice(), group.remotes_total), (wanted.as_slice(), 4));
    assert_eq!(group.growth_per_minute, Some(18), "6 more in 20 s");
    assert_eq!(group.by_cause.iter().sum::<u64>(), 7);
    assert!(!group.advice.is_empty());
    assert_eq!((group.oldest_ns, group.oldest_is_lower_bound), (23 * SECOND, true));
}

#[test]
fn listeners_by_address_and_queue() {
    let mut listeners = Listeners::default();
    let listener = |cookie, local, queue| {
        let one = snapshot(cookie, State::Listen);
        Snapshot { socket: Identity { local, ..one.socket }, recv_queue_bytes: queue, ..one }
    };
    let any = Endpoint::from_bytes([0; 16], true, 80);
    for one in [listener(1, any, 9), listener(2, end(3, 80), 9), listener(3, end(1, 81), 9)] {
        listeners.learn(&one);
    }
    let of = |listeners: &Listeners| {
        listeners.of(&snapshot(7, State::CloseWait).socket).map(|listener| listener.socket.key.0)
    };
    assert_eq!(of(&listeners), Some(1));
    listeners.learn(&listener(4, end(1, 80), 0));
    listeners.learn(&listener(5, end(1, 80), 2));
    assert_eq!(of(&listeners), Some(5));
}

#[test]
fn filters_leave_out_and_do_not_count() {
    let mut census = Census::new(Kind::Stuck, SECOND, PATIENCE_NS);
    let held = Snapshot { inode: 10, ..snapshot(1, State::FinWait1) };
    dump(&mut census, 10 * SECOND, &[held]);
    dump(&mut census, 12 * SECOND, &[held, snapshot(2, State::FinWait1)]);
    let holders = HashMap::from([(10, held_by(&[100]))]);
    let admits = |pid| move |holders: &Holders| holders.list.iter().any(|holder| holder.pid == pid);
    let owners = Owners { holders: &holders, closers: &[] };
    let report = census.stuck(12 * SECOND, owners, admits(100));
    assert_eq!((ages(&report).len(), report.by_reason.iter().sum::<u64>()), (1, 1));
    assert_eq!(census.stuck(12 * SECOND, owners, admits(1)).sockets(), 0);
}

#[test]
fn no_more_are_followed_than_there_is_room_for() {
    let mut census = Census::new(Kind::Stuck, SECOND, PATIENCE_NS);
    census.begin();
    for cookie in 0..FOLLOWED_MAX as u64 + 3 {
        census.see(&snapshot(cookie, State::FinWait1));
    }
    census.told(NETNS, 0);
    census.end_of_dump();
    assert_eq!(stuck(&mut census, SECOND).round.not_followed, 3);
    assert!(size_of::<follow::Known>() <= 240, "{}", size_of::<follow::Known>());
}
