//! Everything is bounded: a full table is counted, and ends are still told.

use super::super::{Bounds, Config, Engine};
use super::support::{ECONNRESET, EHOSTUNREACH, ETIMEDOUT, Rig, rst, sock};
use crate::model::{
    Input, Outcome, OwnerSource, Reason, RetransmitKind, Role,
    State::{Close, CloseWait, Established, FinWait1, FinWait2, LastAck, SynSent},
};

fn tight(closes_max: usize, connects_max: usize) -> Rig {
    Rig::with(Config { bounds: Bounds { closes_max, connects_max }, ..Config::default() })
}

#[test]
fn a_full_table_still_tells_ends() {
    let mut rig = tight(2, 2);
    for key in 0..5 {
        rig.events([sock(key).at(key).done().moves(Established, CloseWait)]);
    }
    assert_eq!((rig.engine.table.len(), rig.anomalies().table_full), (2, 3));
    assert_eq!(rig.open(), [0, 0, 0, 2, 0]);
    rig.events([
        sock(4).at(100).done().closed().owner(42, OwnerSource::Close).moves(CloseWait, LastAck),
        sock(4).at(101).done().orphan().moves(LastAck, Close),
        sock(9).at(102).receives_reset(Established),
        sock(9).at(102).err(ECONNRESET).moves(Established, Close),
    ]);
    let closes = rig.closes();
    let [passive, abort] = closes.as_slice() else { panic!("{closes:?}") };
    assert_eq!((passive.role, passive.outcome), (Role::Passive, Outcome::Fin));
    assert_eq!((passive.complete, passive.close_ns, passive.phases), (false, None, Default::default()));
    assert_eq!((abort.role, abort.outcome), (Role::Abort, Outcome::ResetReceived));
    assert_eq!(rig.open(), [0, 0, 0, 2, 0], "those that were followed still are");
    assert!(rig.anomalies().table_full >= 6);
}

/// As soon as there is room, the rest of a close is followed.
#[test]
fn room_is_used_again() {
    let mut rig = tight(1, 1);
    rig.events([
        sock(1).at(0).closed().moves(Established, FinWait1),
        sock(2).at(0).done().moves(Established, CloseWait),
        sock(1).at(1).orphan().moves(FinWait1, FinWait2),
        sock(1).at(2).orphan().done().moves(FinWait2, Close),
        sock(2).at(3).done().closed().moves(CloseWait, LastAck),
        sock(2).at(7).done().orphan().moves(LastAck, Close),
    ]);
    let closes = rig.closes();
    let [first, second] = closes.as_slice() else { panic!("{closes:?}") };
    assert!(first.complete && !second.complete);
    assert_eq!((second.phases.network_ns(), second.close_ns), (Some(4_000_000), None));
    assert_eq!((rig.open(), rig.engine.table.len()), ([0; 5], 0));
}

/// What a reset before the end said is not thrown away with the room.
#[test]
fn a_full_table_still_knows_the_reset() {
    let mut rig = tight(0, 0);
    rig.events([
        sock(1).at(0).sends_reset(Established, rst::KEEPALIVE),
        sock(1).at(0).err(ETIMEDOUT).moves(Established, Close),
        sock(2).at(0).err(EHOSTUNREACH).moves(Established, Close),
    ]);
    let reasons: Vec<_> = rig.closes().iter().map(|close| close.reason).collect();
    assert_eq!(reasons, [Some(Reason::Keepalive), Some(Reason::Unreachable)]);
}

#[test]
fn a_full_table_adopts_nobody() {
    let mut rig = tight(1, 1);
    for key in 0..10 {
        rig.events([sock(key).at(0).orphan().retransmits(FinWait1, RetransmitKind::Rto)]);
    }
    assert_eq!((rig.engine.table.len(), rig.anomalies().table_full), (1, 9));
    assert_eq!(rig.anomalies().mid_life, 1);
}

