//! Orphans in FIN_WAIT2, of whose end only looks at their timewait sockets tell.

use super::{
    sightings::{absent, answer, timewait},
    support::{Rig, at, ms, rst, sock},
};
use crate::model::{
    AbsentWhy, Close, FindingKind, FindingReason, FindingStatus, GivesUp, Input, NetnsFacts, Outcome, Phase, Reason,
    State::{self, Close as Closed, Established, FinWait1, FinWait2, TimeWait},
    StuckCause,
};

/// Closed at 0, handed over at 10 ms.
fn orphan() -> Rig {
    let mut rig = Rig::looking();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(10).orphan().moves_with(FinWait1, FinWait2, Some(2)),
        sock(7).at(10).orphan().moves_with(FinWait2, Closed, Some(2)),
    ]);
    rig.wants();
    rig
}

fn lengths(close: &Close) -> (Option<u64>, Option<u64>, Option<u64>) {
    (close.phases.get(Phase::FinWait1), close.phases.get(Phase::FinWait2), close.close_ns)
}

#[test]
fn looked_at_after_a_moment() {
    let mut rig = orphan();
    assert!(rig.tick(29).looks().is_empty());
    assert_eq!(rig.tick(30).looks(), [7]);
    assert!(rig.tick(31).looks().is_empty(), "not asked twice");
    assert_eq!(rig.open(), [0, 1, 0, 0, 0], "it is in FIN_WAIT2 still");
    assert!(rig.said().is_empty());
}

/// The moment is told by the timer, however late the look.
#[test]
fn time_wait_tells_when_the_peer_closed() {
    for seen_ms in [2_030, 50_000] {
        let mut rig = orphan();
        let left_ms = 60_000 - u32::try_from(seen_ms - 2_010).unwrap();
        rig.tick(30).give(&answer(timewait(7, seen_ms, TimeWait, left_ms)));
        let close = rig.close();
        assert_eq!((close.outcome, close.reason, close.complete), (Outcome::Fin, None, true));
        assert_eq!(lengths(&close), (Some(ms(10)), Some(ms(2_000)), Some(ms(2_010))));
        assert_eq!((close.end_ns, close.orphan, close.three_way), (at(2_010), true, Some(false)));
        assert_eq!(close.totals.map(|totals| totals.bytes_sent), Some(1));
        assert_eq!(rig.open(), [0; 5]);
    }
}

/// Timers count in ticks: a moment before the hand-over is the hand-over, one after the look is the look.
#[test]
fn the_moment_lies_between_hand_over_and_look() {
    for (left_ms, length_ms) in [(59_960, 0), (60_000, 20), (59_990, 10)] {
        let mut rig = orphan();
        rig.tick(30).give(&answer(timewait(7, 30, TimeWait, left_ms)));
        assert_eq!(rig.close().phases.get(Phase::FinWait2), Some(ms(length_ms)));
    }
}

#[test]
fn a_peer_that_never_closes() {
    let mut rig = orphan();
    rig.tick(30).give(&answer(timewait(7, 30, FinWait2, 2_980)));
    rig.wants();
    assert!(rig.tick(529).looks().is_empty());
    assert_eq!(rig.tick(530).looks(), [7], "looked at again while few linger");
    rig.give(&answer(timewait(7, 530, FinWait2, 2_480)));
    rig.tick(1_030).give(&answer(timewait(7, 1_030, FinWait2, 1_980)));
    rig.wants();
    rig.tick(2_500).give(&answer(timewait(7, 2_500, FinWait2, 510)));
    rig.wants();
    assert!(rig.tick(2_959).looks().is_empty());
    assert_eq!(rig.tick(2_960).looks(), [7], "just before the timer expires");
    rig.give(&answer(timewait(7, 2_960, FinWait2, 50)));
    rig.tick(3_060).give(&absent(7, 3_060, AbsentWhy::Gone));
    let close = rig.close();
    assert_eq!((close.outcome, close.reason, close.complete), (Outcome::FinWait2Timeout, None, true));
    assert_eq!(lengths(&close), (Some(ms(10)), Some(ms(3_000)), Some(ms(3_010))));
}

/// Between the last look and the timer's end a reset may have come: nothing is made up.
#[test]
fn gone_long_after_the_last_look() {
    let mut rig = orphan();
    rig.tick(30).give(&answer(timewait(7, 30, FinWait2, 2_980)));
    rig.give(&answer(timewait(7, 2_500, FinWait2, 510)));
    rig.tick(3_060).give(&absent(7, 3_060, AbsentWhy::Gone));
    let close = rig.close();
    assert_eq!((close.outcome, close.reason), (Outcome::Unknown, Some(Reason::TimewaitGone)));
    assert_eq!((close.complete, close.close_ns), (false, None));
}

/// The kernel's timers are late by design: the socket is waited for.
#[test]
fn an_overdue_timer_is_waited_for() {
    let mut rig = orphan();
    rig.tick(30).give(&answer(timewait(7, 30, FinWait2, 100)));
    rig.wants();
    assert_eq!(rig.tick(80).looks(), [7]);
    rig.give(&answer(timewait(7, 80, FinWait2, 50)));
    rig.wants();
    assert_eq!(rig.tick(180).looks(), [7]);
    rig.give(&answer(timewait(7, 180, FinWait2, 0)));
    assert!(rig.tick(429).looks().is_empty());
    assert_eq!(rig.tick(430).looks(), [7]);
    rig.give(&absent(7, 430, AbsentWhy::Gone));
    let close = rig.close();
    assert_eq!((close.outcome, close.end_ns), (Outcome::FinWait2Timeout, at(180)));
}

