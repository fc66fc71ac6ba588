//! Nothing is lost: every life gives exactly one record, and it is the truth.

use proptest::prelude::*;
use tcptrace::{
    engine::{Bounds, Config},
    model::{Anomalies, Close, EventKind, Finding, FindingKind, FindingStatus, Input, PHASES, Phase, State},
};

use crate::{
    life::Life,
    watch::{Said, watch, watch_with},
    world::{World, addresses, cookies, plans, ticks, with_ticks},
};

/// The one close of a life, if it had one, is all that the truth says.
fn check(world: &World, said: &Said) -> Result<(), TestCaseError> {
    let closes = said.closes();
    prop_assert_eq!(closes.len(), world.lives.iter().filter(|life| life.truth.is_some()).count());
    for life in &world.lives {
        let Some(truth) = &life.truth else { continue };
        let own: Vec<&Close> = closes.iter().filter(|close| close.socket == life.socket).collect();
        prop_assert_eq!(own.len(), 1, "{:?}", life);
        let close = own[0];
        prop_assert_eq!(close.phases, truth.phases, "{:?}", close);
        prop_assert_eq!(close.close_ns, truth.close_ns, "{:?}", close);
        prop_assert_eq!((close.role, close.outcome, close.reason), (truth.role, truth.outcome, truth.reason));
        prop_assert_eq!((close.complete, close.three_way), (truth.complete, truth.three_way), "{:?}", close);
        prop_assert_eq!((close.end_ns, close.lifetime_ns), (truth.end_ns, truth.lifetime_ns), "{:?}", close);
        prop_assert_eq!(close.owner.map(|owner| owner.pid), truth.owner_pid, "{:?}", close);
        prop_assert_eq!(close.retransmits.sent(), truth.retransmits);
        prop_assert!(close.totals.is_some());
    }
    prop_assert_eq!(said.status.anomalies, Anomalies::default());
    prop_assert_eq!(said.status.open, [0; 5]);
    Ok(())
}

/// Raised once and cleared once for each threshold that a life passed, and for no other.
fn check_findings(life: &Life, findings: &[Finding]) -> Result<(), TestCaseError> {
    let own = findings.iter().filter(|finding| finding.socket == life.socket);
    let (raised, cleared): (Vec<&Finding>, Vec<_>) = own.partition(|finding| finding.status == FindingStatus::Raised);
    let expected = life.truth.as_ref().map(|truth| truth.findings.clone()).unwrap_or_default();
    let kinds = |found: &[&Finding]| found.iter().map(|finding| finding.kind).collect::<Vec<_>>();
    prop_assert_eq!(kinds(&raised), expected.clone());
    prop_assert_eq!(kinds(&cleared), expected);
    for finding in cleared {
        let truth = life.truth.as_ref().and_then(|truth| match finding.kind {
            FindingKind::StuckFinWait2 => truth.orphan_ns,
            kind => truth.phases.get(kind.phase()),
        });
        let known = truth.unwrap_or(finding.age_ns);
        prop_assert_eq!((finding.age_ns, finding.age_is_lower_bound), (known, false));
    }
    Ok(())
}

/// How many sockets are in each phase after each event, by the events' own words.
fn open_after(inputs: &[Input]) -> Vec<[u64; 5]> {
    let phase = |state| match state {
        State::FinWait1 => Some(Phase::FinWait1),
        State::FinWait2 => Some(Phase::FinWait2),
        State::Closing => Some(Phase::Closing),
        State::CloseWait => Some(Phase::CloseWait),
        State::LastAck => Some(Phase::LastAck),
        _ => None,
    };
    let mut open = [0_u64; 5];
    let mut all = Vec::new();
    for input in inputs {
        if let Input::Event(event) = input
            && let EventKind::Transition { old, new, .. } = event.kind
        {
            for (at, watched) in PHASES.iter().enumerate() {
                open[at] += u64::from(phase(new) == Some(*watched));
                open[at] -= u64::from(phase(old) == Some(*watched));
            }
        }
        all.push(open);
    }
    all
}

/// Closes in an order that does not depend on when they were judged.
fn sorted(mut closes: Vec<Close>) -> Vec<Close> {
    closes.sort_by_key(|close| (close.end_ns, close.socket.key, close.socket.local.port));
    closes
}

