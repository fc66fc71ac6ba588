//! Time and the books: steps backwards, absurd times, counters that lie.

use super::super::Config;
use super::support::{Rig, at, close_of, ms, sock};
use crate::model::{
    Event, Input, KernelCounters, Output, Phase, Refusal, RetransmitKind,
    State::{Close, CloseWait, Established, FinWait1, FinWait2, LastAck, SynSent},
    Tick,
};

/// An event that is older than the one before it takes no time, and never a negative one.
#[test]
fn time_may_step_backwards() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(100).closed().moves(Established, FinWait1),
        sock(7).at(90).orphan().moves(FinWait1, FinWait2),
        sock(7).at(95).orphan().done().moves(FinWait2, Close),
    ]);
    let close = rig.close();
    assert_eq!(close.phases.get(Phase::FinWait1), Some(0));
    assert!(close.close_ns < Some(ms(100)));
    assert_eq!(rig.anomalies().time_backwards, 1);
    assert_eq!(rig.engine.status().last_ns, at(100), "the newest input");
    assert_eq!(rig.engine.status().first_ns, at(100), "the first input");
}

/// A tick from the past raises nothing and takes nothing back.
#[test]
fn a_tick_may_step_backwards() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).closed().moves(Established, FinWait1)]);
    assert_eq!(rig.tick(6_000).findings().len(), 1);
    assert!(rig.tick(0).tick(6_000).said().is_empty());
    assert_eq!(rig.engine.status().last_ns, at(6_000));
}

fn history(key: u64, times: [u64; 5]) -> [Event; 6] {
    let [a, b, c, d, e] = times;
    [
        sock(key).at_ns(a).moves(Close, SynSent),
        sock(key).at_ns(b).done().moves(Established, CloseWait),
        sock(key).at_ns(c).done().closed().moves(CloseWait, LastAck),
        sock(key).at_ns(d).done().orphan().retransmits(LastAck, RetransmitKind::Rto),
        sock(key).at_ns(d).done().orphan().sends_reset(LastAck, 8),
        sock(key).at_ns(e).done().orphan().moves(LastAck, Close),
    ]
}

/// Any time from a damaged capture: each close is told once, and no length is longer than all time.
#[test]
fn absurd_times_neither_panic_nor_lose() {
    let times = [0, 1, u64::MAX - 1, u64::MAX];
    let mut rig = Rig::new();
    for code in 0..4_u64.pow(5) {
        let pick = |place: u32| times[usize::try_from(code / 4_u64.pow(place) % 4).unwrap()];
        rig.events(history(code, [pick(0), pick(1), pick(2), pick(3), pick(4)]));
    }
    assert_eq!(rig.finish().closes().len(), 4_usize.pow(5));
    assert_eq!(rig.open(), [0; 5]);
}

#[test]
fn absurd_thresholds_do_not_overflow() {
    for limit_ns in [0, u64::MAX] {
        let mut rig = Rig::with(Config { stuck_after_ns: limit_ns, leak_after_ns: limit_ns, ..Config::default() });
        rig.events(history(1, [at(0), at(1), at(2), at(3), at(4)]));
        rig.give(&Input::Tick(Tick { mono_ns: u64::MAX, real_ns: 0 }));
        assert_eq!(rig.finish().closes().len(), 1);
    }
}

/// Nothing is measured by the wall clock, but whoever reads its times must know that it stepped.
#[test]
fn wall_clock_steps_are_counted() {
    let mut rig = Rig::new();
    let mut tick = |mono_ms: u64, real_ms: u64| {
        rig.give(&Input::Tick(Tick { mono_ns: at(mono_ms), real_ns: at(real_ms) }));
        rig.anomalies().clock_steps
    };
    assert_eq!(tick(0, 50_000), 0, "any distance to begin with");
    assert_eq!(tick(1_000, 51_000), 0);
    assert_eq!(tick(2_000, 52_300), 0, "slewed");
    assert_eq!(tick(3_000, 3_600_000), 1);
    assert_eq!(tick(4_000, 3_601_000), 1, "counted once");
    assert_eq!(tick(5_000, 0), 2, "and back");
    rig.give(&Input::Tick(Tick { mono_ns: 0, real_ns: u64::MAX }));
    assert_eq!(rig.anomalies().clock_steps, 3);
}

