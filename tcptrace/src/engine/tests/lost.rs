//! Sockets first seen mid-life, events lost in between: less is said, nothing wrong is said.

use super::super::{Bounds, Config};
use super::support::{Rig, close_of, ms, sock};
use crate::model::{
    Input, KernelCounters, Outcome, Phase, RetransmitKind, Role,
    State::{self, Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynSent},
};

/// Every legal step that can be the first one seen, with the role that it betrays.
const MID_LIFE: [(State, State, Role); 9] = [
    (FinWait1, FinWait1, Role::Active),
    (FinWait1, FinWait2, Role::Active),
    (FinWait1, Closing, Role::Simultaneous),
    (FinWait1, Close, Role::Active),
    (FinWait2, Close, Role::Active),
    (Closing, Close, Role::Simultaneous),
    (CloseWait, LastAck, Role::Passive),
    (CloseWait, Close, Role::Abort),
    (LastAck, Close, Role::Passive),
];

/// What follows a state until the end.
fn rest(state: State) -> &'static [State] {
    match state {
        FinWait1 => &[FinWait2, Close],
        FinWait2 | Closing | LastAck => &[Close],
        _ => &[],
    }
}

#[test]
fn a_first_sight_in_mid_life_is_incomplete() {
    for (old, new, role) in MID_LIFE {
        let mut rig = Rig::new();
        rig.events([sock(7).at(100).orphan().done().moves(old, new)]);
        let mut now = new;
        for (step, next) in (1..).zip(rest(new)) {
            rig.events([sock(7).at(100 + step * 10).orphan().done().moves(now, *next)]);
            now = *next;
        }
        let close = rig.finish().close();
        assert_eq!((close.role, close.complete, close.close_ns), (role, false, None), "{old:?} -> {new:?}");
        let phases: Vec<_> = crate::model::PHASES.iter().filter_map(|phase| close.phases.get(*phase)).collect();
        let whole = if old == new { &[] as &[State] } else { rest(new) };
        let seen = whole.iter().filter(|_| new != Close).count();
        assert_eq!(phases.len(), if old == new { 1 } else { seen }, "{old:?} -> {new:?}: {:?}", close.phases);
        assert!(phases.iter().all(|ns| *ns == ms(10)), "{old:?} -> {new:?}: {:?}", close.phases);
        assert_eq!(rig.anomalies().mid_life, 1);
        assert_eq!(rig.anomalies().impossible_transitions, 0);
        assert_eq!(rig.open(), [0; 5]);
    }
}

/// A retransmit is the first that is seen of a socket that was stuck before anybody looked.
#[test]
fn a_retransmit_adopts() {
    for (state, open) in [(FinWait1, [1, 0, 0, 0, 0]), (Closing, [0, 0, 1, 0, 0]), (LastAck, [0, 0, 0, 0, 1])] {
        let mut rig = Rig::new();
        rig.events([sock(7).at(0).orphan().retransmits(state, RetransmitKind::Rto)]);
        assert_eq!((rig.open(), rig.anomalies().mid_life), (open, 1));
        rig.events([sock(7).at(900).orphan().done().moves(state, Close)]);
        let close = rig.finish().close();
        assert_eq!((close.retransmits.rto, close.complete, close.close_ns), (1, false, None));
        assert_eq!(close.phases, Default::default(), "its beginning was not seen");
    }
}

/// Before a close there is nothing to adopt.
#[test]
fn a_stray_event_is_counted() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).retransmits(Established, RetransmitKind::Fast),
        sock(8).at(0).retransmits(Close, RetransmitKind::Fast),
    ]);
    assert_eq!(rig.anomalies().stray_events, 2);
    assert_eq!(rig.engine.table.len(), 0);
}

/// FIN_WAIT1 -> FIN_WAIT2 was lost: both are unknown, but the whole is not.
#[test]
fn a_gap_takes_the_phases_on_both_sides() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(100).orphan().done().moves(FinWait2, Close),
    ]);
    let close = rig.finish().close();
    assert_eq!((close.role, close.outcome, close.complete), (Role::Active, Outcome::Fin, false));
    assert_eq!(close.phases, Default::default());
    assert_eq!((close.close_ns, close.three_way), (Some(ms(100)), None));
    assert_eq!(rig.anomalies().mid_life, 1);
}

/// FIN_WAIT1 -> CLOSING and CLOSE_WAIT -> LAST_ACK likewise; the role is told by where it came to.
#[test]
fn a_gap_tells_the_role() {
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(100).orphan().done().moves(Closing, Close),
    ]);
    assert_eq!((close.role, close.close_ns, close.complete), (Role::Simultaneous, Some(ms(100)), false));
    let close = close_of([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(100).done().orphan().moves(LastAck, Close),
    ]);
    assert_eq!((close.role, close.close_ns, close.complete), (Role::Passive, Some(ms(100)), false));
    assert_eq!(close.phases, Default::default());
}

/// The self transition after a gap says where the socket is; what follows is exact again.
#[test]
fn a_self_transition_closes_a_gap() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(50).done().closed().moves(LastAck, LastAck),
    ]);
    assert_eq!(rig.open(), [0, 0, 0, 0, 1]);
    rig.events([sock(7).at(100).done().orphan().moves(LastAck, Close)]);
    let close = rig.finish().close();
    assert_eq!((close.phases, close.complete), (Default::default(), false));
}

/// A finding of a state that was left unseen is cleared when that shows.
#[test]
fn a_gap_clears_a_finding() {
    use crate::model::{FindingStatus, Output};
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).done().moves(Established, CloseWait)]).tick(60_000);
    rig.events([sock(7).at(61_000).done().orphan().moves(LastAck, Close)]).finish();
    let said = rig.said();
    let [Output::Finding(raised), Output::Finding(cleared), Output::Close(_)] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!((raised.status, cleared.status), (FindingStatus::Raised, FindingStatus::Moved));
}

