//! Dumps against the table: what was closing before is adopted, what a loss hid is healed.

use super::{
    sightings::{absent, answer, dumped, look, mark, timewait},
    support::{Rig, at, ms, sock},
};
use crate::model::{
    AbsentWhy, DumpAt, FindingStatus, HostInfo, Input, Outcome, Reason, Snapshot,
    State::{Close, CloseWait, Established, FinWait1, FinWait2, LastAck, SynSent, TimeWait},
    StateSet, Want,
};

/// A dump that begins and ends a millisecond apart, and what it shows.
fn audit(rig: &mut Rig, at_ms: u64, sockets: &[Snapshot]) {
    rig.give(&mark(at_ms, DumpAt::Begin));
    for snapshot in sockets {
        rig.give(&dumped(*snapshot));
    }
    rig.give(&mark(at_ms + 1, DumpAt::End));
    rig.give(&mark(at_ms + 1, DumpAt::AllDone { cost_ns: 1 }));
}

fn looks_of(rig: &Rig) -> (u64, u64, u64) {
    rig.engine.status().looks.map_or((0, 0, 0), |looks| (looks.found_closing, looks.adopted, looks.healed))
}

#[test]
fn the_first_tick_asks_for_the_past() {
    let mut rig = Rig::looking();
    rig.tick(0);
    assert_eq!(rig.wants(), [Want::Dump(StateSet::CLOSING)]);
    assert!(rig.tick(1).wants().is_empty());
}

#[test]
fn the_past_counts() {
    let mut rig = Rig::looking();
    rig.tick(0);
    audit(&mut rig, 1, &[look(7, 1, CloseWait), look(8, 1, FinWait1), timewait(9, 1, FinWait2, 5_000)]);
    assert_eq!(rig.open(), [1, 1, 0, 1, 0]);
    assert_eq!(looks_of(&rig), (3, 0, 0));
    rig.wants();
    assert_eq!(rig.tick(501).looks(), [9]);
    rig.give(&answer(timewait(9, 501, TimeWait, 59_900)));
    let close = rig.close();
    assert_eq!((close.outcome, close.end_ns, close.complete), (Outcome::Fin, at(401), false));
    assert_eq!(close.close_ns, None, "nobody saw it begin");
    assert_eq!(rig.tick(5_001).looks(), [8]);
    rig.give(&answer(look(8, 5_002, FinWait1)));
    let found = rig.finding();
    assert_eq!((found.status, found.age_is_lower_bound), (FindingStatus::Raised, true));
    assert_eq!(found.age_ns, ms(5_001));
    rig.events([
        sock(7).at(6_000).closed().moves(CloseWait, LastAck),
        sock(7).at(6_001).orphan().moves(LastAck, Close),
    ]);
    let close = rig.close();
    assert_eq!((close.outcome, close.complete, close.close_ns), (Outcome::Fin, false, None));
    assert_eq!(rig.anomalies().mid_life, 0);
}

/// A socket that ended while the dump ran is not brought back to life.
#[test]
fn what_ended_meanwhile_is_not_adopted() {
    let mut rig = Rig::looking();
    rig.tick(0);
    rig.give(&mark(1, DumpAt::Begin));
    rig.events([
        sock(7).at(2).closed().moves(Established, FinWait1),
        sock(7).at(4).orphan().done().moves(FinWait1, FinWait2),
        sock(7).at(5).orphan().done().moves(FinWait2, Close),
    ]);
    rig.give(&dumped(look(7, 3, FinWait1)));
    rig.give(&mark(6, DumpAt::AllDone { cost_ns: 1 }));
    assert_eq!(rig.open(), [0; 5]);
    assert_eq!(rig.close().outcome, Outcome::Fin);
    assert_eq!(looks_of(&rig), (0, 0, 0));
}

/// Sightings outside a dump adopt nothing.
#[test]
fn a_late_sighting_is_not_adopted() {
    let mut rig = Rig::looking();
    rig.tick(0);
    audit(&mut rig, 1, &[]);
    rig.give(&dumped(look(7, 3, FinWait1)));
    rig.give(&answer(look(7, 3, FinWait1)));
    assert_eq!(rig.open(), [0; 5]);
}

/// After a loss the next dump comes soon; what it does not show is looked for, and only then given up.
#[test]
fn a_ghost_is_looked_for() {
    let mut rig = Rig::looking();
    rig.tick(0);
    audit(&mut rig, 1, &[]);
    rig.events([
        sock(7).at(10).done().moves(Established, CloseWait),
        sock(8).at(10).done().moves(Established, CloseWait),
    ]);
    rig.wants();
    rig.give(&Input::Gap);
    assert!(rig.tick(400).wants().is_empty());
    assert_eq!(rig.tick(1_000).wants(), [Want::Dump(StateSet::CLOSING)]);
    audit(&mut rig, 1_010, &[look(8, 1_010, CloseWait)]);
    assert_eq!(rig.looks(), [7]);
    assert!(rig.said().is_empty());
    rig.give(&absent(7, 1_020, AbsentWhy::Gone));
    assert_eq!(rig.tick(1_220).looks(), [7]);
    rig.give(&absent(7, 1_221, AbsentWhy::Gone));
    let close = rig.close();
    assert_eq!((close.outcome, close.reason), (Outcome::Unknown, Some(Reason::EventsLost)));
    assert_eq!(rig.open(), [0, 0, 0, 1, 0]);
    assert_eq!(looks_of(&rig), (0, 0, 1));
}

