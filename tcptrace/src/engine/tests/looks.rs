//! Findings that are explained by a look before they are raised.

use super::{
    sightings::{absent, answer, look},
    support::{Rig, at, identity, ms, sock},
};
use crate::model::{
    AbsentWhy, FindingStatus, GivesUp, Holder, Holders, Input, NetnsFacts, NeverWhy, Outcome, Output, OwnerSource,
    Reason, Sighting, Snapshot,
    State::{Close, CloseWait, Established, FinWait1, FinWait2, LastAck},
    TcpDetail, Timer, Want,
};

fn stuck() -> Rig {
    let mut rig = Rig::looking();
    rig.events([sock(7).at(0).closed().moves(Established, FinWait1)]);
    rig.wants();
    rig
}

#[test]
fn looked_at_before_it_is_said() {
    let mut rig = stuck();
    assert_eq!(rig.tick(5_000).looks(), [7]);
    assert!(rig.said().is_empty());
    rig.give(&answer(look(7, 5_001, FinWait1)));
    let found = rig.finding();
    assert_eq!((found.status, found.time_ns, found.age_ns), (FindingStatus::Raised, at(5_001), ms(5_001)));
    assert!(found.diagnosis.is_some());
    assert!(rig.tick(10_000).looks().is_empty());
    assert_eq!(rig.tick(10_001).looks(), [7], "whether it still stands is looked up");
    rig.give(&answer(look(7, 10_002, FinWait1)));
    assert!(rig.said().is_empty(), "said once");
}

#[test]
fn said_without_an_answer() {
    let mut rig = stuck();
    rig.tick(5_000).give(&absent(7, 5_001, AbsentWhy::NotAsked));
    let found = rig.finding();
    assert_eq!((found.time_ns, found.diagnosis), (at(5_001), None));
    let mut rig = stuck();
    rig.tick(5_000);
    assert_eq!(rig.tick(15_000).finding().time_ns, at(15_000));
}

/// Events that both look like close() after shutdown(): the second comes while the first one's deadline is looked at.
#[test]
fn closed_twice_and_said_once() {
    let mut rig = Rig::looking();
    rig.events([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(1).half_closed().moves(FinWait1, FinWait2),
        sock(7).at(10).closed().moves(FinWait2, FinWait2),
        sock(7).at(5_010).closed().moves(FinWait2, FinWait2),
        sock(7).at(10_010).closed().moves(FinWait2, FinWait2),
    ]);
    rig.give(&answer(look(7, 10_011, FinWait2)));
    let raised = rig.findings().iter().filter(|found| found.status == FindingStatus::Raised).count();
    assert_eq!(raised, 1);
}

/// It moves on while it is looked at: the threshold was passed all the same.
#[test]
fn said_when_it_moves_on_first() {
    let mut rig = stuck();
    rig.tick(5_000).events([sock(7).at(5_001).orphan().moves(FinWait1, FinWait2)]);
    let statuses: Vec<_> = rig.findings().iter().map(|found| found.status).collect();
    assert_eq!(statuses, [FindingStatus::Raised, FindingStatus::Moved]);
    rig.give(&answer(look(7, 5_000, FinWait1)));
    assert!(rig.said().is_empty(), "an answer about the past");
}

/// A finding about a socket that is no more is never raised; the close is reported as what it is.
#[test]
fn a_ghost_is_healed() {
    for why in [AbsentWhy::Gone, AbsentWhy::Replaced] {
        let mut rig = stuck();
        rig.tick(5_000).give(&absent(7, 5_001, why));
        assert!(rig.said().is_empty(), "its last event may be on its way");
        rig.wants();
        assert_eq!(rig.tick(5_201).looks(), [7]);
        rig.give(&absent(7, 5_202, why));
        let close = rig.close();
        assert_eq!((close.outcome, close.reason), (Outcome::Unknown, Some(Reason::EventsLost)));
        assert_eq!((close.complete, close.close_ns), (false, None));
        assert_eq!(rig.open(), [0; 5]);
        assert_eq!(rig.engine.status().looks.map(|looks| looks.healed), Some(1));
    }
}

