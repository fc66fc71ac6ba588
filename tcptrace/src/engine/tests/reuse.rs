//! Keys that come again: where a kernel gives no cookie, the key is an address, and addresses are reused.

use super::support::{ECONNRESET, Rig, ms, sock};
use crate::model::{
    Outcome, OwnerSource, Phase, Reason, RetransmitKind, Role,
    State::{Close, CloseWait, Established, FinWait1, FinWait2, LastAck, SynSent},
};

/// The next life begins with a close of its own.
#[test]
fn a_lost_end_is_told_when_the_key_comes_again() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(2).orphan().moves(FinWait1, FinWait2),
        sock(7).at(500).done().moves(Established, CloseWait),
    ]);
    let lost = rig.close();
    assert_eq!((lost.outcome, lost.reason), (Outcome::Unknown, Some(Reason::EventsLost)));
    assert_eq!((lost.complete, lost.close_ns, lost.totals), (false, None, None));
    assert_eq!(lost.phases.get(Phase::FinWait1), Some(ms(2)), "this was seen");
    assert_eq!(lost.phases.get(Phase::FinWait2), None);
    assert_eq!((rig.anomalies().replaced, rig.open()), (1, [0, 0, 0, 1, 0]));
}

#[test]
fn a_connect_begins_another_life() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().owner(42, OwnerSource::Close).moves(Established, FinWait1),
        sock(7).at(500).ports(0, 81).owner(43, OwnerSource::Connect).moves(Close, SynSent),
    ]);
    assert_eq!(rig.close().reason, Some(Reason::EventsLost));
    rig.events([sock(7).at(600).ports(1, 81).err(ECONNRESET).moves(Established, Close)]).finish();
    let close = rig.close();
    assert_eq!(close.owner.map(|owner| owner.pid), Some(43));
    assert_eq!(close.lifetime_ns, Some(ms(100)));
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(500).ports(0, 81).moves(SynSent, Close),
    ]);
    assert_eq!(rig.close().reason, Some(Reason::EventsLost), "a failed connect is another life too");
}

/// Both lives' ends are told, though the first still waited for its reset.
#[test]
fn a_settling_close_is_judged_before_the_next_life() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).receives_reset(Established),
        sock(7).at(0).err(ECONNRESET).moves(Established, Close),
        sock(7).at(1).ports(1, 81).closed().moves(Established, FinWait1),
    ]);
    let close = rig.close();
    assert_eq!((close.outcome, close.socket.remote.port), (Outcome::ResetReceived, 80));
    assert_eq!((rig.anomalies().replaced, rig.open()), (0, [1, 0, 0, 0, 0]));
}

/// The end of one life and the beginning of the next were lost: the two must not become one.
#[test]
fn two_lives_never_make_one_number() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(900).ports(1, 81).orphan().moves(FinWait1, FinWait2),
        sock(7).at(901).ports(1, 81).orphan().done().moves(FinWait2, Close),
    ]);
    let closes = rig.finish().closes();
    let [first, second] = closes.as_slice() else { panic!("{closes:?}") };
    assert_eq!((first.reason, first.socket.remote.port), (Some(Reason::EventsLost), 80));
    assert_eq!((second.outcome, second.socket.remote.port), (Outcome::Fin, 81));
    assert_eq!((second.phases.get(Phase::FinWait1), second.close_ns, second.complete), (None, None, false));
    assert_eq!(second.phases.get(Phase::FinWait2), Some(ms(1)));
}

/// No socket goes from FIN_WAIT1 to CLOSE_WAIT: another life, even between the same ends.
#[test]
fn no_life_walks_backwards() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(900).done().closed().moves(CloseWait, LastAck),
        sock(7).at(905).done().orphan().moves(LastAck, Close),
    ]);
    let closes = rig.finish().closes();
    let [first, second] = closes.as_slice() else { panic!("{closes:?}") };
    assert_eq!((first.role, first.reason), (Role::Active, Some(Reason::EventsLost)));
    assert_eq!((second.role, second.close_ns, second.complete), (Role::Passive, None, false));
    assert_eq!(second.phases.get(Phase::LastAck), Some(ms(5)));
}

/// A retransmit of another connection is not this one's.
#[test]
fn a_retransmit_may_belong_to_another_life() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(900).ports(1, 81).orphan().retransmits(FinWait1, RetransmitKind::Rto),
    ]);
    let lost = rig.close();
    assert_eq!((lost.socket.remote.port, lost.retransmits.rto), (80, 0));
    assert_eq!(rig.open(), [1, 0, 0, 0, 0]);
}

/// A connect whose end was lost says nothing of an accepted socket at the same address.
#[test]
fn a_connect_belongs_to_its_own_peer() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).ports(0, 80).owner(42, OwnerSource::Connect).moves(Close, SynSent),
        sock(7).at(900).ports(80, 5_000).err(ECONNRESET).moves(Established, Close),
    ]);
    let close = rig.finish().close();
    assert_eq!((close.owner, close.lifetime_ns), (None, None));
}

/// The reset that ended one life does not explain the end of the next.
#[test]
fn a_late_reset_finds_its_close_gone() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).closed().moves(Established, Close)]).tick(150);
    assert_eq!(rig.close().outcome, Outcome::Unknown);
    rig.events([
        sock(7).at(160).closed().sends_reset(Close, 11),
        sock(7).at(200).ports(1, 81).moves(Established, Close),
    ]);
    assert_eq!(rig.finish().close().outcome, Outcome::Unknown);
}

/// Nor is a life of one event, right after another one at the same address.
#[test]
fn an_abort_right_after_another_life_is_no_duplicate() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).moves(Established, CloseWait),
        sock(7).at(1).closed().moves(CloseWait, LastAck),
        sock(7).at(2).orphan().moves(LastAck, Close),
        sock(7).at(3).ports(1, 81).receives_reset(Established),
        sock(7).at(3).ports(1, 81).err(ECONNRESET).moves(Established, Close),
    ]);
    let outcomes: Vec<_> = rig.finish().closes().iter().map(|close| close.outcome).collect();
    assert_eq!(outcomes, [Outcome::Fin, Outcome::ResetReceived]);
    assert_eq!(rig.anomalies().duplicates, 0);
}

/// What is no duplicate: the short life after one whose end was lost.
#[test]
fn a_short_life_is_no_duplicate() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(500).ports(0, 81).moves(Close, SynSent),
        sock(7).at(501).ports(1, 81).receives_reset(Established),
        sock(7).at(501).ports(1, 81).err(ECONNRESET).moves(Established, Close),
    ]);
    let outcomes: Vec<_> = rig.finish().closes().iter().map(|close| close.outcome).collect();
    assert_eq!(outcomes, [Outcome::Unknown, Outcome::ResetReceived]);
    assert_eq!(rig.anomalies().duplicates, 0);
}
