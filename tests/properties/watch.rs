//! An engine under watch: what must hold at every step, whatever it is fed.

use std::collections::HashMap;

use tcptrace::{
    engine::{Config, Engine},
    model::{Close, Finding, FindingKind, FindingStatus, HostInfo, Input, Output, Refusal, SocketKey, Status},
};

use crate::pen::{RST_DATA_AFTER_CLOSE, RST_KEEPALIVE, RST_UNREAD};

/// All that an engine said, and what it knew of itself in the end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) outputs: Vec<Output>,
    pub(crate) status: Status,
}

impl Said {
    pub(crate) fn closes(&self) -> Vec<Close> {
        let close = |output: &Output| match output {
            Output::Close(close) => Some(*close),
            _ => None,
        };
        self.outputs.iter().filter_map(close).collect()
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let finding = |output: &Output| match output {
            Output::Finding(finding) => Some(finding.clone()),
            _ => None,
        };
        self.outputs.iter().filter_map(finding).collect()
    }
}

/// Runs a stream to its end.
pub(crate) fn watch(inputs: &[Input]) -> Said {
    watch_with(inputs, Config::default(), |_, _| {})
}

/// Runs a stream to its end; `look` sees the state after each input.
pub(crate) fn watch_with(inputs: &[Input], config: Config, mut look: impl FnMut(usize, &Status)) -> Said {
    let mut engine = Engine::new(config);
    let reasons = [
        (RST_DATA_AFTER_CLOSE, "TCP_ABORT_ON_DATA"),
        (RST_UNREAD, "TCP_ABORT_ON_CLOSE"),
        (RST_KEEPALIVE, "TCP_KEEPALIVE_TIMEOUT"),
    ];
    let reset_reasons = reasons.map(|(number, name)| (number, name.to_owned())).to_vec();
    engine.handle(&Input::Host(HostInfo { reset_reasons, ..HostInfo::default() }));
    let mut said = Said { outputs: Vec::new(), status: engine.status() };
    let mut raised = Raised::default();
    let (mut events, mut refused) = (0, 0);
    for (at, input) in inputs.iter().enumerate() {
        engine.handle(input);
        events += u64::from(matches!(input, Input::Event(_)));
        refused += u64::from(matches!(input, Input::Refused(Refusal::Length)));
        raised.listen(&mut engine, &mut said.outputs);
        let status = engine.status();
        assert_eq!((status.books.delivered, status.books.refused), (events, refused), "the books");
        let open: u64 = status.open.iter().sum();
        assert!(open <= events && open <= config.bounds.closes_max as u64, "{open} open");
        look(at, &status);
    }
    engine.finish();
    raised.listen(&mut engine, &mut said.outputs);
    assert_eq!(engine.poll(), None, "an end is an end");
    said.status = engine.status();
    said
}

/// The findings that stand, by socket: raised and cleared take turns.
#[derive(Default)]
struct Raised(HashMap<SocketKey, FindingKind>);

impl Raised {
    fn listen(&mut self, engine: &mut Engine, outputs: &mut Vec<Output>) {
        while let Some(output) = engine.poll() {
            match &output {
                Output::Finding(finding) => self.take(finding),
                Output::Close(close) => {
                    let key = close.socket.key;
                    assert_eq!(self.0.get(&key), None, "a finding outlives its close: {close:?}");
                }
                Output::Event(_) | Output::FailedConnect(_) => {}
            }
            outputs.push(output);
        }
    }

    fn take(&mut self, finding: &Finding) {
        let key = finding.socket.key;
        match finding.status {
            FindingStatus::Raised => {
                assert_eq!(self.0.insert(key, finding.kind), None, "raised twice: {finding:?}");
            }
            FindingStatus::Moved | FindingStatus::Ended(_) => {
                assert_eq!(self.0.remove(&key), Some(finding.kind), "cleared, never raised: {finding:?}");
            }
        }
    }
}
