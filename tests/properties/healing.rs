//! Events are lost, and sock_diag answers: whatever was lost, no ghost remains, and nothing that is said is wrong.

use std::collections::HashMap;

use proptest::prelude::*;
use tcptrace::{
    engine::{Config, Engine},
    model::{
        Absent, AbsentWhy, Close, DumpAt, DumpMark, Event, EventKind, HostInfo, Input, Look, Outcome, Output, PHASES,
        Phase, Sighting, Snapshot, SocketKey, State, StateSet, Tick, Timer, Want,
    },
};

use crate::{
    life::Life,
    world::{World, cookies, plans},
};

/// An orphan's peer closes this long after the hand-over.
const HOLD_NS: u64 = 3_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;
const TIME_WAIT_MS: u64 = 60_000;

/// What the kernel would show of every socket, from all events, the lost ones included.
struct Kernel<'a> {
    world: &'a World,
    /// Which sockets a dump passes by, over and over: absence is no proof.
    missed: &'a [bool],
    dumped: usize,
}

/// The kernel knows the state; the peer of an orphan closes later.
fn snapshot(life: &Life, now_ns: u64) -> Option<Snapshot> {
    let mut moves = life.events.iter().filter(|event| event.time_ns <= now_ns).filter_map(|event| match event.kind {
        EventKind::Transition { new, .. } => Some((event.time_ns, new, event.flags.orphan)),
        _ => None,
    });
    let (since_ns, state, orphan) = moves.next_back()?;
    let full = Snapshot {
        time_ns: now_ns,
        socket: life.socket,
        bound_if: 0,
        state,
        timewait: false,
        timer: Timer::None,
        expires_ms: 0,
        inode: if orphan { 0 } else { 77 },
        recv_queue_bytes: 0,
        send_queue_bytes: 0,
        mptcp: tcptrace::model::Mptcp::No,
        info: None,
    };
    if state != State::Close {
        return Some(full);
    }
    if !is_orphan(life) {
        return None;
    }
    let age_ms = now_ns.saturating_sub(since_ns) / 1_000_000;
    let hold_ms = HOLD_NS / 1_000_000;
    let (state, left_ms) = if age_ms < hold_ms {
        (State::FinWait2, TIME_WAIT_MS - age_ms)
    } else {
        (State::TimeWait, (hold_ms + TIME_WAIT_MS).checked_sub(age_ms).filter(|left_ms| *left_ms > 0)?)
    };
    let expires_ms = u32::try_from(left_ms).unwrap_or(0);
    Some(Snapshot { state, timewait: true, timer: Timer::TimeWait, expires_ms, inode: 0, ..full })
}

/// Its truth says that events do not tell the end.
fn is_orphan(life: &Life) -> bool {
    life.truth.as_ref().is_some_and(|truth| truth.outcome == Outcome::Unknown)
}

impl Kernel<'_> {
    fn answer(&mut self, want: Want, now_ns: u64) -> Vec<Input> {
        match want {
            Want::Look(look) => vec![self.look(&look, now_ns)],
            Want::Dump(states) => self.dump(states, now_ns),
            Want::Facts(_) => Vec::new(),
        }
    }

    fn look(&self, look: &Look, now_ns: u64) -> Input {
        let life = self.world.lives.iter().find(|life| life.socket == look.socket);
        match life.and_then(|life| snapshot(life, now_ns)) {
            Some(snapshot) => Input::Sighting(Box::new(Sighting { snapshot, holders: None, asked: true })),
            None => Input::Absent(Absent { time_ns: now_ns, socket: look.socket, why: AbsentWhy::Gone }),
        }
    }

    fn dump(&mut self, states: StateSet, now_ns: u64) -> Vec<Input> {
        let netns = self.world.lives.first().map_or(0, |life| life.socket.netns);
        let mark = |netns, at| Input::Dump(DumpMark { time_ns: now_ns, netns, states, at });
        let mut inputs = vec![mark(netns, DumpAt::Begin)];
        for life in &self.world.lives {
            let Some(snapshot) = snapshot(life, now_ns).filter(|snapshot| states.has(snapshot.state)) else { continue };
            self.dumped += 1;
            if !self.missed[self.dumped % self.missed.len()] {
                inputs.push(Input::Sighting(Box::new(Sighting { snapshot, holders: None, asked: false })));
            }
        }
        inputs.extend([mark(netns, DumpAt::End), mark(0, DumpAt::AllDone { cost_ns: 1 })]);
        inputs
    }
}

struct Run {
    engine: Engine,
    closes: Vec<Close>,
}

impl Run {
    fn give(&mut self, input: &Input) {
        self.engine.handle(input);
        while let Some(output) = self.engine.poll() {
            if let Output::Close(close) = output {
                self.closes.push(close);
            }
        }
    }