#[test]
fn one_that_lingers_is_stuck() {
    let mut rig = orphan();
    rig.tick(30).give(&answer(timewait(7, 30, FinWait2, 59_980)));
    rig.give(&answer(timewait(7, 5_010, FinWait2, 55_000)));
    let found = rig.finding();
    assert_eq!((found.kind, found.status), (FindingKind::StuckFinWait2, FindingStatus::Raised));
    assert_eq!(found.reason, FindingReason::Stuck(StuckCause::PeerOpen));
    assert_eq!(found.diagnosis.map(|diagnosis| diagnosis.gives_up), Some(GivesUp::In(ms(55_000))));
    assert_eq!((found.age_ns, found.may_be_over, found.orphan), (ms(5_000), false, Some(true)));
    rig.give(&answer(timewait(7, 6_010, FinWait2, 54_000)));
    assert!(rig.said().is_empty(), "said once");
    rig.give(&answer(timewait(7, 7_010, TimeWait, 60_000)));
    let cleared = rig.said();
    assert_eq!(cleared.len(), 2, "{cleared:?}");
}

fn facts(at_ms: u64, overflow: u64) -> Input {
    let facts = NetnsFacts {
        time_ns: at(at_ms),
        netns: 4_026_531_840,
        timewait_overflow: Some(overflow),
        ..NetnsFacts::default()
    };
    Input::Netns(Box::new(facts))
}

/// What hides the end is said, and no time is made up.
#[test]
fn no_timewait_socket() {
    for (why, overflow, reason) in [
        (AbsentWhy::Gone, 3, Reason::TimewaitGone),
        (AbsentWhy::Gone, 4, Reason::TimewaitOverflow),
        (AbsentWhy::Replaced, 3, Reason::TimewaitRecycled),
        (AbsentWhy::NotAsked, 3, Reason::OrphanFinWait2),
        (AbsentWhy::NoNamespace, 3, Reason::OrphanFinWait2),
    ] {
        let mut rig = Rig::looking();
        rig.give(&facts(0, 3));
        rig.events([
            sock(7).at(1).closed().moves(Established, FinWait1),
            sock(7).at(10).orphan().moves(FinWait1, FinWait2),
            sock(7).at(10).orphan().moves(FinWait2, Closed),
        ]);
        rig.tick(30).give(&facts(31, overflow));
        rig.give(&absent(7, 31, why));
        let close = rig.close();
        assert_eq!((close.outcome, close.reason, close.complete), (Outcome::Unknown, Some(reason), false));
        assert_eq!(lengths(&close), (Some(ms(9)), None, None));
        assert_eq!(close.end_ns, at(10));
    }
}

/// An overflow before the close is not this socket's.
#[test]
fn an_older_overflow_is_another_ones() {
    let mut rig = orphan();
    for (at_ms, overflow) in [(1, 3), (5, 4), (31, 4)] {
        rig.give(&facts(at_ms, overflow));
    }
    rig.give(&absent(7, 31, AbsentWhy::Gone));
    assert_eq!(rig.close().reason, Some(Reason::TimewaitGone));
}

#[test]
fn data_after_close_is_reset_by_the_timewait_socket() {
    let mut rig = orphan();
    rig.events([sock(7).at(300).sends_reset(State::TimeWait, rst::ABORT_ON_DATA)]);
    let close = rig.close();
    assert_eq!((close.outcome, close.reason), (Outcome::ResetSent, Some(Reason::DataAfterClose)));
    assert_eq!(lengths(&close), (Some(ms(10)), Some(ms(290)), Some(ms(300))));
    assert!(close.complete);
}

/// TCP_LINGER2 below 0: the reset follows `-> CLOSE` at once, and there is no timewait socket.
#[test]
fn a_reset_at_once_is_no_hand_over() {
    let mut rig = orphan();
    rig.events([sock(7).at(10).orphan().sends_reset(Closed, rst::ABORT_ON_LINGER)]);
    let close = rig.close();
    assert_eq!((close.outcome, close.reason), (Outcome::ResetSent, Some(Reason::Linger2)));
    assert_eq!(close.end_ns, at(10));
    assert!(rig.tick(1_000).looks().is_empty());
}

#[test]
fn the_last_event_may_come_twice() {
    let mut rig = orphan();
    rig.events([sock(7).at(10).orphan().moves_with(FinWait2, Closed, Some(2))]);
    assert_eq!(rig.anomalies().duplicates, 1);
    assert_eq!(rig.tick(30).looks(), [7]);
}

/// An answer that never comes is not waited for in vain.
#[test]
fn patience_ends() {
    let mut rig = orphan();
    rig.tick(30).tick(10_029);
    assert!(rig.said().is_empty());
    assert_eq!(rig.tick(10_030).close().reason, Some(Reason::OrphanFinWait2));
    assert_eq!(rig.engine.status().looks.map(|looks| (looks.asked, looks.unanswered)), Some((1, 1)));
}

/// Without anybody to ask, the record says so soon.
#[test]
fn nobody_to_ask() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(10).orphan().moves(FinWait1, FinWait2),
        sock(7).at(10).orphan().moves(FinWait2, Closed),
    ]);
    assert_eq!(rig.tick(110).close().reason, Some(Reason::OrphanFinWait2));
    assert!(rig.wants().is_empty());
}