/// A dump may pass a socket by: it is no ghost as long as a look finds it.
#[test]
fn a_socket_that_a_dump_missed_lives_on() {
    let mut rig = Rig::looking();
    rig.tick(0);
    rig.events([sock(7).at(0).done().moves(Established, CloseWait)]);
    rig.wants();
    audit(&mut rig, 1, &[]);
    assert_eq!(rig.looks(), [7]);
    rig.give(&answer(look(7, 5, CloseWait)));
    assert!(rig.said().is_empty());
    assert_eq!(rig.open(), [0, 0, 0, 1, 0]);
}

/// A dump that broke off proves nothing.
#[test]
fn a_broken_dump_accuses_nobody() {
    let mut rig = Rig::looking();
    rig.tick(0);
    rig.events([sock(7).at(0).done().moves(Established, CloseWait)]);
    rig.wants();
    rig.give(&mark(1, DumpAt::Begin));
    rig.give(&mark(2, DumpAt::BrokeOff));
    rig.give(&mark(3, DumpAt::AllDone { cost_ns: 1 }));
    assert!(rig.looks().is_empty());
}

/// What a loss hid is adopted, and counted apart from the past.
#[test]
fn what_began_unseen_is_adopted() {
    let mut rig = Rig::looking();
    rig.tick(0);
    audit(&mut rig, 1, &[]);
    rig.give(&Input::Gap);
    rig.tick(1_000);
    audit(&mut rig, 1_001, &[look(7, 1_001, CloseWait)]);
    assert_eq!(looks_of(&rig), (0, 1, 0));
    assert_eq!(rig.open(), [0, 0, 0, 1, 0]);
}

/// Where the kernel side leaves out other owners' sockets, only those from before are adopted: an unknown one that
/// closes later is somebody else's.
#[test]
fn other_owners_sockets_are_not_adopted() {
    let mut rig = Rig::looking();
    rig.give(&Input::Host(HostInfo { sock_diag: true, owners_filtered: true, ..HostInfo::default() }));
    rig.tick(0);
    audit(&mut rig, 1, &[look(7, 1, CloseWait)]);
    assert_eq!((looks_of(&rig), rig.open()), ((1, 0, 0), [0, 0, 0, 1, 0]));
    rig.give(&Input::Gap);
    rig.tick(1_000);
    audit(&mut rig, 1_001, &[look(7, 1_001, CloseWait), look(8, 1_001, CloseWait)]);
    assert_eq!((looks_of(&rig), rig.open()), ((1, 0, 0), [0, 0, 0, 1, 0]));
}

/// A connect whose end was lost is forgotten when a dump shows no such socket.
#[test]
fn connects_are_healed() {
    let mut rig = Rig::looking();
    rig.tick(0);
    audit(&mut rig, 1, &[]);
    rig.events([sock(7).at(10).moves(Close, SynSent), sock(8).at(10).moves(Close, SynSent)]);
    rig.give(&Input::Gap);
    rig.wants();
    rig.tick(1_000);
    let wants = rig.wants();
    let [Want::Dump(states)] = wants.as_slice() else { panic!("{wants:?}") };
    assert!(states.has(Established) && states.has(SynSent));
    audit(&mut rig, 1_001, &[look(8, 1_001, Established)]);
    for (key, connect_seen) in [(7, false), (8, true)] {
        rig.events([
            sock(key).at(2_000).closed().moves(Established, FinWait1),
            sock(key).at(2_001).orphan().done().moves(FinWait1, Close),
        ]);
        let _ = rig.tick(3_000);
        assert_eq!(rig.close().lifetime_ns.is_some(), connect_seen, "{key}");
    }
}

/// An unreachable namespace hides what became of a socket; after a loss it is given up and said to be unknown.
#[test]
fn no_ghost_stays_where_nobody_can_look() {
    let mut rig = Rig::looking();
    rig.tick(0);
    audit(&mut rig, 1, &[]);
    rig.events([sock(7).at(10).done().moves(Established, CloseWait)]);
    rig.wants();
    rig.give(&Input::Gap);
    rig.tick(1_000);
    // This time the namespace is not among those that were found.
    rig.give(&mark(1_001, DumpAt::AllDone { cost_ns: 1 }));
    assert_eq!(rig.looks(), [7]);
    rig.give(&absent(7, 1_002, AbsentWhy::NoNamespace));
    assert_eq!(rig.close().outcome, Outcome::Unknown);
}
