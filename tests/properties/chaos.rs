//! Streams that no kernel sends: whatever comes, the engine stands, stays within bounds, and its books are right.

use proptest::prelude::*;
use tcptrace::{
    engine::{Bounds, Config},
    model::{Event, EventKind, Input, KernelCounters, Reason, Refusal, State, Tick},
};

use crate::{
    watch::{Said, watch_with},
    world::{addresses, plans},
};

/// What is done to one event, or put in its place.
#[derive(Clone, Debug)]
enum Harm {
    None,
    Lose,
    Double,
    /// Swap with the event that stands so many places further.
    Swap(usize),
    Shift(i64),
    Time(u64),
    Key(u8),
    States(u8, u8),
    Tick(u64, u64),
    Counters(u64, u64),
    Refuse,
}

fn harm() -> impl Strategy<Value = Harm> {
    let time = prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 900_000_000_000..1_200_000_000_000_u64];
    prop_oneof![
        8 => Just(Harm::None),
        2 => Just(Harm::Lose),
        2 => Just(Harm::Double),
        2 => (1..30_usize).prop_map(Harm::Swap),
        1 => (-200_000_000..200_000_000_i64).prop_map(Harm::Shift),
        1 => time.clone().prop_map(Harm::Time),
        1 => (0..6_u8).prop_map(Harm::Key),
        1 => (1..13_u8, 1..13_u8).prop_map(|(old, new)| Harm::States(old, new)),
        1 => (time, any::<u64>()).prop_map(|(mono_ns, real_ns)| Harm::Tick(mono_ns, real_ns)),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(seen, lost)| Harm::Counters(seen, lost)),
        1 => Just(Harm::Refuse),
    ]
}

fn harmed(mut events: Vec<Event>, harms: &[Harm]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for at in 0..events.len() {
        let harm = &harms[at % harms.len()];
        if let Harm::Swap(by) = harm {
            let other = (at + by).min(events.len() - 1);
            events.swap(at, other);
        }
        let event = &mut events[at];
        match harm {
            Harm::None | Harm::Swap(_) => {}
            Harm::Lose => continue,
            Harm::Double => inputs.push(Input::Event(*event)),
            Harm::Shift(by_ns) => event.time_ns = event.time_ns.saturating_add_signed(*by_ns),
            Harm::Time(time_ns) => event.time_ns = *time_ns,
            Harm::Key(key) => event.socket.key.0 = u64::from(*key),
            Harm::States(from, to) => {
                let (from, to) = (State::from_kernel(*from), State::from_kernel(*to));
                if let (Some(from), Some(to), EventKind::Transition { old, new, .. }) = (from, to, &mut event.kind) {
                    (*old, *new) = (from, to);
                }
            }
            Harm::Tick(mono_ns, real_ns) => {
                inputs.push(Input::Tick(Tick { mono_ns: *mono_ns, real_ns: *real_ns }));
            }
            Harm::Counters(seen, lost) => inputs.push(Input::Counters(KernelCounters {
                seen: *seen,
                lost: *lost,
                missed: *seen,
                data_retransmits: *lost,
                foreign_resets: *seen,
            })),
            Harm::Refuse => inputs.push(Input::Refused(Refusal::Length)),
        }
        inputs.push(Input::Event(*event));
    }
    inputs
}

/// Ends whatever is open: another life under every key, and its end.
fn flush(inputs: &mut Vec<Input>) {
    let last: Vec<Event> = inputs
        .iter()
        .filter_map(|input| match input {
            Input::Event(event) => Some(*event),
            _ => None,
        })
        .collect();
    for mut event in last {
        event.sk_err = 110;
        for (old, new) in [(State::Established, State::FinWait1), (State::FinWait1, State::Close)] {
            event.kind = EventKind::Transition { old, new, totals: None, segs_in: None, retries: None, bound_if: 0 };
            inputs.push(Input::Event(event));
        }
    }
}

fn config(closes_max: usize, after_ns: u64) -> Config {
    let bounds = Bounds { closes_max, connects_max: closes_max };
    Config { stuck_after_ns: after_ns, leak_after_ns: after_ns, bounds, ..Config::default() }
}

/// What a stream can cause at most: an end of its own and of a former life, a finding raised and one cleared.
fn check(inputs: &[Input], said: &Said) -> Result<(), TestCaseError> {
    let events = inputs.iter().filter(|input| matches!(input, Input::Event(_))).count();
    prop_assert!(said.closes().len() <= 2 * events, "more ends than events could tell");
    prop_assert!(said.findings().len() <= 4 * events, "more findings than phases");
    let times = inputs.iter().filter_map(|input| match input {
        Input::Event(event) => Some(event.time_ns),
        _ => None,
    });
    let (first_ns, last_ns) = times.fold((u64::MAX, 0), |(first, last), ns| (first.min(ns), last.max(ns)));
    for close in said.closes() {
        let lengths = tcptrace::model::PHASES.iter().filter_map(|phase| close.phases.get(*phase));
        for ns in lengths.chain(close.close_ns).chain(close.lifetime_ns) {
            prop_assert!(ns <= (last_ns - first_ns).saturating_mul(events as u64), "longer than all time: {:?}", close);
        }
        let lost = close.reason == Some(Reason::EventsLost);
        prop_assert!(!lost || (!close.complete && close.close_ns.is_none() && close.lifetime_ns.is_none()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 4))]

    #[test]
    fn nothing_breaks_it(
        plans in plans(),
        harms in prop::collection::vec(harm(), 1..60),
        closes_max in prop_oneof![0..8_usize, Just(1 << 20)],
        after_ns in prop_oneof![Just(0), Just(5_000_000_000), Just(u64::MAX)],
    ) {
        let mut inputs = harmed(addresses(&plans).events(), &harms);
        let config = config(closes_max, after_ns);
        let said = watch_with(&inputs, config, |_, _| {});
        check(&inputs, &said)?;
        prop_assert_eq!(&watch_with(&inputs, config, |_, _| {}), &said, "the same inputs say the same");
        flush(&mut inputs);
        let said = watch_with(&inputs, config, |_, _| {});
        prop_assert_eq!(said.status.open, [0; 5], "all ended");
        let raised = said.findings().iter().filter(|finding| finding.status.as_str() == "raised").count();
        prop_assert_eq!(raised * 2, said.findings().len(), "every finding is cleared in the end");
    }
}
