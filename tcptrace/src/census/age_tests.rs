//! What is listed: sockets that are known to be old enough, and no others.

use super::{
    tests::{MS, NETNS, SECOND, ages, doubtful, dump, snapshot, stuck},
    *,
};
use crate::model::{Mptcp, MptcpDetail, SocketKey, StuckReport, TcpDetail, Timer};

const FIVE: u64 = 5 * SECOND;

fn census(kind: Kind, threshold_ns: u64) -> Census {
    let mut census = Census::new(kind, threshold_ns, PATIENCE_NS);
    census.learn(NetnsFacts { netns: NETNS, fin_timeout_s: Some(60), ..NetnsFacts::default() });
    census
}

fn with_key(key: u64, snapshot: Snapshot) -> Snapshot {
    Snapshot { socket: Identity { key: SocketKey(key), ..snapshot.socket }, ..snapshot }
}

/// Listed, left out, and those of them of unknown age.
fn counts(report: &StuckReport) -> (u64, u64, u64) {
    (report.sockets(), report.round.young, report.round.age_unknown)
}

/// Behind a window of zero nothing tells since when.
#[test]
fn waiting_shows_who_is_old_enough() {
    let mut census = census(Kind::Stuck, FIVE);
    let [one, two] = [1, 2].map(|cookie| snapshot(cookie, State::FinWait1));
    dump(&mut census, SECOND, &[one, two]);
    // A moment for those in passing, and then what the others lack.
    assert_eq!((doubtful(&census, 0), census.wait_ns(0)), (vec![1, 2], Some(PASSES_NS)));
    let look = |time_ns, one| Snapshot { time_ns, ..one };
    census.see(&look(SECOND + 300 * MS, one));
    census.unsee(&two.socket);
    assert_eq!((doubtful(&census, 300 * MS), census.wait_ns(300 * MS)), (vec![1], Some(FIVE - 300 * MS)));
    let report = stuck(&mut census, SECOND + 301 * MS);
    assert_eq!(counts(&report), (0, 1, 1), "0.3 s are not 5 s");
    census.see(&look(6 * SECOND + MS, one));
    assert_eq!((doubtful(&census, FIVE), census.wait_ns(FIVE)), (vec![], None));
    assert_eq!(census.last_looks().0.len(), 1, "it may be gone by the end of a long wait");
    let report = stuck(&mut census, 6 * SECOND + MS);
    assert_eq!((ages(&report), counts(&report)), (vec![(1, FIVE + MS, true)], (1, 0, 0)));
    assert_eq!((report.round.namespaces, report.round.gone), (1, None));
}

#[test]
fn nobody_waits_longer_than_patience() {
    let zero_window = snapshot(1, State::FinWait1);
    for (threshold_ns, wait_ns) in [(PATIENCE_NS, Some(PASSES_NS)), (PATIENCE_NS + 1, None), (3600 * SECOND, None)] {
        let mut census = census(Kind::Stuck, threshold_ns);
        dump(&mut census, SECOND, &[zero_window]);
        assert_eq!(census.wait_ns(0), wait_ns);
        assert_eq!(counts(&stuck(&mut census, SECOND)), (0, 1, 1));
    }
    // What is left of patience counts.
    let mut census = census(Kind::Stuck, FIVE);
    dump(&mut census, SECOND, &[zero_window]);
    assert_eq!((census.wait_ns(FIVE), census.wait_ns(FIVE + 1)), (Some(FIVE), None));
}

/// The FIN left 0.6 s ago at most, and was sent again once.
#[test]
fn a_fin_in_flight_tells_both_bounds() {
    let info = TcpDetail {
        rto_us: 408_000,
        retransmits: 1,
        backoff: 1,
        unacked_segments: 1,
        total_retrans: 1,
        ..TcpDetail::default()
    };
    let fin = Snapshot {
        send_queue_bytes: 1,
        timer: Timer::Retransmit,
        expires_ms: 200,
        info: Some(info),
        ..snapshot(1, State::FinWait1)
    };
    for (threshold_ns, expected) in [(100 * MS, (1, 0, 0)), (FIVE, (0, 1, 0)), (3600 * SECOND, (0, 1, 0))] {
        let mut census = census(Kind::Stuck, threshold_ns);
        dump(&mut census, SECOND, &[fin]);
        assert_eq!(census.wait_ns(0), None);
        assert_eq!(counts(&stuck(&mut census, SECOND)), expected, "{threshold_ns}");
    }
}

#[test]
fn an_orphans_timer_tells_its_age() {
    let held_long = TcpDetail { last_ack_recv_ms: 100_000, ..TcpDetail::default() };
    let orphan = Snapshot { timewait: true, info: None, expires_ms: 53_700, ..snapshot(1, State::FinWait2) };
    // `tcp_fin_timeout` of more than 60 s begins on the full socket, whose last ACK came long before close().
    let full = Snapshot { timewait: false, timer: Timer::Keepalive, info: Some(held_long), ..orphan };
    let cases = [(orphan, 60, 6_290 * MS), (full, 60, 6_290 * MS), (full, 120, 6_290 * MS), (orphan, 120, 66_290 * MS)];
    for (seen, fin_timeout_s, age_ns) in cases {
        let mut census = census(Kind::Stuck, FIVE);
        census.learn(NetnsFacts { netns: NETNS, fin_timeout_s: Some(fin_timeout_s), ..NetnsFacts::default() });
        dump(&mut census, 500 * SECOND, &[seen]);
        assert_eq!(ages(&stuck(&mut census, 500 * SECOND)), [(1, age_ns, false)], "{fin_timeout_s} {seen:?}");
    }
    // A timer that says more than can be is no witness (TCP_LINGER2): a dump a second ago did not have it.
    let mut census = census(Kind::Stuck, FIVE);
    dump(&mut census, 499 * SECOND, &[]);
    dump(&mut census, 500 * SECOND, &[orphan]);
    assert_eq!(counts(&stuck(&mut census, 500 * SECOND)), (0, 1, 0));
}