#[test]
fn connects_beyond_the_bound_are_counted() {
    let mut rig = tight(10, 2);
    for key in 0..5 {
        rig.events([sock(key).at(0).owner(42, OwnerSource::Connect).moves(Close, SynSent)]);
    }
    assert_eq!(rig.anomalies().connects_forgotten, 3);
    // One that is known may connect again.
    rig.events([sock(0).at(1).owner(43, OwnerSource::Connect).moves(Close, SynSent)]);
    assert_eq!(rig.anomalies().connects_forgotten, 3);
    rig.events([
        sock(0).at(2).err(ETIMEDOUT).moves(Established, Close),
        sock(4).at(2).err(ETIMEDOUT).moves(Established, Close),
    ]);
    let owners: Vec<_> = rig.closes().iter().map(|close| close.owner.map(|owner| owner.pid)).collect();
    assert_eq!(owners, [Some(43), None]);
    rig.events([sock(5).at(3).moves(Close, SynSent)]);
    assert_eq!(rig.anomalies().connects_forgotten, 3, "an end makes room");
}

/// Resets of sockets whose close never comes are not kept for ever.
#[test]
fn early_resets_are_bounded() {
    let mut rig = Rig::new();
    for key in 0..1_000 {
        rig.events([sock(key).at(0).sends_reset(Established, rst::KEEPALIVE)]);
    }
    rig.events([
        sock(999).at(0).err(ETIMEDOUT).moves(Established, Close),
        sock(0).at(0).err(ETIMEDOUT).moves(Established, Close),
    ]);
    let reasons: Vec<_> = rig.closes().iter().map(|close| close.reason).collect();
    assert_eq!(reasons, [Some(Reason::Keepalive), None], "the newest are kept");
}

/// Slots are used again, so a churn needs no more memory than what is open at a time.
#[test]
fn a_churn_does_not_grow() {
    let mut rig = tight(4, 4);
    for key in 0..10_000 {
        rig.events([
            sock(key).at(key).moves(Close, SynSent),
            sock(key).at(key).closed().moves(Established, FinWait1),
            sock(key).at(key).orphan().moves(FinWait1, FinWait2),
            sock(key).at(key).orphan().done().moves(FinWait2, Close),
        ]);
    }
    assert_eq!(rig.closes().len(), 10_000);
    assert_eq!(rig.anomalies(), Default::default());
    assert_eq!((rig.open(), rig.engine.table.len()), ([0; 5], 0));
}

/// More than one chunk of slots: nobody is mixed up with anybody.
#[test]
fn many_at_a_time_stay_apart() {
    let mut rig = Rig::new();
    for key in 0..3_000 {
        rig.events([sock(key).at(key).closed().moves(Established, FinWait1)]);
    }
    assert_eq!(rig.open(), [3_000, 0, 0, 0, 0]);
    for key in (0..3_000).rev() {
        rig.events([sock(key).at(4_000).orphan().err(ETIMEDOUT).moves(FinWait1, Close)]);
    }
    let closes = rig.closes();
    assert_eq!(closes.len(), 3_000);
    for close in closes {
        assert_eq!(close.close_ns, Some((4_000 - close.socket.key.0) * 1_000_000));
    }
    assert_eq!((rig.open(), rig.engine.table.len()), ([0; 5], 0));
}

/// `finish()` before anything, twice, and with nobody listening in between.
#[test]
fn an_engine_may_end_at_any_time() {
    let mut engine = Engine::new(Config::default());
    engine.finish();
    engine.finish();
    assert_eq!(engine.poll(), None);
    let mut engine = Engine::new(Config::default());
    for key in 0..10 {
        engine.handle(&Input::Event(sock(key).at(key).err(ECONNRESET).moves(Established, Close)));
    }
    engine.finish();
    assert_eq!(std::iter::from_fn(|| engine.poll()).count(), 10);
    assert_eq!(engine.poll(), None);
}
