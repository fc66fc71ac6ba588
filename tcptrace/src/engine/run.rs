//! The engine's outside: inputs, outputs, time and books.

use std::collections::VecDeque;

use super::{
    audit::Audit,
    births::{Births, EarlyResets, Ended},
    config::{CLOCK_STEP_NS, Config, RESET_WINDOW_NS, SETTLE_NS, YOUNG_NS},
    lanes::{LaneKind, Lanes},
    netns::Namespaces,
    peers::Peers,
    table::Table,
    watch::Schedule,
};
use crate::model::{
    Anomalies, Books, Event, EventKind, Input, KernelCounters, Looks, Output, ResetReason, Status, Tick, Want,
};

/// Follows every close from its first event to its end.
#[derive(Debug)]
pub struct Engine {
    pub(super) config: Config,
    pub(super) table: Table,
    pub(super) births: Births,
    pub(super) early_resets: EarlyResets,
    pub(super) ended: Ended,
    pub(super) lanes: Lanes,
    pub(super) outputs: VecDeque<Output>,
    /// Somebody answers what is asked.
    pub(super) looks_on: bool,
    /// The kernel side left out what other owners closed: see [`crate::model::HostInfo::owners_filtered`].
    pub(super) owners_filtered: bool,
    pub(super) wants: VecDeque<Want>,
    pub(super) schedule: Schedule,
    pub(super) audit: Audit,
    pub(super) netns: Namespaces,
    pub(super) looks: Looks,
    pub(super) peers: Peers,
    pub(super) orphans_waiting: u64,
    pub(super) orphans_unseen: u64,
    pub(super) anomalies: Anomalies,
    /// Sockets in each phase, in the order of [`crate::model::PHASES`].
    pub(super) open: [u64; 5],
    pub(super) reset_reasons: Vec<(u32, ResetReason)>,
    first_ns: Option<u64>,
    pub(super) now_ns: u64,
    real_minus_mono_ns: Option<i128>,
    counters: KernelCounters,
    /// Times that something was found missing: events lost, program runs skipped, a gap in the stream.
    pub(super) losses: u32,
    loss_mark: u32,
    /// When something was last found missing; nothing is at 0.
    pub(super) lost_at_ns: u64,
    torn: bool,
    delivered: u64,
    refused: u64,
    finished: bool,
}