/// Held for minutes in FIN_WAIT2, closed now.
#[test]
fn the_time_that_a_program_held_it_does_not_count() {
    let info = TcpDetail { last_ack_recv_ms: 300_000, ..TcpDetail::default() };
    let held = Snapshot { inode: 9, info: Some(info), ..snapshot(1, State::FinWait2) };
    let orphan = Snapshot { inode: 0, timewait: true, info: None, expires_ms: 59_990, ..held };
    let mut census = census(Kind::Stuck, FIVE);
    dump(&mut census, 400 * SECOND, &[held]);
    assert_eq!(counts(&stuck(&mut census, 400 * SECOND)), (0, 0, 0));
    dump(&mut census, 460 * SECOND, &[orphan]);
    assert_eq!(counts(&stuck(&mut census, 460 * SECOND)), (0, 1, 0));
    dump(&mut census, 466 * SECOND, &[Snapshot { expires_ms: 53_990, ..orphan }]);
    assert_eq!(ages(&stuck(&mut census, 466 * SECOND)), [(1, 6_000 * MS, false)]);
}

#[test]
fn leaks_are_those_that_are_known_to_be_old() {
    let mut census = census(Kind::Leaks, 60 * SECOND);
    let with = |cookie, last_data_recv_ms, last_data_sent_ms, last_ack_recv_ms| {
        let info = TcpDetail { last_data_recv_ms, last_data_sent_ms, last_ack_recv_ms, ..TcpDetail::default() };
        Snapshot { info: Some(info), inode: 10, ..snapshot(cookie, State::CloseWait) }
    };
    // Data came 20 s ago; nothing was sent since the last ACK, 20 s ago; it may be old; it is; it soon will be.
    let sockets = [
        with(1, 20_000, 0, 0),
        with(2, 90_000, 80_000, 20_000),
        with(3, 90_000, 10_000, 10_000),
        with(4, 90_000, 10_000, 70_000),
        with(5, 90_000, 10_000, 55_000),
    ];
    dump(&mut census, 100 * SECOND, &sockets);
    assert_eq!((doubtful(&census, 0), census.wait_ns(0)), (vec![5], Some(PASSES_NS)));
    let report = census.leaks(100 * SECOND, &HashMap::new(), |_| true);
    assert_eq!((report.sockets(), report.round.young, report.round.age_unknown), (1, 4, 2));
}

#[test]
fn mptcp_connections_by_what_they_remember() {
    let detail = MptcpDetail { unacked_bytes: Some(1), last_data_recv_ms: Some(90_000), last_ack_recv_ms: Some(7_000) };
    let waits = Snapshot { info: None, mptcp: Mptcp::Connection(detail), ..snapshot(1, State::CloseWait) };
    let mut leaks = census(Kind::Leaks, FIVE);
    dump(&mut leaks, 100 * SECOND, &[Snapshot { inode: 10, ..waits }]);
    let report = leaks.leaks(100 * SECOND, &HashMap::new(), |_| true);
    assert_eq!((report.groups[0].oldest_ns, report.groups[0].mptcp()), (6_990 * MS, 1));
    // Its last DATA_ACK is older than the close(), and younger than it.
    let orphan = Snapshot { state: State::FinWait2, timer: Timer::Keepalive, ..waits };
    for (expires_ms, age_ns) in [(54_000, 5_990 * MS), (40_000, 6_990 * MS)] {
        let mut stuck_ones = census(Kind::Stuck, FIVE);
        dump(&mut stuck_ones, 100 * SECOND, &[Snapshot { expires_ms, ..orphan }]);
        let report = stuck(&mut stuck_ones, 100 * SECOND);
        assert_eq!(ages(&report), [(1, age_ns, true)]);
        assert!(report.oldest_first()[0].finding.mptcp);
    }
    // One of unknown age is looked at again by a dump of its namespace.
    let fin = Snapshot { state: State::FinWait1, timer: Timer::None, inode: 10, ..waits };
    let mut doubted = census(Kind::Stuck, FIVE);
    dump(&mut doubted, 100 * SECOND, &[fin, with_key(2, fin)]);
    let (looks, namespaces) = doubted.second_looks(0);
    assert_eq!((looks.len(), namespaces), (0, HashSet::from([NETNS])));
    doubted.begin_mptcp(NETNS);
    doubted.see(&Snapshot { time_ns: 106 * SECOND, ..fin });
    let report = stuck(&mut doubted, 106 * SECOND);
    assert_eq!((ages(&report), counts(&report)), (vec![(1, 6 * SECOND, true)], (1, 0, 0)));
    assert_eq!(report.by_reason[0], 1, "the DATA_FIN alone is unacknowledged");
}