proptest! {
    #[test]
    fn every_life_has_one_true_record(plans in plans(), ticks in ticks(), reuse in any::<bool>()) {
        let world = if reuse { addresses(&plans) } else { cookies(&plans) };
        let inputs = with_ticks(&world.events(), &ticks);
        let said = watch(&inputs);
        check(&world, &said)?;
        let findings = said.findings();
        for life in &world.lives {
            check_findings(life, &findings)?;
        }
    }

    #[test]
    fn what_is_open_is_counted_at_every_step(plans in plans(), ticks in ticks(), reuse in any::<bool>()) {
        let world = if reuse { addresses(&plans) } else { cookies(&plans) };
        let inputs = with_ticks(&world.events(), &ticks);
        let expected = open_after(&inputs);
        watch_with(&inputs, Config::default(), |at, status| assert_eq!(status.open, expected[at]));
    }

    /// Neither closes nor findings depend on how time was cut, only the moment at which they are said.
    #[test]
    fn ticks_change_nothing(plans in plans(), one in ticks(), other in ticks(), reuse in any::<bool>()) {
        let world = if reuse { addresses(&plans) } else { cookies(&plans) };
        let events = world.events();
        let (one, other) = (watch(&with_ticks(&events, &one)), watch(&with_ticks(&events, &other)));
        prop_assert_eq!(sorted(one.closes()), sorted(other.closes()));
        let said = |said: &Said| {
            let mut findings = said.findings();
            findings.sort_by_key(|finding| (finding.time_ns, finding.socket.key, finding.socket.local.port));
            findings
        };
        prop_assert_eq!(said(&one), said(&other));
        let known = |said: &Said| (said.status.open, said.status.books, said.status.anomalies);
        prop_assert_eq!(known(&one), known(&other));
    }

    /// The kernel side may send a transition twice, within microseconds.
    #[test]
    fn a_transition_sent_twice_is_one(
        plans in plans(),
        ticks in ticks(),
        twice in prop::collection::vec(any::<bool>(), 1..30),
        reuse in any::<bool>(),
    ) {
        let world = if reuse { addresses(&plans) } else { cookies(&plans) };
        let mut events = Vec::new();
        let mut doubled = 0;
        for (event, twice) in world.events().into_iter().zip(twice.iter().cycle()) {
            events.push(event);
            // The connect and the self transition are idempotent.
            if let (true, EventKind::Transition { old, new, .. }) = (*twice, event.kind) {
                events.push(event);
                let counted = old != new && new != State::SynSent && old != State::SynSent;
                doubled += u64::from(counted);
            }
        }
        let mut said = watch(&with_ticks(&events, &ticks));
        prop_assert_eq!(said.status.anomalies.duplicates, doubled);
        said.status.anomalies.duplicates = 0;
        check(&world, &said)?;
    }

    /// CPUs overtake each other on the way to the reader: no life takes notice.
    #[test]
    fn order_between_sockets_is_nothing(
        plans in plans(),
        ticks in ticks(),
        delays_ns in prop::collection::vec(0..50_000_000_u64, 1..50),
    ) {
        let world = cookies(&plans);
        let events = world.displaced(|number| delays_ns[number % delays_ns.len()]);
        check(&world, &watch(&with_ticks(&events, &ticks)))?;
    }

    /// The wall clock may do what it likes: its steps are counted, and nothing else changes.
    #[test]
    fn the_wall_clock_measures_nothing(
        plans in plans(),
        ticks in ticks(),
        steps_ns in prop::collection::vec(prop_oneof![Just(0_u64), any::<u64>()], 1..10),
    ) {
        let world = cookies(&plans);
        let inputs = with_ticks(&world.events(), &ticks);
        let mut stepped = inputs.clone();
        let mut offsets = steps_ns.iter().cycle();
        let mut before = None;
        let mut expected = 0;
        for input in &mut stepped {
            if let Input::Tick(tick) = input {
                let offset = *offsets.next().unwrap_or(&0);
                tick.real_ns = tick.mono_ns.wrapping_add(offset);
                let ahead = i128::from(tick.real_ns) - i128::from(tick.mono_ns);
                expected += u64::from(before.is_some_and(|before: i128| (before - ahead).abs() > 500_000_000));
                before = Some(ahead);
            }
        }
        let (plain, mut said) = (watch(&inputs), watch(&stepped));
        prop_assert_eq!(said.status.anomalies.clock_steps, expected);
        said.status.anomalies.clock_steps = 0;
        prop_assert_eq!(said, plain);
    }

    /// A table that is too small loses lengths and owners, never an end and never the truth.
    #[test]
    fn a_full_table_loses_no_end(plans in plans(), ticks in ticks(), closes_max in 0..6_usize) {
        let world = cookies(&plans);
        let bounds = Bounds { closes_max, connects_max: closes_max };
        let inputs = with_ticks(&world.events(), &ticks);
        let said = watch_with(&inputs, Config { bounds, ..Config::default() }, |_, _| {});
        prop_assert_eq!(said.status.open, [0; 5]);
        let closes = said.closes();
        for life in &world.lives {
            let own: Vec<&Close> = closes.iter().filter(|close| close.socket == life.socket).collect();
            prop_assert_eq!(own.len(), usize::from(life.truth.is_some()), "{:?}", life);
            if let (Some(truth), [close]) = (&life.truth, own.as_slice()) {
                crate::lossy::check_numbers(close, truth)?;
            }
        }
    }
}
