//! Orphans in FIN_WAIT2 whose peers are traced, too: the peers' events tell when their FINs came.

use super::{
    sightings::{answer, timewait},
    support::{ECONNRESET, Rig, Sock, at, ms, sock},
};
use crate::model::{
    Close, Event, Outcome, Phase,
    State::{Close as Closed, CloseWait, Established, FinWait1, FinWait2, LastAck, TimeWait},
};

/// The other end of `sock(7)`.
fn peer() -> Sock {
    sock(8).mirrored()
}

/// Closed at 0; the peer hears of it at 5 ms; handed over at 10 ms.
fn orphan() -> Rig {
    let mut rig = Rig::looking();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        peer().at(5).moves(Established, CloseWait),
        sock(7).at(10).orphan().moves(FinWait1, FinWait2),
        sock(7).at(10).orphan().moves(FinWait2, Closed),
    ]);
    rig.wants();
    rig
}

/// The peer closes at `closed_ms` and has the acknowledgement at `acked_ms`.
fn closes(closed_ms: u64, acked_ms: u64) -> [Event; 2] {
    [
        peer().at(closed_ms).closed().moves(CloseWait, LastAck),
        peer().at(acked_ms).orphan().done().moves(LastAck, Closed),
    ]
}

fn told(rig: &mut Rig) -> Close {
    let closes = rig.closes();
    let [orphan, peer] = closes.as_slice() else { panic!("not both ends: {closes:?}") };
    assert_eq!((orphan.socket.key.0, peer.socket.key.0), (7, 8));
    *orphan
}

#[test]
fn the_peer_tells_and_nobody_asks() {
    let mut rig = orphan();
    let close = told(rig.events(closes(12, 14)));
    assert_eq!((close.outcome, close.reason, close.complete), (Outcome::Fin, None, true));
    assert_eq!((close.three_way, close.orphan), (Some(false), true));
    assert_eq!((close.phases.get(Phase::FinWait2), close.end_ns), (Some(ms(3)), at(13)), "half way between");
    assert!(rig.tick(1_000).looks().is_empty());
    let status = rig.engine.status();
    assert_eq!((status.open, status.orphans_waiting), ([0; 5], 0));
}

/// A peer that takes its time: looks have shown the timewait socket meanwhile.
#[test]
fn after_looks() {
    let mut rig = orphan();
    assert_eq!(rig.tick(30).looks(), [7]);
    rig.give(&answer(timewait(7, 30, FinWait2, 59_980)));
    assert_eq!(rig.tick(600).looks(), [7]);
    let close = told(rig.events(closes(700, 701)));
    assert_eq!((close.outcome, close.complete), (Outcome::Fin, true));
    assert_eq!(close.end_ns, at(700) + ms(1) / 2);
    // The answer that was under way finds nobody.
    rig.give(&answer(timewait(7, 702, TimeWait, 59_999)));
    assert!(rig.said().is_empty());
    assert!(rig.tick(20_000).looks().is_empty());
}

/// Never before the hand-over: a FIN that was sent earlier came later.
#[test]
fn a_fin_under_way_at_the_hand_over() {
    let mut rig = orphan();
    let close = told(rig.events(closes(8, 12)));
    assert_eq!((close.phases.get(Phase::FinWait2), close.end_ns), (Some(ms(1)), at(11)));
}

fn keeps_waiting(mut rig: Rig, events: [Event; 2], why: &str) {
    rig.events(events);
    assert!(rig.closes().iter().all(|close| close.socket.key.0 == 8), "{why}");
    assert_eq!(rig.engine.status().orphans_waiting, 1, "{why}");
    assert_eq!(rig.tick(100).looks(), [7], "{why}");
}

#[test]
fn where_it_is_not_certain_a_look_tells() {
    keeps_waiting(orphan(), closes(12, 23), "lost segments: when it came is not known");
    let [last_ack, _] = closes(12, 13);
    let reset = peer().at(13).orphan().err(ECONNRESET).moves(LastAck, Closed);
    keeps_waiting(orphan(), [last_ack, reset], "no FIN of a connection that was reset");
    let elsewhere = |event: Event| {
        let mut event = event;
        event.socket.netns += 1;
        event.socket.key.0 = 8;
        event
    };
    keeps_waiting(orphan(), closes(12, 13).map(elsewhere), "another namespace has the same addresses");
    let bystander = |event: Event| {
        let mut event = event;
        event.socket.local.port += 1;
        event
    };
    keeps_waiting(orphan(), closes(12, 13).map(bystander), "another connection");
}

/// The ends are another connection's by now: its passive close began later.
#[test]
fn a_later_connection_tells_nothing() {
    let mut rig = orphan();
    rig.events([peer().at(12).orphan().err(ECONNRESET).moves(CloseWait, Closed)]);
    rig.tick(12);
    let later = |event: Event| {
        let mut event = event;
        event.socket.key.0 = 9;
        event
    };
    rig.events([later(peer().at(14).moves(Established, CloseWait))]);
    rig.events(closes(15, 16).map(later));
    assert!(rig.closes().iter().all(|close| close.socket.key.0 != 7));
    assert_eq!(rig.engine.status().orphans_waiting, 1);
}

/// A passive close of which the beginning was not seen may be anybody's.
#[test]
fn half_a_peer_tells_nothing() {
    let mut rig = Rig::looking();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(10).orphan().moves(FinWait1, FinWait2),
        sock(7).at(10).orphan().moves(FinWait2, Closed),
    ]);
    rig.wants();
    keeps_waiting(rig, closes(12, 13), "its CLOSE_WAIT was not seen");
}

/// Two orphans with the same ends, of which only the younger can still be there.
#[test]
fn the_younger_of_two() {
    let mut rig = orphan();
    let again = |event: Event| {
        let mut event = event;
        event.socket.key.0 += 10;
        event
    };
    rig.events([
        again(sock(7).at(13).closed().moves(Established, FinWait1)),
        again(peer().at(14).moves(Established, CloseWait)),
        again(sock(7).at(15).orphan().moves(FinWait1, FinWait2)),
        again(sock(7).at(15).orphan().moves(FinWait2, Closed)),
    ]);
    rig.events(closes(16, 17).map(again));
    let keys: Vec<_> = rig.closes().iter().map(|close| close.socket.key.0).collect();
    assert_eq!(keys, [17, 18]);
    assert_eq!(rig.tick(100).looks(), [7], "the older one is looked for, and will be found replaced");
}
