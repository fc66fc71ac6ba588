//! Stuck sockets and leaks: raised at the threshold, cleared when the socket moves on.

use super::{
    sightings::{answer, timewait},
    support::{Rig, at, ms, sock},
};
use crate::model::{
    FindingKind, FindingReason, FindingStatus, LeakCause, Outcome, Output, Phase, RetransmitKind,
    State::{self, Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck},
    StuckCause,
};

/// The phases that have a finding: how they are entered at 0, and the threshold in milliseconds.
const WATCHED: [(FindingKind, State, State, u64); 4] = [
    (FindingKind::StuckFinWait1, Established, FinWait1, 5_000),
    (FindingKind::StuckClosing, FinWait1, Closing, 5_000),
    (FindingKind::StuckLastAck, CloseWait, LastAck, 5_000),
    (FindingKind::LeakCloseWait, Established, CloseWait, 60_000),
];

#[test]
fn raised_exactly_at_the_threshold() {
    for (kind, old, new, limit_ms) in WATCHED {
        let mut rig = Rig::new();
        rig.events([sock(7).at(0).moves(old, new)]).tick(limit_ms - 1);
        assert!(rig.said().is_empty(), "{kind:?} too early");
        let found = rig.tick(limit_ms).finding();
        assert_eq!((found.kind, found.status), (kind, FindingStatus::Raised));
        assert_eq!((found.time_ns, found.age_ns), (at(limit_ms), ms(limit_ms)));
        assert!(!found.age_is_lower_bound);
        assert!(rig.tick(limit_ms * 10).said().is_empty(), "{kind:?} said twice");
    }
}

/// A late tick does not make a finding late.
#[test]
fn raised_as_of_the_threshold() {
    for (kind, old, new, limit_ms) in WATCHED {
        let mut rig = Rig::new();
        let found = rig.events([sock(7).at(0).moves(old, new)]).tick(limit_ms + 777).finding();
        assert_eq!((found.kind, found.time_ns, found.age_ns), (kind, at(limit_ms), ms(limit_ms)));
    }
}

/// The deadline counts though nothing ticked between: raised, then cleared by the same event.
#[test]
fn raised_by_the_event_that_clears_it() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(6_000).orphan().moves(FinWait1, FinWait2),
    ]);
    let found = rig.findings();
    let said: Vec<_> = found.iter().map(|finding| (finding.status, finding.age_ns, finding.time_ns)).collect();
    let raised = (FindingStatus::Raised, ms(5_000), at(5_000));
    assert_eq!(said, [raised, (FindingStatus::Moved, ms(6_000), at(6_000))]);
}

#[test]
fn not_raised_below_the_threshold() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(59_999).done().closed().moves(CloseWait, LastAck),
        sock(7).at(64_998).done().orphan().moves(LastAck, Close),
    ]);
    assert!(matches!(rig.said().as_slice(), [Output::Close(_)]));
}

/// Every end clears, with the age that the phase had, and before the close is told.
#[test]
fn cleared_by_the_end() {
    let ends = [(110, Outcome::Timeout), (104, Outcome::ResetReceived), (0, Outcome::Unknown)];
    for (errno, outcome) in ends {
        let mut rig = Rig::new();
        rig.events([sock(7).at(0).closed().moves(Established, FinWait1)]).tick(8_000);
        assert_eq!(rig.finding().status, FindingStatus::Raised);
        if outcome == Outcome::ResetReceived {
            rig.events([sock(7).at(9_000).orphan().receives_reset(FinWait1)]);
        }
        rig.events([sock(7).at(9_000).orphan().err(errno).moves(FinWait1, Close)]).tick(20_000);
        let said = rig.said();
        let [Output::Finding(cleared), Output::Close(close)] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(cleared.status, FindingStatus::Ended(outcome));
        assert_eq!((cleared.kind, cleared.age_ns), (FindingKind::StuckFinWait1, ms(9_000)));
        assert_eq!((cleared.time_ns, cleared.age_is_lower_bound), (at(9_000), false));
        assert_eq!((close.outcome, close.phases.network_ns()), (outcome, Some(ms(9_000))));
    }
}

