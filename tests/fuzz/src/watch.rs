//! An engine under watch: what must hold for any inputs at all.

use std::collections::HashMap;

use tcptrace::{
    engine::{Config, Engine},
    model::{FindingStatus, Input, Output, SocketKey},
};

/// Feeds an engine and checks it; gives back all that it said.
///
/// # Panics
/// Where something does not hold: that is what the fuzzer looks for.
#[must_use]
pub fn watch(config: Config, inputs: &[Input]) -> Vec<Output> {
    let mut engine = Engine::new(config);
    let mut said = Vec::new();
    let mut raised = HashMap::new();
    let (mut events, mut refused, mut seen) = (0_u64, 0_u64, 0_u64);
    for input in inputs {
        engine.handle(input);
        events += u64::from(matches!(input, Input::Event(_)));
        refused += u64::from(matches!(input, Input::Refused(_)));
        seen += u64::from(matches!(input, Input::Sighting(_)));
        listen(&mut engine, &mut said, &mut raised);
        let status = engine.status();
        assert_eq!((status.books.delivered, status.books.refused), (events, refused));
        let open: u64 = status.open.iter().sum();
        let most = (events + seen).min(config.bounds.closes_max as u64);
        assert!(open <= most, "{open} open after {events} events and {seen} sightings");
        // One below zero would be a very large number, or stay zero for ever after.
        let (waiting, unseen) = (status.orphans_waiting, engine.orphans_unseen());
        assert!(unseen <= waiting && waiting <= most, "{unseen} unseen of {waiting} orphans, {most} may be open");
    }
    engine.finish();
    listen(&mut engine, &mut said, &mut raised);
    assert_eq!(engine.poll(), None, "an end is an end");
    let closes = said.iter().filter(|output| matches!(output, Output::Close(_))).count() as u64;
    let findings = said.iter().filter(|output| matches!(output, Output::Finding(_))).count() as u64;
    // A sighting can begin a close or move one on, as an event can.
    let told = events + seen;
    assert!(closes <= 2 * told, "{closes} closes of {events} events and {seen} sightings");
    assert!(findings <= 4 * told, "{findings} findings of {events} events and {seen} sightings");
    said
}

fn listen(engine: &mut Engine, said: &mut Vec<Output>, raised: &mut HashMap<SocketKey, ()>) {
    while let Some(output) = engine.poll() {
        match &output {
            Output::Finding(finding) => {
                let stood = match finding.status {
                    FindingStatus::Raised => raised.insert(finding.socket.key, ()).is_some(),
                    FindingStatus::Moved | FindingStatus::Ended(_) => raised.remove(&finding.socket.key).is_none(),
                };
                assert!(!stood, "raised and cleared take turns: {finding:?}");
            }
            Output::Close(close) => {
                assert!(!raised.contains_key(&close.socket.key), "a finding outlives its close: {close:?}");
            }
            Output::Event(_) | Output::FailedConnect(_) => {}
        }
        said.push(output);
    }
}
