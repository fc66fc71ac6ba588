//! Groups of stuck sockets, and `close()` calls that wait.

use super::{
    tests::{NETNS, SECOND, dump, end, held_by, snapshot},
    *,
};
use crate::model::{
    Closer, Endpoint, GivesUp, NeverWhy, StuckCause, StuckGroup, StuckOf, StuckReport, TcpDetail, Timer,
};

/// From 10.0.0.1 at this port to 10.0.0.2 at that one.
fn between(key: u64, local: u16, remote: u16) -> Snapshot {
    let one = snapshot(key, State::FinWait1);
    Snapshot { socket: Identity { local: end(1, local), remote: end(2, remote), ..one.socket }, ..one }
}

fn listener(local: Endpoint, inode: u32) -> Snapshot {
    let one = snapshot(1000 + u64::from(inode), State::Listen);
    Snapshot { socket: Identity { local, ..one.socket }, inode, ..one }
}

/// All are older than a second.
fn report(sockets: &[Snapshot], holders: &HashMap<u32, Holders>, closers: &[Closer]) -> StuckReport {
    let mut census = Census::new(Kind::Stuck, SECOND, PATIENCE_NS);
    let facts = NetnsFacts { netns: NETNS, orphan_retries: Some(0), retries2: Some(15), ..NetnsFacts::default() };
    census.learn(NetnsFacts { port_low: Some(32_768), port_high: Some(60_999), ..facts });
    dump(&mut census, 10 * SECOND, sockets);
    dump(&mut census, 12 * SECOND, sockets);
    census.stuck(12 * SECOND, Owners { holders, closers }, |_| true)
}

fn whose(report: &StuckReport) -> Vec<(StuckOf, u64)> {
    report.groups.iter().map(|group| (group.key.of.clone(), group.group.count)).collect()
}

#[test]
fn orphans_by_the_service() {
    let sockets = [
        between(1, 443, 50_000),
        between(2, 443, 50_001),
        between(3, 443, 50_002),
        between(4, 40_000, 5432),
        between(5, 40_001, 5432),
        between(6, 40_002, 50_003),
        // A service in the range of ephemeral ports.
        between(7, 45_000, 50_004),
        listener(end(1, 443), 30),
        listener(end(1, 45_000), 31),
    ];
    let report = report(&sockets, &HashMap::from([(30, held_by(&[300]))]), &[]);
    let netns = NETNS;
    assert_eq!(
        whose(&report),
        [
            (StuckOf::Service { netns, port: 443 }, 3),
            (StuckOf::Opened { netns, port: 5432 }, 2),
            (StuckOf::Service { netns, port: 45_000 }, 1),
            (StuckOf::Orphans, 1),
        ]
    );
    let [https, opened, ..] = report.groups.as_slice() else { panic!("{report:?}") };
    assert_eq!(https.group.listener.iter().map(|holder| holder.pid).collect::<Vec<_>>(), [300]);
    assert_eq!((https.group.cgroup.as_str(), https.group.remotes_total), ("/c300", 1));
    assert!(opened.group.listener.is_empty() && opened.group.cgroup.is_empty());
    assert_eq!((report.sockets(), report.by_reason.iter().sum::<u64>()), (7, 7));
}

#[test]
fn of_one_process_by_state_and_reason() {
    let held = |key, state| Snapshot { inode: 10, state, ..between(key, 443, 50_000) };
    let unknown = Snapshot { inode: 11, ..between(4, 443, 50_000) };
    let sockets = [held(1, State::FinWait1), held(2, State::LastAck), held(3, State::LastAck), unknown];
    let report = report(&sockets, &HashMap::from([(10, held_by(&[100, 101]))]), &[]);
    let process = StuckOf::Process { pid: 100, comm: "p100".to_owned() };
    assert_eq!(whose(&report), [(process.clone(), 2), (process, 1), (StuckOf::Unknown, 1)]);
    assert_eq!(report.groups[0].key.kind, FindingKind::StuckLastAck);
    assert_eq!(report.groups[0].group.shared_with.len(), 1);
}

/// A window of 0 whose probes are answered: never given up while it is held.
fn lingering(key: u64, inode: u32) -> Snapshot {
    let info = TcpDetail {
        snd_wnd_bytes: Some(0),
        notsent_bytes: 500,
        snd_mss_bytes: 100,
        backoff: 5,
        rto_us: 204_000,
        ..TcpDetail::default()
    };
    Snapshot { inode, timer: Timer::Probe, info: Some(info), expires_ms: 100, ..between(key, 443, 50_000) }
}

fn closer(pid: u32, tid: u32) -> Closer {
    let (comm, cgroup) = (format!("p{pid}"), format!("/c{pid}"));
    Closer { pid, comm, tid, cgroup, netns: NETNS, ..Closer::default() }
}

fn only(report: &StuckReport) -> &StuckGroup {
    let [group] = report.groups.as_slice() else { panic!("{report:?}") };
    group
}

#[test]
fn a_close_that_waits() {
    let nobody = HashMap::from([(10, held_by(&[]))]);
    let elsewhere = Closer { netns: 7, ..closer(9, 9) };
    let found = report(&[lingering(1, 10)], &nobody, &[closer(100, 105), elsewhere.clone()]);
    let listed = only(&found).sockets[0].clone();
    let closing = listed.closing.unwrap();
    assert_eq!(closing.thread().map(|closer| closer.tid), Some(105));
    assert_eq!(listed.finding.owner.map(|owner| owner.pid), Some(100));
    assert_eq!(listed.finding.diagnosis.unwrap().gives_up, GivesUp::Unknown);
    assert!(matches!(closing.then, GivesUp::In(_)), "{:?}", closing.then);
    assert_eq!(only(&found).key.of, StuckOf::Process { pid: 100, comm: "p100".to_owned() });
    assert_eq!(only(&found).group.cgroup, "/c100");
    // Nobody waits there, or somebody has it: it is an ordinary socket.
    let held = HashMap::from([(10, held_by(&[100]))]);
    for (holders, closers) in [(&nobody, vec![elsewhere]), (&held, vec![closer(100, 105)])] {
        let found = report(&[lingering(1, 10)], holders, &closers);
        let listed = &only(&found).sockets[0];
        assert_eq!(listed.closing, None);
        assert_eq!(listed.finding.diagnosis.unwrap().gives_up, GivesUp::Never(NeverWhy::ProbesAnswered));
    }
}