/// The peer may hold its side open as long as it likes (RFC 9293 section 3.6).
#[test]
fn a_held_fin_wait2_is_no_finding() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(1).half_closed().moves(FinWait1, FinWait2),
    ]);
    assert!(rig.tick(10_000_000).said().is_empty());
    assert_eq!(rig.open(), [0, 1, 0, 0, 0]);
}

/// With `tcp_fin_timeout` above 60 s the kernel keeps an orphan in FIN_WAIT2 itself.
#[test]
fn an_orphaned_fin_wait2_is_stuck() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).closed().moves(Established, FinWait1), sock(7).at(1).orphan().moves(FinWait1, FinWait2)]);
    let found = rig.tick(9_000).finding();
    assert_eq!((found.kind, found.orphan), (FindingKind::StuckFinWait2, Some(true)));
    assert_eq!(found.time_ns, at(5_001));
}

/// The same where the kernel hands the orphan over at once: a look shows it, and it is young.
#[test]
fn an_orphan_is_as_old_as_its_close() {
    let mut rig = Rig::looking();
    rig.events([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(1).half_closed().moves(FinWait1, FinWait2),
        sock(7).at(7_001).closed().moves(FinWait2, FinWait2),
        sock(7).at(7_001).orphan().moves(FinWait2, Close),
    ]);
    for at_ms in [7_030, 7_600, 12_000] {
        rig.tick(at_ms).give(&answer(timewait(7, at_ms, FinWait2, 60_000 - u32::try_from(at_ms - 7_001).unwrap())));
        assert!(rig.said().is_empty(), "no finding yet at {at_ms}");
    }
    rig.tick(12_002).give(&answer(timewait(7, 12_002, FinWait2, 55_000)));
    let found = rig.finding();
    assert_eq!((found.kind, found.age_ns, found.age_is_lower_bound), (FindingKind::StuckFinWait2, ms(5_001), false));
    rig.tick(13_000).give(&answer(timewait(7, 13_000, State::TimeWait, 59_990)));
    let said = rig.said();
    let [Output::Finding(cleared), Output::Close(close)] = said.as_slice() else { panic!("{said:?}") };
    assert!(cleared.age_ns <= ms(5_999) && cleared.age_ns > ms(5_900), "{cleared:?}");
    assert_eq!(close.phases.get(Phase::FinWait2), Some(cleared.age_ns + ms(7_000)), "the phase has its whole length");
}

/// `close()` in FIN_WAIT2 makes the orphan; the phase began before, and only an orphan's time counts.
#[test]
fn a_fin_wait2_closed_late_is_stuck_from_then_on() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(1).half_closed().moves(FinWait1, FinWait2),
        sock(7).at(20_001).closed().moves(FinWait2, FinWait2),
    ]);
    let found = rig.tick(60_000).finding();
    assert_eq!((found.kind, found.status), (FindingKind::StuckFinWait2, FindingStatus::Raised));
    assert_eq!(found.age_ns, found.time_ns - at(20_001), "the age is the orphan's");
    assert!(!found.age_is_lower_bound);
    assert_eq!(found.orphan, Some(true));
}

#[test]
fn a_retransmit_explains_a_stuck_fin() {
    let mut rig = Rig::new();
    rig.events([
        sock(1).at(0).closed().moves(Established, FinWait1),
        sock(2).at(0).closed().moves(Established, FinWait1),
        sock(3).at(0).closed().moves(Established, FinWait1),
        sock(2).at(210).orphan().retransmits(FinWait1, RetransmitKind::Rto),
        sock(3).at(210).orphan().retransmits(FinWait1, RetransmitKind::Failed(105)),
    ]);
    let found = rig.tick(5_000).findings();
    let reasons: Vec<_> = found.iter().map(|finding| (finding.socket.key.0, finding.reason, finding.orphan)).collect();
    let stuck = FindingReason::Stuck;
    assert_eq!(
        reasons,
        [
            (1, stuck(StuckCause::Unknown), None),
            (2, stuck(StuckCause::FinUnacked), Some(true)),
            (3, stuck(StuckCause::Unknown), Some(true)),
        ]
    );
    let mut rig = Rig::new();
    let leak = rig.events([sock(7).at(0).done().moves(Established, CloseWait)]).tick(60_000).finding();
    assert_eq!(leak.reason, FindingReason::Leak(LeakCause::Unknown));
}

