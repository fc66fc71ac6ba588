//! A thread that looks and dumps.

use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc::Sender;

use super::{
    Answers, Question,
    places::{NoWay, Places},
};
use crate::{
    decode::Frame,
    model::{Absent, AbsentWhy, DumpAt, DumpMark, Look, Sighting, Snapshot, State, StateSet},
    report::netns_in_words,
    source::{clock, diag::LookAnswer, interfaces, proc::HolderIndex},
};

/// Frames handed over at a time.
const BATCH: usize = 1024;
/// Questions taken at a time: one send to the kernel has 64.
const QUESTIONS: usize = 1024;
/// Without questions for so long, namespaces are let go of: an open socket would keep a dead container's.
const IDLE: Duration = Duration::from_millis(500);

/// So many searches for its namespace a question waits for: another one's may have come first.
const SEARCHES: u8 = 3;
/// Interfaces told at the start, of all namespaces together. Of those that have no room the first close may show an
/// index in place of a name.
const INTERFACES_MAX: usize = 16_384;

/// Questions that wait for a search.
const WAITING_MAX: usize = 1 << 16;

/// Answers until nobody asks, or nobody listens.
pub(super) fn run(questions: &Receiver<Question>, answers: &Sender<Answers>, in_the_way: &OnceLock<String>) {
    let (places, holders) = (Places::new(), HolderIndex::new());
    let (batch, waiting, facts_waiting, held) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut worker = Worker { places, holders, answers, in_the_way, batch, waiting, facts_waiting, held };
    while worker.turn(questions).is_ok() {}
}

/// Nobody asks, or nobody listens.
struct Over;

struct Worker<'a> {
    places: Places,
    holders: HolderIndex,
    answers: &'a Sender<Answers>,
    /// The first obstacle, for people.
    in_the_way: &'a OnceLock<String>,
    batch: Answers,
    /// Namespaces that no known way leads to, the looks there, and the searches that they may still wait for.
    waiting: Vec<(u32, Vec<Look>, u8)>,
    /// The same of questions for settings and counters.
    facts_waiting: Vec<(u32, u8)>,
    /// Sockets that were found, and whose holders are to be told with them.
    held: Vec<Snapshot>,
}