#[test]
fn the_books_balance() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).moves(Established, Close), sock(8).at(0).moves(Established, Close)]);
    rig.give(&Input::Refused(Refusal::Length));
    assert!(!rig.engine.status().books.balanced(), "the counters have not come");
    let counters = KernelCounters { seen: 7, lost: 4, missed: 3, data_retransmits: 5, foreign_resets: 6 };
    rig.give(&Input::Counters(counters));
    let status = rig.engine.status();
    let books = status.books;
    assert_eq!((books.seen, books.delivered, books.lost, books.missed, books.refused), (10, 2, 7, 3, 1));
    assert!(books.balanced());
    assert_eq!((status.data_retransmits, status.foreign_resets), (5, 6));
}

/// Counters grow; those of a damaged capture may not. The larger stands, whichever it is of the five.
#[test]
fn counters_do_not_go_backwards() {
    let high = KernelCounters { seen: 9, lost: 9, missed: 9, data_retransmits: 9, foreign_resets: 9 };
    let lower: [fn(&mut KernelCounters); 5] = [
        |counters| counters.seen = 1,
        |counters| counters.lost = 1,
        |counters| counters.missed = 1,
        |counters| counters.data_retransmits = 1,
        |counters| counters.foreign_resets = 1,
    ];
    for lower in lower {
        let mut rig = Rig::new();
        rig.give(&Input::Counters(high));
        let before = rig.engine.status();
        let mut low = high;
        lower(&mut low);
        rig.give(&Input::Counters(low));
        assert_eq!(rig.anomalies().counters_backwards, 1);
        assert_eq!(rig.engine.status().books, before.books);
        rig.give(&Input::Counters(high));
        assert_eq!(rig.anomalies().counters_backwards, 1, "back at the larger is no step back");
    }
}

#[test]
fn absurd_counters_do_not_overflow() {
    let max = u64::MAX;
    let counters = KernelCounters { seen: max, lost: max, missed: max, data_retransmits: max, foreign_resets: max };
    let mut rig = Rig::new();
    rig.give(&Input::Counters(counters));
    rig.give(&Input::Refused(Refusal::Kind));
    rig.events([sock(7).at(0).moves(Established, Close)]);
    let books = rig.engine.status().books;
    assert_eq!((books.seen, books.lost), (max, max));
    assert!(!books.balanced() || books.lost == max);
}

/// For `--transitions`: each event as it came, before what it causes.
#[test]
fn events_are_echoed_in_order() {
    let mut rig = Rig::with(Config { echo_events: true, ..Config::default() });
    let events = [
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(61_000).done().closed().moves(CloseWait, LastAck),
        sock(7).at(61_001).done().orphan().moves(LastAck, Close),
    ];
    rig.events(events);
    let said = rig.said();
    let echoed: Vec<_> = said.iter().filter(|output| matches!(output, Output::Event(_))).collect();
    assert_eq!(echoed, events.map(Output::Event).iter().collect::<Vec<_>>());
    assert!(matches!(said.last(), Some(Output::Close(_))));
    assert_eq!(said.len(), 6, "with raised, cleared and the close: {said:?}");
}

/// The verdict does not depend on how time was cut into ticks.
#[test]
fn a_reset_long_after_the_end_is_not_its_own() {
    let abort = || sock(7).at(0).closed().moves(Established, Close);
    let late = || sock(7).at(5_000).closed().sends_reset(Close, 11);
    let without = close_of([abort(), late()]);
    let mut rig = Rig::new();
    let with = rig.events([abort()]).tick(1_000).events([late()]).finish().close();
    assert_eq!(with, without);
}
