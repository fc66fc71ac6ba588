//! Where the pipelines of `doctor` end.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use super::Watched;
use crate::{
    doctor::{Closes, Recorded},
    model::{Input, Output},
    pipeline::Sink,
    report::Context,
};

/// Closes of all namespaces, gathered while they are watched: where the pipeline of a live run ends.
#[derive(Debug, Default)]
pub struct Gathered {
    closes: HashMap<u32, Closes>,
    listening: HashMap<u32, HashSet<u16>>,
}

impl Gathered {
    /// Nothing yet. `watched` tells who listens where.
    #[must_use]
    pub fn new(watched: &Watched) -> Self {
        Self { closes: HashMap::new(), listening: watched.listening.clone() }
    }

    /// The closes of one namespace, watched for so long.
    pub(super) fn of(&self, netns: u32, ns: u64, lost: u64) -> Closes {
        Closes { ns, lost, ..self.closes.get(&netns).cloned().unwrap_or_default() }
    }
}

impl Sink for Gathered {
    fn output(&mut self, output: &Output, _shown: bool, _context: &Context) -> io::Result<()> {
        match output {
            Output::Close(close) => {
                let netns = close.socket.netns;
                let nobody = HashSet::new();
                self.closes.entry(netns).or_default().see(close, self.listening.get(&netns).unwrap_or(&nobody));
            }
            Output::Event(event) => self.closes.entry(event.socket.netns).or_default().open(event),
            Output::Finding(_) | Output::FailedConnect(_) => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the pipeline of a replay ends that is to be judged.
#[derive(Debug, Default)]
pub struct Replayed(pub Recorded);

impl Sink for Replayed {
    fn input(&mut self, input: &Input) {
        self.0.input(input);
    }

    fn output(&mut self, output: &Output, _shown: bool, _context: &Context) -> io::Result<()> {
        self.0.output(output);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