impl Worker<'_> {
    fn turn(&mut self, questions: &Receiver<Question>) -> Result<(), Over> {
        let none_waits = self.waiting.is_empty() && self.facts_waiting.is_empty();
        let until = if none_waits { IDLE } else { self.places.next_search().min(IDLE) };
        let first = match questions.recv_timeout(until) {
            Ok(question) => Some(question),
            Err(RecvTimeoutError::Timeout) if none_waits => {
                self.places.let_go();
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Err(Over),
        };
        if self.places.next_search().is_zero() {
            for (netns, looks, searches) in std::mem::take(&mut self.waiting) {
                self.look(netns, looks, searches)?;
            }
            for (netns, searches) in std::mem::take(&mut self.facts_waiting) {
                self.facts(netns, searches);
            }
        }
        let mut looks: BTreeMap<u32, Vec<Look>> = BTreeMap::new();
        let rest = std::iter::from_fn(|| questions.try_recv().ok()).take(QUESTIONS);
        let mut dumps = Vec::new();
        for question in first.into_iter().chain(rest) {
            match question {
                Question::Look(look) => looks.entry(look.socket.netns).or_default().push(look),
                Question::Dump(states) => dumps.push(states),
                Question::Interface(netns, index) => {
                    let name = self.places.enter(netns, || interfaces::name(netns, index)).ok().flatten();
                    self.batch.extend(name.map(Frame::Interface));
                }
                Question::Interfaces => self.all_interfaces(),
                Question::Facts(netns) => self.facts(netns, SEARCHES),
            }
        }
        for (netns, looks) in looks {
            self.look(netns, looks, SEARCHES)?;
        }
        for states in dumps {
            self.dump(states)?;
        }
        self.tell_holders()?;
        self.flush()
    }

    /// The interfaces of every namespace, as far as the reader wants to know of them.
    fn all_interfaces(&mut self) {
        for netns in self.places.found() {
            let names = self.places.enter(netns, || interfaces::all(netns)).unwrap_or_default();
            let room = INTERFACES_MAX.saturating_sub(self.batch.len());
            self.batch.extend(names.into_iter().take(room).map(Frame::Interface));
        }
    }

    /// Settings and counters of a namespace; they wait for a search where no known way leads there.
    fn facts(&mut self, netns: u32, searches: u8) {
        match self.places.facts_if_old(netns) {
            Err(NoWay::NotSearched) if searches > 0 && self.facts_waiting.len() < WAITING_MAX => {
                self.facts_waiting.push((netns, searches - 1));
            }
            told => self.batch.extend(told.ok().flatten().map(Box::new).map(Frame::Netns)),
        }
    }

    /// One namespace's sockets; they wait for a search where no known way leads there.
    fn look(&mut self, netns: u32, looks: Vec<Look>, searches: u8) -> Result<(), Over> {
        let way = self.places.socket(netns).map(|_| ());
        let waiting: usize = self.waiting.iter().map(|(_, looks, _)| looks.len()).sum();
        if way == Err(NoWay::NotSearched) && searches > 0 && waiting < WAITING_MAX {
            self.waiting.push((netns, looks, searches - 1));
            return Ok(());
        }
        self.look_now(netns, &looks)
    }

    fn look_now(&mut self, netns: u32, looks: &[Look]) -> Result<(), Over> {
        let mut found = Vec::new();
        let mut absent = Vec::new();
        self.batch.extend(self.places.facts_if_old(netns).ok().flatten().map(Box::new).map(Frame::Netns));
        let why = match self.places.socket(netns) {
            Ok(socket) => {
                socket.look(looks, &mut |index, answer| match answer {
                    LookAnswer::Found(snapshot) => found.push((index, snapshot)),
                    LookAnswer::Absent(gone) => absent.push(gone),
                });
                None
            }
            Err(no_way) => {
                self.blocked(netns, no_way);
                Some(no_way.why())
            }
        };
        if let Some(why) = why {
            let time_ns = clock::monotonic_ns();
            absent.extend(looks.iter().map(|look| Absent { time_ns, socket: look.socket, why }));
        }
        // Whether timewait sockets were refused explains why some are not there, so it is said before.
        if absent.iter().any(|absent| absent.why == AbsentWhy::Gone) {
            self.batch.extend(self.places.facts(netns).ok().map(Box::new).map(Frame::Netns));
        }
        for (index, snapshot) in found {
            let asked = looks.get(index).is_some_and(|look| look.holders);
            if asked && snapshot.inode != 0 {
                self.held.push(snapshot);
            } else {
                self.put(sighting(Sighting { snapshot, holders: None, asked: true }))?;
            }
        }
        for gone in absent {
            self.put(Frame::Absent(gone))?;
        }
        self.flush()
    }

    /// Sightings with who holds them: one search, which may have to be waited for, for all namespaces.
    fn tell_holders(&mut self) -> Result<(), Over> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.flush()?;
        let held = std::mem::take(&mut self.held);
        let inodes: Vec<u32> = held.iter().map(|snapshot| snapshot.inode).collect();
        let found = self.holders.find(&inodes);
        for snapshot in held {
            let holders = found.get(&snapshot.inode).cloned();
            self.put(sighting(Sighting { snapshot, holders, asked: true }))?;
        }
        Ok(())
    }

    /// Every namespace in turn.
    fn dump(&mut self, states: StateSet) -> Result<(), Over> {
        let before_ns = cpu_ns();
        let all = self.places.all();
        let hidden = self.places.hidden();
        if !hidden.is_empty() {
            let words = || format!("the network namespaces of {} cannot be seen: {}", hidden.who(), hidden.advice());
            self.in_the_way.get_or_init(words);
        }
        for netns in all {
            self.dump_one(netns, states)?;
        }
        self.places.let_go();
        let at = DumpAt::AllDone { cost_ns: cpu_ns().saturating_sub(before_ns) };
        self.put(Frame::Dump(DumpMark { time_ns: clock::monotonic_ns(), netns: 0, states, at }))
    }

    fn dump_one(&mut self, netns: u32, states: StateSet) -> Result<(), Over> {
        let mark = |at| Frame::Dump(DumpMark { time_ns: clock::monotonic_ns(), netns, states, at });
        self.put(mark(DumpAt::Begin))?;
        self.batch.extend(self.places.facts(netns).ok().map(Box::new).map(Frame::Netns));
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
                batch.push(sighting(Sighting { snapshot, holders: None, asked: false }));
            }
            if batch.len() >= BATCH {
                over |= answers.blocking_send(std::mem::take(batch)).is_err();
            }
        });
        if let Err(no_way) = dumped {
            self.blocked(netns, no_way);
        }
        if over { Err(Over) } else { Ok(dumped.unwrap_or(false)) }
    }

    fn blocked(&self, netns: u32, no_way: NoWay) {
        if let NoWay::Blocked(blocked) = no_way {
            let name = self.places.word(netns).as_deref().map_or_else(|| netns.to_string(), netns_in_words);
            let words = || format!("sockets in network namespace {name} cannot be looked up: {}", blocked.advice());
            self.in_the_way.get_or_init(words);
        }
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

fn sighting(sighting: Sighting) -> Frame<'static> {
    Frame::Sighting(Box::new(sighting))
}

/// Time of a processor that this thread has used.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
