//! Orphans in FIN_WAIT2 whose peers are traced, too: the peers' events tell when their FINs came.

use super::{
    sightings::{answer, timewait},
    support::{ECONNABORTED, ETIMEDOUT, Rig, Sock, at, ms, rst, sock},
};
use crate::model::{
    Absent, AbsentWhy, Close, Event, Input, Outcome, Phase, Reason, Snapshot,
    State::{self, Close as Closed, CloseWait, Established, FinWait1, FinWait2, LastAck, TimeWait},
};

fn ours() -> Sock {
    sock(7).inside()
}

fn peer() -> Sock {
    sock(8).inside().mirrored()
}

/// Ours closed at 0 and handed over at 10 ms; of the peer, what is given.
fn orphan_of(ours: Sock) -> Rig {
    let mut rig = Rig::looking();
    rig.events([
        ours.at(0).closed().moves(Established, FinWait1),
        ours.at(10).orphan().moves(FinWait1, FinWait2),
        ours.at(10).orphan().moves(FinWait2, Closed),
    ]);
    rig.wants();
    rig
}

/// The peer hears of it at 5 ms, closes, and has the acknowledgement.
fn whole_close(peer: Sock, closed_ms: u64, acked_ms: u64) -> [Event; 3] {
    [
        peer.at(5).moves(Established, CloseWait),
        peer.at(closed_ms).closed().moves(CloseWait, LastAck),
        peer.at(acked_ms).orphan().done().moves(LastAck, Closed),
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
    let mut rig = orphan_of(ours());
    let close = told(rig.events(whole_close(peer(), 12, 14)));
    assert_eq!((close.outcome, close.reason, close.complete), (Outcome::Fin, None, true));
    assert_eq!((close.three_way, close.orphan), (Some(false), true));
    assert_eq!((close.phases.get(Phase::FinWait2), close.end_ns), (Some(ms(3)), at(13)), "half way between");
    assert!(rig.tick(1_000).looks().is_empty());
    let status = rig.engine.status();
    assert_eq!((status.open, status.orphans_waiting, rig.engine.peers.len()), ([0; 5], 0, 0));
}

/// To an address of its own, a host speaks from the same one.
#[test]
fn over_an_address_of_the_host() {
    let own = |sock: Sock| sock.over([192, 0, 2, 1], [192, 0, 2, 1]);
    let mut rig = orphan_of(own(sock(7)));
    let close = told(rig.events(whole_close(own(sock(8)).mirrored(), 12, 14)));
    assert_eq!((close.outcome, close.end_ns), (Outcome::Fin, at(13)));
}

/// A peer that takes its time: looks have shown the timewait socket meanwhile.
#[test]
fn after_looks() {
    let mut rig = orphan_of(ours());
    let [close_wait, last_ack, closed] = whole_close(peer(), 700, 701);
    rig.events([close_wait]);
    assert_eq!(rig.tick(30).looks(), [7]);
    rig.give(&answer(timewait_of(30, FinWait2, 59_980)));
    assert_eq!(rig.tick(600).looks(), [7]);
    let close = told(rig.events([last_ack, closed]));
    assert_eq!((close.outcome, close.complete), (Outcome::Fin, true));
    assert_eq!(close.end_ns, at(700) + ms(1) / 2);
    // The answer that was under way finds nobody.
    rig.give(&answer(timewait_of(702, TimeWait, 59_999)));
    assert!(rig.said().is_empty());
    assert!(rig.tick(20_000).looks().is_empty());
}

fn timewait_of(at_ms: u64, state: State, expires_ms: u32) -> Snapshot {
    let socket = ours().at(0).moves(Established, FinWait1).socket;
    Snapshot { socket, ..timewait(7, at_ms, state, expires_ms) }
}

/// Never before the hand-over: a FIN that was sent earlier came later.
#[test]
fn a_fin_under_way_at_the_hand_over() {
    let mut rig = orphan_of(ours());
    let close = told(rig.events(whole_close(peer(), 8, 12)));
    assert_eq!((close.phases.get(Phase::FinWait2), close.end_ns), (Some(ms(1)), at(11)));
}

fn keeps_waiting<const N: usize>(mut rig: Rig, events: [Event; N], why: &str) {
    rig.events(events);
    assert!(rig.closes().iter().all(|close| close.socket.key.0 == 8), "{why}");
    assert_eq!(rig.engine.status().orphans_waiting, 1, "{why}");
    assert_eq!(rig.tick(100).looks(), [7], "{why}");
}

#[test]
fn where_it_is_not_certain_a_look_tells() {
    let [close_wait, last_ack, closed] = whole_close(peer(), 12, 13);
    keeps_waiting(orphan_of(ours()), whole_close(peer(), 12, 23), "a long LAST_ACK tells too little");
    let given_up = peer().at(13).orphan().err(ETIMEDOUT).moves(LastAck, Closed);
    keeps_waiting(orphan_of(ours()), [close_wait, last_ack, given_up], "its FIN may have come, or not");
    keeps_waiting(orphan_of(ours()), [close_wait, closed], "when it sent its FIN is not known");
    keeps_waiting(
        orphan_of(ours()),
        [peer().at(8).closed().moves(CloseWait, LastAck), closed],
        "nor whose close it is",
    );
    let elsewhere = |mut event: Event| {
        event.socket.netns += 1;
        event
    };
    keeps_waiting(orphan_of(ours()), whole_close(peer(), 12, 13).map(elsewhere), "another namespace");
    keeps_waiting(orphan_of(ours()), whole_close(peer().ports(81, 45_555), 12, 13), "another connection");
    let proxy = sock(8).mirrored();
    keeps_waiting(orphan_of(sock(7)), whole_close(proxy, 12, 13), "the other side of a transparent proxy");
}

/// The ends are another connection's by now: its passive close began later.
#[test]
fn a_later_connection_tells_nothing() {
    let later = [
        peer().at(14).moves(Established, CloseWait),
        peer().at(15).closed().moves(CloseWait, LastAck),
        peer().at(16).orphan().done().moves(LastAck, Closed),
    ];
    keeps_waiting(orphan_of(ours()), later, "it was not ours that it heard of");
}

/// Two orphans with the same ends: the younger is the one that is there.
#[test]
fn the_younger_of_two() {
    let mut rig = orphan_of(ours());
    let again = |mut event: Event| {
        event.socket.key.0 += 10;
        event
    };
    rig.events([
        again(ours().at(13).closed().moves(Established, FinWait1)),
        again(peer().at(14).moves(Established, CloseWait)),
        again(ours().at(15).orphan().moves(FinWait1, FinWait2)),
        again(ours().at(15).orphan().moves(FinWait2, Closed)),
        again(peer().at(16).closed().moves(CloseWait, LastAck)),
        again(peer().at(17).orphan().done().moves(LastAck, Closed)),
    ]);
    let keys: Vec<_> = rig.closes().iter().map(|close| close.socket.key.0).collect();
    assert_eq!(keys, [17, 18]);
    assert_eq!(rig.tick(100).looks(), [7], "the older one is looked for, and will be found replaced");
}

/// The peer resets in CLOSE_WAIT, and a look finds no timewait socket: it was the reset, and it was then.
#[test]
fn the_peer_tells_its_reset() {
    let resets: [&[Event]; 2] = [
        // close() with unread data: the reset comes after the end.
        &[
            peer().at(700).closed().done().moves(CloseWait, Closed),
            peer().at(700).closed().sends_reset(Closed, rst::ABORT_ON_CLOSE),
        ],
        // `ss -K`: before it.
        &[
            peer().at(700).done().sends_reset(CloseWait, rst::STATE),
            peer().at(700).done().err(ECONNABORTED).moves(CloseWait, Closed),
        ],
    ];
    for reset in resets {
        for gone in [AbsentWhy::Gone, AbsentWhy::Replaced] {
            let mut rig = orphan_of(ours());
            rig.events([peer().at(5).moves(Established, CloseWait)]);
            rig.tick(30).looks();
            rig.give(&answer(timewait_of(30, FinWait2, 59_980)));
            for event in reset {
                rig.events([*event]);
            }
            assert_eq!(rig.closes().len(), 1, "its own; the orphan's waits for a look");
            assert_eq!(rig.tick(721).looks(), [7], "soon, though it has lingered");
            rig.give(&not_there(722, gone));
            let close = rig.close();
            assert_eq!((close.outcome, close.reason, close.complete), (Outcome::ResetReceived, None, true));
            assert_eq!((close.end_ns, close.phases.get(Phase::FinWait2)), (at(700), Some(ms(690))));
        }
    }
}

/// A firewall drops the reset: the timewait socket is there still, and goes on.
#[test]
fn a_reset_that_did_not_arrive_ends_nothing() {
    let mut rig = orphan_of(ours());
    rig.events([
        peer().at(5).moves(Established, CloseWait),
        peer().at(12).closed().done().moves(CloseWait, Closed),
        peer().at(12).closed().sends_reset(Closed, rst::STATE),
    ]);
    rig.closes();
    assert_eq!(rig.tick(40).looks(), [7]);
    rig.give(&answer(timewait_of(40, FinWait2, 59_970)));
    assert!(rig.said().is_empty());
    rig.tick(2_000).looks();
    rig.give(&not_there(2_000, AbsentWhy::Gone));
    assert_eq!((rig.close().reason), Some(Reason::TimewaitGone), "whatever that was, it was not that reset");
}

/// Another connection that has had these ends since, and a peer whose FIN may have come.
#[test]
fn a_reset_of_another_kind_tells_nothing() {
    let later = [peer().at(14).moves(Established, CloseWait), peer().at(16).done().closed().moves(CloseWait, Closed)];
    let last_ack = [peer().at(5).moves(Established, CloseWait), peer().at(12).closed().moves(CloseWait, LastAck)];
    for (before, state) in [(later, Closed), (last_ack, LastAck)] {
        let mut rig = orphan_of(ours());
        rig.events(before).events([peer().at(17).closed().done().sends_reset(state, rst::STATE)]);
        rig.tick(40).looks();
        rig.give(&not_there(40, AbsentWhy::Gone));
        let closes = rig.closes();
        let orphan = closes.iter().find(|close| close.socket.key.0 == 7);
        assert_eq!(orphan.and_then(|close| close.reason), Some(Reason::TimewaitGone));
    }
}

fn not_there(at_ms: u64, why: AbsentWhy) -> Input {
    let socket = ours().at(0).moves(Established, FinWait1).socket;
    Input::Absent(Absent { socket, time_ns: at(at_ms), why })
}