/// A retransmit from a later state shows that the step to it was lost.
#[test]
fn a_retransmit_shows_a_gap() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(300).done().orphan().retransmits(LastAck, RetransmitKind::Tlp),
    ]);
    assert_eq!(rig.open(), [0, 0, 0, 0, 1], "a FIN is on its way, so nobody leaks this");
    rig.events([sock(7).at(400).done().orphan().moves(LastAck, Close)]);
    let close = rig.finish().close();
    assert_eq!((close.phases, close.complete), (Default::default(), false));
    assert_eq!((close.close_ns, close.retransmits.tlp), (Some(ms(400)), 1));
}

/// Lost ends leave sockets open, and nothing is made up for them.
#[test]
fn a_lost_end_is_still_open() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).closed().moves(Established, FinWait1)]);
    assert!(rig.finish().said().is_empty());
    assert_eq!(rig.open(), [1, 0, 0, 0, 0]);
}

/// No TCP socket does this: counted, and taken as a sign that this version does not know everything.
#[test]
fn impossible_transitions_are_counted() {
    let states = (0..=u8::MAX).filter_map(State::from_kernel).collect::<Vec<_>>();
    for old in &states {
        for new in &states {
            let mut rig = Rig::new();
            rig.events([sock(7).at(0).moves(*old, *new)]).finish();
            let expected = u64::from(!possible(*old, *new));
            assert_eq!(rig.anomalies().impossible_transitions, expected, "{old:?} -> {new:?}");
        }
    }
}

/// What crosses to user space, by the kernel's own rules.
fn possible(old: State, new: State) -> bool {
    let closing = [FinWait1, FinWait2, Closing, CloseWait, LastAck];
    let live = [Established, State::SynRecv];
    match new {
        Close => closing.contains(&old) || live.contains(&old) || old == SynSent,
        SynSent => old == Close,
        CloseWait => live.contains(&old),
        FinWait1 => live.contains(&old) || old == FinWait1,
        FinWait2 | Closing => old == FinWait1 || old == new,
        LastAck => old == CloseWait || old == LastAck,
        _ => false,
    }
}

/// An impossible step has no length that anybody saw.
#[test]
fn an_impossible_step_is_never_complete() {
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait2),
        sock(7).at(9).orphan().done().moves(FinWait2, Close),
    ]);
    assert!(!close.complete);
    assert_eq!(close.phases.get(Phase::FinWait1), None);
}

/// The kernel side may send an event twice: the second time is counted, and nothing else.
#[test]
fn an_event_sent_twice_is_one() {
    let once = [
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(3).orphan().moves(FinWait1, FinWait2),
        sock(7).at(5).orphan().done().moves(FinWait2, Close),
    ];
    let mut rig = Rig::new();
    for mut event in once {
        rig.events([event]);
        event.time_ns += 900;
        rig.events([event]);
    }
    let close = rig.finish().close();
    assert_eq!(close, close_of(once));
    assert_eq!((rig.anomalies().duplicates, rig.anomalies().mid_life), (3, 0));
    assert_eq!(rig.engine.table.len(), 0);
}

/// An abort that waits for its reset, and one that there is no room to follow.
#[test]
fn an_end_sent_twice_is_one() {
    let full = Config { bounds: Bounds { closes_max: 0, connects_max: 0 }, ..Config::default() };
    for config in [Config::default(), full] {
        let mut rig = Rig::with(config);
        let end = sock(7).at(0).closed().moves(Established, Close);
        rig.events([end, end]).finish();
        assert_eq!(rig.closes().len(), 1);
        assert_eq!(rig.anomalies().duplicates, 1);
    }
}

/// A retransmit may be among what was lost, so the close is not complete; its phases were seen at both ends.
#[test]
fn a_loss_during_a_close_makes_it_incomplete() {
    let lost_between = |mark| {
        let mut end = sock(7).at(40).orphan().done().moves(FinWait2, Close);
        end.loss_mark = mark;
        let begin = sock(7).at(0).moves(Established, FinWait1);
        close_of([begin, sock(7).at(30).orphan().moves(FinWait1, FinWait2), end])
    };
    assert!(lost_between(0).complete);
    let close = lost_between(9);
    assert!(!close.complete);
    assert_eq!((close.phases.get(Phase::FinWait1), close.close_ns), (Some(ms(30)), Some(ms(40))));
}

#[test]
fn a_finding_after_a_loss_may_be_over() {
    let losses = [
        Input::Gap,
        Input::Counters(KernelCounters { seen: 2, lost: 1, ..KernelCounters::default() }),
        Input::Counters(KernelCounters { seen: 2, missed: 1, ..KernelCounters::default() }),
    ];
    for loss in losses {
        let mut rig = Rig::new();
        rig.events([sock(7).at(0).moves(Established, CloseWait)]);
        rig.give(&loss);
        rig.events([sock(8).at(1).ports(1, 2).moves(Established, CloseWait)]);
        let findings = rig.tick(70_000).findings();
        let doubts: Vec<bool> = findings.iter().map(|finding| finding.may_be_over).collect();
        assert_eq!(doubts, [true, false], "{loss:?}");
    }
}

#[test]
fn a_gap_leaves_the_books_open() {
    let mut rig = Rig::new();
    assert!(rig.engine.status().books.balanced());
    rig.give(&Input::Gap);
    assert!(!rig.engine.status().books.balanced());
}