/// The kernel unhashes a socket before it fires the event: a look in between finds nothing.
#[test]
fn an_end_that_is_on_its_way_is_no_ghost() {
    let mut rig = stuck();
    rig.tick(5_000).give(&absent(7, 5_001, AbsentWhy::Gone));
    rig.events([sock(7).at(5_002).orphan().receives_reset(FinWait1)]);
    rig.events([sock(7).at(5_002).orphan().err(104).moves(FinWait1, Close)]);
    rig.tick(6_000);
    let close = rig.close();
    assert_eq!((close.outcome, close.complete), (Outcome::ResetReceived, true));
    assert_eq!(rig.engine.status().looks.map(|looks| looks.healed), Some(0));
}

/// A finding that stands is cleared when its socket turns out to be gone.
#[test]
fn a_finding_is_cleared_by_a_look() {
    let mut rig = stuck();
    rig.tick(5_000).give(&answer(look(7, 5_001, FinWait1)));
    rig.said();
    rig.tick(10_001).give(&absent(7, 10_002, AbsentWhy::Gone));
    rig.tick(10_202).give(&absent(7, 10_203, AbsentWhy::Gone));
    let said = rig.said();
    let [Output::Finding(cleared), Output::Close(close)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(cleared.status, FindingStatus::Ended(Outcome::Unknown));
    assert_eq!(close.reason, Some(Reason::EventsLost));
}

/// The socket is one state further: the event that told was lost.
#[test]
fn a_lost_transition_is_healed() {
    let mut rig = stuck();
    rig.tick(5_000).give(&answer(look(7, 5_001, FinWait2)));
    assert!(rig.said().is_empty());
    assert_eq!(rig.open(), [0, 1, 0, 0, 0]);
}

/// A leak's holder is its owner where it is one process.
#[test]
fn the_one_who_holds_it_is_the_owner() {
    let holder = |pid| Holder { pid, comm: "leaky".to_owned(), fd: 9, cgroup: "/a".to_owned() };
    for (pids, owner) in [(vec![42], Some(42)), (vec![42, 43], None)] {
        let mut rig = Rig::looking();
        rig.events([sock(7).at(0).done().moves(Established, CloseWait)]);
        rig.wants();
        rig.tick(60_000);
        let wants = rig.wants();
        let asks_for_holders = wants.iter().any(|want| matches!(want, Want::Look(look) if look.holders));
        assert!(asks_for_holders, "{wants:?}");
        let total = u32::try_from(pids.len()).unwrap();
        let list = pids.iter().map(|pid| holder(*pid)).collect();
        let holders = Holders { list, total, in_epoll: Some(false), partial: false };
        let snapshot = look(7, 60_001, CloseWait);
        rig.give(&Input::Sighting(Box::new(Sighting { snapshot, holders: Some(holders.clone()), asked: true })));
        let found = rig.finding();
        assert_eq!(found.owner.map(|owner| (owner.pid, owner.source)), owner.map(|pid| (pid, OwnerSource::Fd)));
        assert_eq!(found.holders.as_deref(), Some(&holders));
        rig.events([sock(7).at(61_000).owner(99, OwnerSource::Close).closed().moves(CloseWait, LastAck)]);
        let cleared = rig.finding();
        assert_eq!(cleared.owner.map(|owner| owner.pid), Some(99), "who closes outranks who held it");
    }
}

/// A window of 0 whose probes are answered lasts for ever, unless it is `close()` that waits for it (SO_LINGER).
#[test]
fn a_close_may_wait() {
    for (closed, gives_up) in [(true, GivesUp::Unknown), (false, GivesUp::Never(NeverWhy::ProbesAnswered))] {
        let mut rig = Rig::looking();
        let netns = identity(7).netns;
        rig.give(&Input::Netns(Box::new(NetnsFacts { netns, retries2: Some(15), ..NetnsFacts::default() })));
        let event = sock(7).at(0).owner(9, OwnerSource::Close);
        rig.events([if closed { event.closed() } else { event.half_closed() }.moves(Established, FinWait1)]);
        rig.wants();
        let info = TcpDetail {
            snd_wnd_bytes: Some(0),
            notsent_bytes: 500,
            snd_mss_bytes: 100,
            backoff: 5,
            rto_us: 204_000,
            ..TcpDetail::default()
        };
        let shut = Snapshot { timer: Timer::Probe, info: Some(info), ..look(7, 5_001, FinWait1) };
        rig.tick(5_000).give(&answer(shut));
        assert_eq!(rig.finding().diagnosis.unwrap().gives_up, gives_up, "{closed}");
    }
}
