//! A thread that looks and dumps.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc::Sender;

use super::{Answers, Question, places::Places};
use crate::{
    decode::Frame,
    model::{Absent, AbsentWhy, DumpAt, DumpMark, Look, Sighting, Snapshot, State, StateSet},
    source::{clock, diag::LookAnswer, proc::HolderIndex},
};

/// Frames handed over at a time.
const BATCH: usize = 1024;
/// Questions taken at a time: one send to the kernel has 64.
const QUESTIONS: usize = 1024;
/// Without questions for so long, namespaces are let go of: an open socket would keep a dead container's.
const IDLE: Duration = Duration::from_millis(500);

/// Answers until nobody asks, or nobody listens.
pub(super) fn run(questions: &Receiver<Question>, answers: &Sender<Answers>) {
    let mut worker = Worker { places: Places::new(), holders: HolderIndex::new(), answers, batch: Vec::new() };
    while worker.turn(questions).is_ok() {}
}

/// Nobody asks, or nobody listens.
struct Over;

struct Worker<'a> {
    places: Places,
    holders: HolderIndex,
    answers: &'a Sender<Answers>,
    batch: Answers,
}

impl Worker<'_> {
    fn turn(&mut self, questions: &Receiver<Question>) -> Result<(), Over> {
        let first = match questions.recv_timeout(IDLE) {
            Ok(question) => question,
            Err(RecvTimeoutError::Timeout) => {
                self.places.let_go();
                return Ok(());
            }
            Err(RecvTimeoutError::Disconnected) => return Err(Over),
        };
        let mut looks: BTreeMap<u32, Vec<Look>> = BTreeMap::new();
        let rest = std::iter::from_fn(|| questions.try_recv().ok()).take(QUESTIONS);
        let mut dumps = Vec::new();
        for question in std::iter::once(first).chain(rest) {
            match question {
                Question::Look(look) => looks.entry(look.socket.netns).or_default().push(look),
                Question::Dump(states) => dumps.push(states),
            }
        }
        for (netns, looks) in looks {
            self.look(netns, &looks)?;
        }
        for states in dumps {
            self.dump(states)?;
        }
        self.flush()
    }

    /// One namespace's sockets.
    fn look(&mut self, netns: u32, looks: &[Look]) -> Result<(), Over> {
        let mut found = Vec::new();
        let mut absent = Vec::new();
        self.batch.extend(self.places.facts_if_old(netns).map(Frame::Netns));
        let why = match self.places.socket(netns) {
            Ok(socket) => {
                socket.look(looks, &mut |index, answer| match answer {
                    LookAnswer::Found(snapshot) => found.push((index, snapshot)),
                    LookAnswer::Absent(gone) => absent.push(gone),
                });
                None
            }
            Err(why) => Some(why),
        };
        if let Some(why) = why {
            let time_ns = clock::monotonic_ns();
            absent.extend(looks.iter().map(|look| Absent { time_ns, socket: look.socket, why }));
        }
        // Whether timewait sockets were refused explains why some are not there, so it is said before.
        if absent.iter().any(|absent| absent.why == AbsentWhy::Gone) {
            self.batch.extend(self.places.facts(netns).map(Frame::Netns));
        }
        self.explain_holders(looks, &found)?;
        for gone in absent {
            self.put(Frame::Absent(gone))?;
        }
        self.flush()
    }

    /// Sightings, with who holds them where that was asked.
    fn explain_holders(&mut self, looks: &[Look], found: &[(usize, Snapshot)]) -> Result<(), Over> {
        let asked = |index: usize| looks.get(index).is_some_and(|look| look.holders);
        let inodes: Vec<u32> = found
            .iter()
            .filter(|(index, snapshot)| asked(*index) && snapshot.inode != 0)
            .map(|(_, snapshot)| snapshot.inode)
            .collect();
        let holders = if inodes.is_empty() { Default::default() } else { self.holders.find(&inodes) };
        for (_, snapshot) in found {
            let holders = holders.get(&snapshot.inode).cloned();
            self.put(Frame::Sighting(Sighting { snapshot: *snapshot, holders, asked: true }))?;
        }
        Ok(())
    }

    /// Every namespace in turn.
    fn dump(&mut self, states: StateSet) -> Result<(), Over> {
        let before_ns = cpu_ns();
        for netns in self.places.all() {
            self.dump_one(netns, states)?;
        }
        self.places.let_go();
        let at = DumpAt::AllDone { cost_ns: cpu_ns().saturating_sub(before_ns) };
        self.put(Frame::Dump(DumpMark { time_ns: clock::monotonic_ns(), netns: 0, states, at }))
    }

    fn dump_one(&mut self, netns: u32, states: StateSet) -> Result<(), Over> {
        let mark = |at| Frame::Dump(DumpMark { time_ns: clock::monotonic_ns(), netns, states, at });
        self.put(mark(DumpAt::Begin))?;
        self.batch.extend(self.places.facts(netns).map(Frame::Netns));
        let closing = StateSet(states.0 & StateSet::CLOSING.0);
        // Whoever does not close yet is counted, no more.
        let others = StateSet(states.0 & !StateSet::CLOSING.0);
        let mut whole = true;
        for (states, detail) in [(closing, true), (others, false)] {
            if states.0 != 0 && whole {
                whole = self.dump_states(netns, states, detail)?;
            }
        }
        self.put(mark(if whole { DumpAt::End } else { DumpAt::BrokeOff }))
    }

    /// Whether it was told to its end.
    fn dump_states(&mut self, netns: u32, states: StateSet, detail: bool) -> Result<bool, Over> {
        let (batch, answers) = (&mut self.batch, self.answers);
        let mut over = false;
        let dumped = self.places.dump(netns, states, detail, &mut |snapshot| {
            if snapshot.state != State::Listen {
                batch.push(Frame::Sighting(Sighting { snapshot, holders: None, asked: false }));
            }
            if batch.len() >= BATCH {
                over |= answers.blocking_send(std::mem::take(batch)).is_err();
            }
        });
        if over { Err(Over) } else { Ok(dumped.unwrap_or(false)) }
    }

    fn put(&mut self, frame: Frame<'static>) -> Result<(), Over> {
        self.batch.push(frame);
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Over> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.answers.blocking_send(std::mem::take(&mut self.batch)).map_err(|_| Over)
    }
}

/// Time of a processor that this thread has used.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
