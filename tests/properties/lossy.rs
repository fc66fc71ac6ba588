//! Events are lost: less is known, and nothing that is said is wrong.

use proptest::prelude::*;
use tcptrace::model::{Close, Event, EventKind, Outcome, PHASES, Reason, State};

use crate::{
    life::Truth,
    watch::watch,
    world::{addresses, cookies, plans, ticks, with_ticks},
};

/// Every number of a record is the truth or is not there.
pub(crate) fn check_numbers(close: &Close, truth: &Truth) -> Result<(), TestCaseError> {
    for phase in PHASES {
        if let Some(ns) = close.phases.get(phase) {
            prop_assert_eq!(Some(ns), truth.phases.get(phase), "{:?}: {:?}", phase, close);
        }
    }
    if close.complete {
        prop_assert_eq!(close.phases, truth.phases, "complete, and a phase is not there");
        prop_assert_eq!(close.role, truth.role);
    }
    if close.close_ns.is_some() {
        prop_assert_eq!(close.close_ns, truth.close_ns, "{:?}", close);
    }
    if close.lifetime_ns.is_some() {
        prop_assert_eq!(close.lifetime_ns, truth.lifetime_ns, "{:?}", close);
    }
    if close.three_way.is_some() {
        prop_assert_eq!(close.three_way, truth.three_way, "{:?}", close);
    }
    prop_assert!(close.retransmits.sent() <= truth.retransmits);
    if close.totals.is_some() {
        // Its end was seen.
        prop_assert_eq!((close.role, close.end_ns), (truth.role, truth.end_ns), "{:?}", close);
        prop_assert!(may_say(close.outcome, truth), "{:?} of {:?}", close, truth);
    } else {
        let lost = (Outcome::Unknown, Some(Reason::EventsLost));
        prop_assert_eq!((close.outcome, close.reason, close.complete), (lost.0, lost.1, false));
    }
    Ok(())
}

/// Without the event of a reset, an end is not known, or is what the socket's error says.
fn may_say(outcome: Outcome, truth: &Truth) -> bool {
    let own_reset = truth.reason == Some(Reason::DataAfterClose) && outcome == Outcome::ResetReceived;
    outcome == truth.outcome || outcome == Outcome::Unknown || own_reset
}

fn is_end(event: &Event) -> bool {
    matches!(event.kind, EventKind::Transition { old, new: State::Close, .. } if old != State::SynSent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 4))]

    #[test]
    fn never_a_wrong_number(
        plans in plans(),
        ticks in ticks(),
        lost in prop::collection::vec(prop::bool::weighted(0.3), 1..60),
        reuse in any::<bool>(),
    ) {
        let world = if reuse { addresses(&plans) } else { cookies(&plans) };
        let events: Vec<Event> = world.events();
        let kept = events.iter().zip(lost.iter().cycle()).filter(|(_, lost)| !**lost);
        let events: Vec<Event> = kept.map(|(event, _)| *event).collect();
        let said = watch(&with_ticks(&events, &ticks));
        let closes = said.closes();
        let mut told = 0;
        for life in &world.lives {
            let own: Vec<&Close> = closes.iter().filter(|close| close.socket == life.socket).collect();
            told += own.len();
            let Some(truth) = &life.truth else { continue };
            let ended = events.iter().any(|event| event.socket == life.socket && is_end(event));
            prop_assert!(own.len() <= 1, "two records of one life: {:?}", own);
            prop_assert!(own.len() == 1 || !ended, "no record of an end that was seen");
            if let [close] = own.as_slice() {
                prop_assert_eq!(close.totals.is_some(), ended);
                check_numbers(close, truth)?;
                let pid = close.owner.map(|owner| u64::from(owner.pid) % 100_000);
                let own_pid = u64::from(life.socket.local.port);
                prop_assert_eq!(pid.unwrap_or(own_pid), own_pid, "another life's owner: {:?}", close);
            }
        }
        prop_assert_eq!(told, closes.len(), "a record of nobody's life");
        let anomalies = said.status.anomalies;
        prop_assert_eq!((anomalies.impossible_transitions, anomalies.time_backwards), (0, 0));
    }

    /// The ages of findings are ages that the socket really had, and lower bounds say so.
    #[test]
    fn no_finding_is_too_old(
        plans in plans(),
        ticks in ticks(),
        lost in prop::collection::vec(prop::bool::weighted(0.3), 1..60),
    ) {
        let world = cookies(&plans);
        let kept = world.events().into_iter().zip(lost.iter().cycle()).filter(|(_, lost)| !**lost);
        let events: Vec<Event> = kept.map(|(event, _)| event).collect();
        for finding in watch(&with_ticks(&events, &ticks)).findings() {
            let first = events.iter().find(|event| event.socket.key == finding.socket.key);
            let seen_ns = first.map_or(0, |event| finding.time_ns.saturating_sub(event.time_ns));
            prop_assert!(finding.age_ns <= seen_ns, "older than the first that was seen: {:?}", finding);
        }
    }
}