impl Engine {
    /// An engine that has seen nothing.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            table: Table::new(config.bounds.closes_max),
            births: Births::new(config.bounds.connects_max),
            early_resets: EarlyResets::default(),
            ended: Ended::default(),
            lanes: Lanes::new(config.stuck_after_ns, config.leak_after_ns, SETTLE_NS, YOUNG_NS),
            config,
            outputs: VecDeque::new(),
            looks_on: false,
            owners_filtered: false,
            wants: VecDeque::new(),
            schedule: Schedule::default(),
            audit: Audit::default(),
            netns: Namespaces::default(),
            looks: Looks::default(),
            peers: Peers::default(),
            orphans_waiting: 0,
            orphans_unseen: 0,
            anomalies: Anomalies::default(),
            open: [0; 5],
            reset_reasons: Vec::new(),
            first_ns: None,
            now_ns: 0,
            real_minus_mono_ns: None,
            counters: KernelCounters::default(),
            losses: 0,
            loss_mark: 0,
            lost_at_ns: 0,
            torn: false,
            delivered: 0,
            refused: 0,
            finished: false,
        }
    }

    /// Takes one input. Call [`Engine::poll`] until it gives nothing before the next one.
    pub fn handle(&mut self, input: &Input) {
        match input {
            Input::Host(host) => {
                let named = |(number, name): &(u32, String)| (*number, ResetReason::from_kernel_name(name));
                self.reset_reasons = host.reset_reasons.iter().map(named).collect();
                self.looks_on = host.sock_diag;
                self.owners_filtered = host.owners_filtered;
            }
            Input::Event(event) => self.handle_event(event),
            Input::Refused(_) => self.refused += 1,
            Input::Counters(counters) => self.count(*counters),
            Input::Tick(tick) => self.tick(*tick),
            Input::Cgroup(_) | Input::Interface(_) | Input::NetnsName(_) => {}
            Input::Sighting(sighting) => self.sighting(sighting),
            Input::Absent(absent) => self.absent(absent),
            Input::Dump(mark) => self.dump_mark(mark),
            Input::Netns(facts) => {
                self.advance(facts.time_ns);
                self.netns.learn(facts);
            }
            Input::Gap => {
                self.torn = true;
                self.lose();
            }
        }
    }

    /// As [`Engine::handle`], for the commonest input.
    pub fn handle_event(&mut self, event: &Event) {
        self.deliver(event.time_ns, event.loss_mark);
        if self.config.echo_events {
            let moves = event.kind != EventKind::TimeWait || self.waits_for_fin(event).is_some();
            self.outputs.extend(moves.then_some(Output::Event(*event)));
        }
        self.event(event);
    }

    /// The next output, if any.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.now_ns >= self.lanes.quiet_until_ns() || self.finished {
            if let Some(output) = self.expire_first() {
                return Some(output);
            }
            self.lanes.rest(&self.table);
        }
        while let Some(id) = self.schedule.due(self.now_ns) {
            self.look_due(id);
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
        }
        None
    }

    /// What comes of the lanes' deadlines, as far as the first output.
    fn expire_first(&mut self) -> Option<Output> {
        for kind in [LaneKind::Settle, LaneKind::Young, LaneKind::Stuck, LaneKind::Leak] {
            while let Some(id) = self.lanes.first(kind) {
                let due_ns = self.lanes.deadline_ns(&self.table, kind, id)?;
                let flush = self.finished && kind == LaneKind::Settle;
                if due_ns > self.now_ns && !flush {
                    break;
                }
                self.expire(kind, id, due_ns);
                if let Some(output) = self.outputs.pop_front() {
                    return Some(output);
                }
            }
        }
        None
    }

    /// No more inputs: what waits for its judgement is judged now. Poll afterwards.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Handed-over orphans that no look has shown yet: their records come with the first answers.
    #[must_use]
    pub fn orphans_unseen(&self) -> u64 {
        self.orphans_unseen
    }

    /// What the engine knows of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        let lost = self.counters.lost.saturating_add(self.counters.missed);
        Status {
            first_ns: self.first_ns.unwrap_or(0),
            last_ns: self.now_ns,
            open: self.open,
            books: Books {
                seen: self.counters.seen.saturating_add(self.counters.missed),
                delivered: self.delivered,
                lost,
                missed: self.counters.missed,
                refused: self.refused,
                torn: self.torn,
            },
            anomalies: self.anomalies,
            looks: self.looks_on.then_some(self.looks),
            orphans_waiting: self.orphans_waiting,
            data_retransmits: self.counters.data_retransmits,
            foreign_resets: self.counters.foreign_resets,
        }
    }

    /// A record of the kernel side has come through.
    fn deliver(&mut self, time_ns: u64, loss_mark: u32) {
        self.delivered += 1;
        self.advance(time_ns);
        if loss_mark != self.loss_mark {
            self.loss_mark = loss_mark;
            self.lose();
        }
    }

    /// Something is missing: what is known may be over.
    fn lose(&mut self) {
        self.losses = self.losses.wrapping_add(1);
        self.lost_at_ns = self.now_ns;
        self.audit.hasten(self.now_ns);
    }

    /// Whether something was found missing just before `now_ns`.
    pub(super) fn lost_lately(&self, now_ns: u64) -> bool {
        self.losses > 0 && now_ns.saturating_sub(self.lost_at_ns) <= RESET_WINDOW_NS
    }

    pub(super) fn advance(&mut self, time_ns: u64) {
        self.first_ns.get_or_insert(time_ns);
        self.now_ns = self.now_ns.max(time_ns);
    }

    fn tick(&mut self, tick: Tick) {
        self.advance(tick.mono_ns);
        let offset_ns = i128::from(tick.real_ns) - i128::from(tick.mono_ns);
        if let Some(before_ns) = self.real_minus_mono_ns
            && (offset_ns - before_ns).abs() > CLOCK_STEP_NS
        {
            self.anomalies.clock_steps += 1;
        }
        self.real_minus_mono_ns = Some(offset_ns);
        self.audit_if_due();
    }

    /// Counters only grow; those of a damaged capture may not, and then the larger stands.
    fn count(&mut self, new: KernelCounters) {
        let old = self.counters;
        let pairs = [
            (old.seen, new.seen),
            (old.lost, new.lost),
            (old.missed, new.missed),
            (old.data_retransmits, new.data_retransmits),
            (old.foreign_resets, new.foreign_resets),
        ];
        if pairs.iter().any(|(old, new)| new < old) {
            self.anomalies.counters_backwards += 1;
        }
        let [seen, lost, missed, data_retransmits, foreign_resets] = pairs.map(|(old, new)| old.max(new));
        if missed > old.missed || lost > old.lost {
            self.lose();
        }
        self.counters = KernelCounters { seen, lost, missed, data_retransmits, foreign_resets };
    }
}
