//! Who acted: told by `connect()` and `close()`, never by whoever was interrupted.

use super::super::{Bounds, Config};
use super::support::{Rig, close_of, ms, sock};
use crate::model::{
    Outcome, OwnerSource, RetransmitKind,
    State::{Close, CloseWait, Established, FinWait1, FinWait2, LastAck, SynSent},
};

const ECONNREFUSED: u16 = 111;

/// With room for one connect, so that whoever is not forgotten is in the way.
fn one_connect() -> Rig {
    let bounds = Bounds { connects_max: 1, ..Bounds::default() };
    Rig::with(Config { bounds, ..Config::default() })
}

#[test]
fn who_closes_is_the_owner() {
    let close = close_of([
        sock(7).at(0).closed().owner(42, OwnerSource::Close).moves(Established, FinWait1),
        sock(7).at(1).orphan().moves(FinWait1, FinWait2),
        sock(7).at(2).orphan().done().moves(FinWait2, Close),
    ]);
    assert_eq!(close.owner.map(|owner| (owner.pid, owner.source)), Some((42, OwnerSource::Close)));
}

#[test]
fn nobody_is_named_without_evidence() {
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(1).orphan().moves(FinWait1, FinWait2),
        sock(7).at(2).orphan().done().moves(FinWait2, Close),
    ]);
    assert_eq!(close.owner, None);
}

/// The connect is remembered until the close, and gives the lifetime too.
#[test]
fn who_connected_owns_a_leak() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).ports(0, 80).owner(42, OwnerSource::Connect).moves(Close, SynSent),
        sock(7).at(1000).done().moves(Established, CloseWait),
    ]);
    let leak = rig.tick(61_000).finding();
    assert_eq!(leak.owner.map(|owner| (owner.pid, owner.source)), Some((42, OwnerSource::Connect)));
    assert_eq!(leak.socket.local.port, 45_555, "the connect had none yet");
    rig.events([
        sock(7).at(70_000).done().closed().owner(43, OwnerSource::Close).moves(CloseWait, LastAck),
        sock(7).at(70_002).done().orphan().moves(LastAck, Close),
    ]);
    let close = rig.close();
    assert_eq!(close.owner.map(|owner| owner.pid), Some(43), "who closes outranks who connected");
    assert_eq!(close.lifetime_ns, Some(ms(70_002)));
}

/// `shutdown()` by one, `close()` by another: the first began it.
#[test]
fn the_first_who_closes_stays() {
    let close = close_of([
        sock(7).at(0).half_closed().owner(42, OwnerSource::Close).moves(Established, FinWait1),
        sock(7).at(1).closed().owner(43, OwnerSource::Close).moves(FinWait1, FinWait1),
        sock(7).at(2).orphan().moves(FinWait1, FinWait2),
        sock(7).at(3).orphan().done().moves(FinWait2, Close),
    ]);
    assert_eq!(close.owner.map(|owner| owner.pid), Some(42));
}

#[test]
fn a_refused_connect_is_forgotten() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).owner(42, OwnerSource::Connect).moves(Close, SynSent),
        sock(7).at(1).err(ECONNREFUSED).moves(SynSent, Close),
        // An accepted socket at the same address: not connected by 42, nor at 0.
        sock(7).at(50).moves(Established, Close),
    ]);
    let close = rig.finish().close();
    assert_eq!((close.owner, close.lifetime_ns), (None, None));
    assert_eq!(rig.anomalies(), Default::default());
}

/// A connect that is in the table when its FIN is retransmitted, though the transition was lost.
#[test]
fn an_adopted_socket_keeps_its_connect() {
    let mut rig = one_connect();
    rig.events([
        sock(7).at(0).owner(42, OwnerSource::Connect).moves(Close, SynSent),
        sock(7).at(900).orphan().retransmits(FinWait1, RetransmitKind::Rto),
        sock(7).at(950).orphan().moves(FinWait1, FinWait2),
        sock(7).at(960).orphan().done().moves(FinWait2, Close),
    ]);
    let close = rig.finish().close();
    assert_eq!(close.outcome, Outcome::Fin);
    assert_eq!(close.owner.map(|owner| owner.pid), Some(42));
    assert_eq!(close.lifetime_ns, Some(ms(960)));
    rig.events([sock(8).at(970).moves(Close, SynSent)]);
    assert_eq!(rig.anomalies().connects_forgotten, 0, "the first made room when its connection was over");
}

/// Every connect that ends, however it ends, makes room.
#[test]
fn connects_do_not_pile_up() {
    let mut rig = one_connect();
    for key in 0..100 {
        rig.events([sock(key).at(0).moves(Close, SynSent), sock(key).at(1).moves(Established, Close)]);
    }
    assert_eq!(rig.anomalies(), Default::default());
}