/// First seen in the middle: at least this old.
#[test]
fn the_age_of_an_adopted_socket_is_a_lower_bound() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).orphan().retransmits(LastAck, RetransmitKind::Rto)]);
    let found = rig.tick(5_000).finding();
    assert_eq!((found.kind, found.age_ns), (FindingKind::StuckLastAck, ms(5_000)));
    assert!(found.age_is_lower_bound);
    rig.events([sock(7).at(7_000).orphan().done().moves(LastAck, Close)]);
    let said = rig.said();
    let Some(Output::Finding(cleared)) = said.first() else { panic!("{said:?}") };
    assert_eq!(cleared.status, FindingStatus::Ended(Outcome::Fin));
    assert!(cleared.age_is_lower_bound);
}

/// One phase after the other, each with its own finding.
#[test]
fn a_socket_may_be_stuck_twice() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).done().moves(Established, CloseWait)]).tick(60_000);
    rig.events([sock(7).at(61_000).done().closed().moves(CloseWait, LastAck)]).tick(66_000);
    let kinds: Vec<_> = rig.findings().iter().map(|finding| (finding.kind, finding.status)).collect();
    assert_eq!(
        kinds,
        [
            (FindingKind::LeakCloseWait, FindingStatus::Raised),
            (FindingKind::LeakCloseWait, FindingStatus::Moved),
            (FindingKind::StuckLastAck, FindingStatus::Raised),
        ]
    );
}

/// Leaving from the middle of a lane disturbs nobody's deadline.
#[test]
fn deadlines_survive_those_who_leave() {
    let mut rig = Rig::new();
    for key in 0..5 {
        rig.events([sock(key).at(key * 10).closed().moves(Established, FinWait1)]);
    }
    for key in [2, 0, 4] {
        rig.events([sock(key).at(100).orphan().moves(FinWait1, FinWait2)]);
        rig.events([sock(key).at(100).orphan().done().moves(FinWait2, Close)]);
    }
    rig.said();
    let due: Vec<_> =
        rig.tick(9_000).findings().iter().map(|finding| (finding.socket.key.0, finding.time_ns)).collect();
    assert_eq!(due, [(1, at(5_010)), (3, at(5_030))]);
}

/// Those that stay keep their order and their deadlines, however many leave in between and join afterwards.
#[test]
fn raised_in_order_among_many_that_leave() {
    let (stays, many) = (|key: u64| key % 10 == 1, 5_000);
    let mut rig = Rig::new();
    for key in 1..=many {
        rig.events([sock(key).at(key).done().moves(Established, CloseWait)]);
    }
    for key in (1..=many).filter(|key| !stays(*key)) {
        let gone = sock(key).at(many).closed().orphan().done();
        rig.events([gone.moves(CloseWait, LastAck), gone.moves(LastAck, Close)]);
    }
    for key in many + 1..=2 * many {
        rig.events([sock(key).at(key).done().moves(Established, CloseWait)]);
    }
    assert_eq!(rig.closes().len(), 4_500);
    let found = rig.tick(100_000).findings();
    let said: Vec<_> = found.iter().map(|finding| (finding.socket.key.0, finding.time_ns)).collect();
    let stay = (1..=2 * many).filter(|key| *key > many || stays(*key));
    assert_eq!(said, stay.map(|key| (key, at(key + 60_000))).collect::<Vec<_>>());
}