    /// Time passes, and whatever is asked is answered at once.
    fn tick(&mut self, kernel: &mut Kernel<'_>, now_ns: u64) {
        self.give(&Input::Tick(Tick { mono_ns: now_ns, real_ns: now_ns }));
        for _ in 0..100 {
            let wants: Vec<Want> = std::iter::from_fn(|| self.engine.poll_want()).collect();
            if wants.is_empty() {
                return;
            }
            for want in wants {
                for input in kernel.answer(want, now_ns) {
                    self.give(&input);
                }
            }
        }
        panic!("it asks for ever");
    }
}

/// Runs what is left of the events; ticks follow each one, and a long quiet time follows all.
fn run(world: &World, events: &[Event], missed: &[bool], announced: bool) -> Run {
    let mut run = Run { engine: Engine::new(Config::default()), closes: Vec::new() };
    run.give(&Input::Host(HostInfo { sock_diag: true, ..HostInfo::default() }));
    let mut kernel = Kernel { world, missed, dumped: 0 };
    let mut now_ns = 0;
    let mut times = events.iter().map(|event| event.time_ns).peekable();
    for event in events {
        times.next();
        run.give(&Input::Event(*event));
        let next_ns = times.peek().copied().unwrap_or(u64::MAX);
        for after_ns in [0, 25_000_000, SECOND_NS / 2, SECOND_NS, 5 * SECOND_NS, 16 * SECOND_NS, 61 * SECOND_NS] {
            now_ns = event.time_ns + after_ns;
            if now_ns < next_ns {
                run.tick(&mut kernel, now_ns);
            }
        }
    }
    if announced {
        run.give(&Input::Gap);
    }
    let all = world.lives.iter().flat_map(|life| &life.events).map(|event| event.time_ns);
    let last_ns = all.max().unwrap_or(0).max(now_ns);
    for second in 0..200 {
        run.tick(&mut kernel, last_ns + second * SECOND_NS);
    }
    run
}

/// Every number of a record is the truth or is not there.
fn check(close: &Close, life: &Life) -> Result<(), TestCaseError> {
    let Some(truth) = &life.truth else { return Err(TestCaseError::fail(format!("no connection: {close:?}"))) };
    for phase in PHASES {
        let Some(ns) = close.phases.get(phase) else { continue };
        let expected =
            if is_orphan(life) && phase == Phase::FinWait2 { Some(HOLD_NS) } else { truth.phases.get(phase) };
        let near = expected.is_some_and(|expected| ns.abs_diff(expected) <= 1_000_000);
        prop_assert!(near, "{:?} {} ns, truly {:?}: {:?}", phase, ns, expected, close);
    }
    if is_orphan(life) && close.outcome != Outcome::Unknown {
        prop_assert_eq!(close.outcome, Outcome::Fin, "{:?}", close);
    }
    if close.complete {
        prop_assert_eq!(close.role, truth.role, "{:?}", close);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases))]

    #[test]
    fn no_ghost_remains(
        plans in plans(),
        lost in prop::collection::vec(prop::bool::weighted(0.3), 1..60),
        missed in prop::collection::vec(prop::bool::weighted(0.2), 1..20),
        announced in any::<bool>(),
    ) {
        let world = cookies(&plans);
        let events = world.events();
        let kept = events.iter().zip(lost.iter().cycle()).filter(|(_, lost)| !**lost);
        let kept: Vec<Event> = kept.map(|(event, _)| *event).collect();
        let run = run(&world, &kept, &missed, announced);
        let status = run.engine.status();
        prop_assert_eq!(status.open, [0; 5], "ghosts: {:?}", status);
        prop_assert_eq!((status.orphans_waiting, run.engine.orphans_unseen()), (0, 0));
        let lives: HashMap<SocketKey, &Life> = world.lives.iter().map(|life| (life.socket.key, life)).collect();
        let mut told: HashMap<SocketKey, &Close> = HashMap::new();
        for close in &run.closes {
            check(close, lives[&close.socket.key])?;
            if let Some(other) = told.insert(close.socket.key, close) {
                prop_assert!(false, "told twice: {:?} and {:?}", other, close);
            }
        }
    }

    /// With every event there, answers change nothing but what only they can tell.
    #[test]
    fn nothing_is_healed_that_is_whole(plans in plans(), missed in prop::collection::vec(any::<bool>(), 1..20)) {
        let world = cookies(&plans);
        let events = world.events();
        let run = run(&world, &events, &missed, false);
        let looks = run.engine.status().looks.unwrap_or_default();
        prop_assert_eq!((looks.healed, looks.adopted, looks.unanswered), (0, 0, 0));
        let with_truth = world.lives.iter().filter(|life| life.truth.is_some()).count();
        prop_assert_eq!(run.closes.len(), with_truth);
        for close in &run.closes {
            prop_assert_ne!(close.reason, Some(tcptrace::model::Reason::EventsLost));
            let life = world.lives.iter().find(|life| life.socket == close.socket);
            let Some(life) = life else { return Err(TestCaseError::fail("nobody's close")) };
            check(close, life)?;
            if is_orphan(life) {
                prop_assert_eq!((close.outcome, close.complete), (Outcome::Fin, true), "{:?}", close);
            }
        }
    }
}