#[test]
fn several_that_wait() {
    let nobody = HashMap::from([(10, held_by(&[])), (11, held_by(&[]))]);
    let sockets = [lingering(1, 10), lingering(2, 11)];
    let mine = report(&sockets, &nobody, &[closer(100, 105), closer(100, 106)]);
    assert_eq!(only(&mine).key.of, StuckOf::Process { pid: 100, comm: "p100".to_owned() });
    assert_eq!(only(&mine).sockets[0].closing.as_ref().unwrap().thread(), None, "either of both");
    assert!(only(&mine).group.shared_with.is_empty());
    let of_two = report(&sockets, &nobody, &[closer(100, 105), closer(200, 205)]);
    assert_eq!((&only(&of_two).key.of, only(&of_two).key.cause), (&StuckOf::Unknown, StuckCause::ZeroWindow));
    assert_eq!(only(&of_two).sockets[0].finding.owner, None);
}

/// Whoever asks for the process gets what it closes.
#[test]
fn a_filter_by_the_process_that_closes() {
    let nobody = HashMap::from([(10, held_by(&[]))]);
    let mut census = Census::new(Kind::Stuck, SECOND, PATIENCE_NS);
    for time in [10, 12] {
        dump(&mut census, time * SECOND, &[lingering(1, 10)]);
    }
    assert!(census.may_be_closing(&nobody));
    let owners = Owners { holders: &nobody, closers: &[closer(100, 105)] };
    for (pid, count) in [(100, 1), (1, 0)] {
        let admits = |holders: &Holders| holders.list.iter().any(|holder| holder.pid == pid);
        assert_eq!(census.stuck(12 * SECOND, owners, admits).sockets(), count);
    }
}

#[test]
fn what_is_new_is_counted() {
    let mut census = Census::new(Kind::Stuck, SECOND, PATIENCE_NS);
    let nobody = HashMap::new();
    let owners = Owners { holders: &nobody, closers: &[] };
    let mut round = |time, sockets: &[Snapshot]| {
        dump(&mut census, time * SECOND, sockets);
        let report = census.stuck(time * SECOND, owners, |_| true);
        (report.sockets(), report.round.new, report.round.new_per_minute)
    };
    let [one, two, three] = [1, 2, 3].map(|key| between(key, 443, 50_000));
    assert_eq!(round(10, &[one]), (0, None, None));
    assert_eq!(round(20, &[one, two]), (1, Some(1), Some(6)));
    assert_eq!(round(30, &[one, two, three]), (2, Some(1), Some(6)));
    assert_eq!(round(40, &[one, two, three]), (3, Some(1), Some(6)));
    assert_eq!(round(70, &[one, two, three]), (3, Some(0), Some(3)));
}

/// Sockets that the user does not want to see may be those that somebody waits for.
#[test]
fn what_is_left_out_counts() {
    let holders = HashMap::from([(10, held_by(&[])), (11, held_by(&[])), (12, held_by(&[7]))]);
    for (others, certain) in [(&[][..], true), (&[11], false), (&[12], true), (&[13], false)] {
        let mut census = Census::new(Kind::Stuck, SECOND, PATIENCE_NS);
        dump(&mut census, 10 * SECOND, &[lingering(1, 10)]);
        dump(&mut census, 12 * SECOND, &[lingering(1, 10)]);
        others.iter().for_each(|inode| census.pass_over(&lingering(2, *inode)));
        let mut asked = census.inodes();
        asked.sort_unstable();
        assert_eq!(asked, [&[10], others].concat());
        let owners = Owners { holders: &holders, closers: &[closer(100, 105)] };
        let report = census.stuck(12 * SECOND, owners, |_| true);
        let closing = only(&report).sockets[0].closing.clone().unwrap();
        assert_eq!(closing.thread().is_some(), certain, "{others:?}");
    }
}

/// An orphan is of the process that had it when it was listed before.
#[test]
fn who_had_it_before() {
    let mut census = Census::new(Kind::Stuck, SECOND, PATIENCE_NS);
    let holders = HashMap::from([(10, held_by(&[100]))]);
    let owners = Owners { holders: &holders, closers: &[] };
    let held = Snapshot { inode: 10, ..between(1, 40_000, 5432) };
    let orphan = Snapshot { inode: 0, ..held };
    let mut round = |time, socket| {
        dump(&mut census, time * SECOND, &[socket]);
        let report = census.stuck(time * SECOND, owners, |_| true);
        report.groups.first().map(|group| group.key.of.clone())
    };
    let comm = "p100".to_owned();
    assert_eq!(round(10, held), None);
    assert_eq!(round(12, held), Some(StuckOf::Process { pid: 100, comm: comm.clone() }));
    assert_eq!(round(14, orphan), Some(StuckOf::Left { pid: 100, comm }));
    dump(&mut census, 16 * SECOND, &[]);
    census.stuck(16 * SECOND, owners, |_| true);
    assert!(census.had.is_empty(), "of those that are gone nobody is remembered");
}
