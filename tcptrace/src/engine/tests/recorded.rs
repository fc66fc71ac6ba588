//! Orphans whose timewait sockets the kernel side watches: their ends are known exactly, without a look.

use super::{
    sightings::{answer, recorded, timewait},
    support::{Rig, at, ms, sock},
};
use crate::model::{
    Input, KernelCounters, Outcome, Phase,
    State::{Close as Closed, Established, FinWait1, FinWait2, TimeWait},
};

/// Closed at 0, in FIN_WAIT2 from 10 ms on.
fn half_way() -> Rig {
    let mut rig = Rig::looking();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(10).orphan().moves_with(FinWait1, FinWait2, Some(2)),
    ]);
    rig.wants();
    rig
}

fn hand_over(rig: &mut Rig) {
    rig.events([sock(7).at(10).orphan().moves_with(FinWait2, Closed, Some(2))]);
}

/// What becomes of the close, and that nothing of it is left.
fn ends_at(rig: &mut Rig, end_ns: u64) {
    let close = rig.close();
    assert_eq!((close.outcome, close.reason, close.complete), (Outcome::Fin, None, true));
    assert_eq!((close.end_ns, close.close_ns), (end_ns, Some(end_ns - at(0))));
    assert_eq!(close.phases.get(Phase::FinWait2), Some(end_ns - at(10)));
    let status = rig.engine.status();
    assert_eq!((status.open, status.orphans_waiting, rig.engine.orphans_unseen()), ([0; 5], 0, 0));
}

#[test]
fn the_end_is_exact() {
    for late_ns in [0, 1, 7_654_321, ms(30_000)] {
        let mut rig = half_way();
        hand_over(&mut rig);
        let end_ns = at(10) + late_ns;
        rig.give(&recorded(7, end_ns));
        ends_at(&mut rig, end_ns);
        assert!(rig.tick(60_000).looks().is_empty(), "nothing is left to ask");
    }
}

/// The books count it as every other record.
#[test]
fn it_counts_as_delivered() {
    let mut rig = half_way();
    hand_over(&mut rig);
    rig.give(&recorded(7, at(20)));
    rig.give(&recorded(8, at(21)));
    rig.give(&Input::Counters(KernelCounters { seen: 5, ..KernelCounters::default() }));
    let books = rig.engine.status().books;
    assert_eq!((books.seen, books.delivered), (5, 5));
    assert!(books.balanced());
}

/// A look that was under way, a FIN that is sent again, and a socket that nobody followed change nothing.
#[test]
fn what_comes_late_is_ignored() {
    let mut rig = half_way();
    hand_over(&mut rig);
    assert_eq!(rig.tick(30).looks(), [7]);
    rig.give(&recorded(7, at(31)));
    ends_at(&mut rig, at(31));
    rig.give(&answer(timewait(7, 32, TimeWait, 59_990)));
    rig.give(&recorded(7, at(500)));
    rig.give(&recorded(9, at(501)));
    assert!(rig.said().is_empty());
    assert_eq!(rig.open(), [0; 5]);
}

/// After a look that showed FIN_WAIT2, nobody has to look again.
#[test]
fn between_two_looks() {
    let mut rig = half_way();
    hand_over(&mut rig);
    rig.tick(30).give(&answer(timewait(7, 30, FinWait2, 59_980)));
    rig.wants();
    rig.give(&recorded(7, at(333)));
    ends_at(&mut rig, at(333));
    assert!(rig.tick(60_000).looks().is_empty());
}

/// Another CPU can find the timewait socket before the full one is closed.
#[test]
fn told_before_the_hand_over() {
    let mut rig = half_way();
    rig.give(&recorded(7, at(10) - 1));
    assert!(rig.said().is_empty());
    hand_over(&mut rig);
    ends_at(&mut rig, at(10));
    assert_eq!(rig.engine.status().looks.map(|looks| looks.healed), Some(0), "nothing was lost");
}

/// Nor does it end the close of another socket under the same cookie.
#[test]
fn another_socket_is_left_alone() {
    let mut rig = half_way();
    hand_over(&mut rig);
    let Input::Event(mut other) = recorded(7, at(20)) else { panic!("no event") };
    other.socket.local.port += 1;
    rig.give(&Input::Event(other));
    assert!(rig.said().is_empty());
}
