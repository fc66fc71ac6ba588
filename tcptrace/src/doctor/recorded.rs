//! Facts from a capture: what its frames and closes say. It holds no sockets but those that are closing, no holders
//! beside those of findings, and no files, so some rows stay unknown.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Closes, Host, Moved, Place, Sockets, Tally, keys,
    netns::{counters, settings},
    waited::Waited,
};
use crate::{
    diagnosis::advice,
    model::{
        Comm, DumpAt, DumpMark, Finding, FindingKind, FindingReason, FindingStatus, GroupOf, Input, LeakCause,
        LeakGroup, NetnsFacts, NetnsName, Output, SocketKey, StateSet, printable,
    },
};

/// Namespaces that are told apart, as in the engine.
const PLACES_MAX: usize = 4096;
/// Leaks that are open at a time; those beyond are not counted.
const LEAKS_MAX: usize = 1 << 16;
const NO_LOOK: &str = "the capture holds no look at sockets";

/// Gathers what a capture says.
#[derive(Debug, Default)]
pub struct Recorded {
    facts: BTreeMap<u32, [NetnsFacts; 2]>,
    sockets: BTreeMap<u32, Sockets>,
    closes: BTreeMap<u32, Closes>,
    waited: BTreeMap<u32, Waited>,
    /// Names of namespaces.
    names: BTreeMap<u32, String>,
    /// The newest time in any input, CLOCK_MONOTONIC nanoseconds.
    now_ns: u64,
    /// By namespace and cookie: leaks that have not cleared.
    leaks: HashMap<(u32, SocketKey), (GroupOf, LeakCause, u64)>,
    leaks_not_counted: u64,
    dump: Option<(u32, Tally)>,
    orphans_peak: Option<u64>,
    /// Filters, or a sample: what was left out is not known.
    partial: Option<String>,
    /// The filters left out namespaces, and nothing of those that they let pass.
    netns_alone: bool,
}

impl Recorded {
    /// An input of the capture.
    pub fn input(&mut self, input: &Input) {
        match input {
            Input::Host(host) if !host.filters.is_empty() => {
                self.partial = Some(format!("the capture was made with {}", host.filters));
                self.netns_alone = host.sample_one_in <= 1 && names_netns_alone(&host.filters);
            }
            Input::Host(host) if host.sample_one_in > 1 => {
                self.partial = Some(format!("the capture is a sample, 1/{}", host.sample_one_in));
            }
            Input::Tick(tick) => self.now_ns = self.now_ns.max(tick.mono_ns),
            Input::Netns(facts) => self.learn(facts),
            Input::NetnsName(NetnsName { netns, name }) => {
                self.names.remove(netns);
                if !name.is_empty() && self.names.len() < PLACES_MAX {
                    self.names.insert(*netns, name.chars().map(printable).collect());
                }
            }
            Input::Dump(mark) => self.mark(mark),
            Input::Sighting(sighting) if !sighting.asked => {
                let netns = sighting.snapshot.socket.netns;
                if let Some((_, tally)) = self.dump.as_mut().filter(|(of, _)| *of == netns) {
                    tally.see(&sighting.snapshot);
                }
            }
            _ => {}
        }
    }

    /// An output of the engine.
    pub fn output(&mut self, output: &Output) {
        match output {
            Output::Close(close) => {
                let netns = close.socket.netns;
                if self.closes.len() < PLACES_MAX || self.closes.contains_key(&netns) {
                    self.closes.entry(netns).or_insert_with(recorded).see(close, &HashSet::new());
                    self.waited.entry(netns).or_default().see(close);
                    self.now_ns = self.now_ns.max(close.end_ns);
                }
            }
            Output::Event(event) => {
                let netns = event.socket.netns;
                if self.closes.len() < PLACES_MAX || self.closes.contains_key(&netns) {
                    self.closes.entry(netns).or_insert_with(recorded).open(event);
                }
            }
            Output::Finding(finding) if finding.kind == FindingKind::LeakCloseWait => self.leak(finding),
            Output::Finding(_) | Output::FailedConnect(_) => {}
        }
    }

    fn learn(&mut self, facts: &NetnsFacts) {
        self.now_ns = self.now_ns.max(facts.time_ns);
        self.orphans_peak = self.orphans_peak.max(facts.orphans);
        if let Some([_, last]) = self.facts.get_mut(&facts.netns) {
            *last = *facts;
        } else if self.facts.len() < PLACES_MAX {
            self.facts.insert(facts.netns, [*facts; 2]);
        }
    }

    fn mark(&mut self, mark: &DumpMark) {
        let all = mark.states.0 & StateSet::CLOSING.0 == StateSet::CLOSING.0;
        match mark.at {
            DumpAt::Begin if all => self.dump = Some((mark.netns, Tally::new(None, u64::MAX))),
            DumpAt::End => {
                let done = self.dump.take().filter(|(netns, _)| *netns == mark.netns);
                if let Some((netns, tally)) = done
                    && (self.sockets.len() < PLACES_MAX || self.sockets.contains_key(&netns))
                {
                    self.sockets.insert(netns, Sockets { closing_only: true, ..tally.finish() });
                }
            }
            DumpAt::Begin | DumpAt::BrokeOff | DumpAt::AllDone { .. } => self.dump = None,
        }
    }

    fn leak(&mut self, finding: &Finding) {
        let key = (finding.socket.netns, finding.socket.key);
        let FindingReason::Leak(cause) = finding.reason else { return };
        if finding.status != FindingStatus::Raised {
            self.leaks.remove(&key);
        } else if self.leaks.len() < LEAKS_MAX {
            let holder = finding.holders.as_ref().and_then(|holders| holders.list.first());
            let of = match (holder, finding.owner) {
                (Some(holder), _) => GroupOf::Process { pid: holder.pid, comm: shown(&holder.comm) },
                (None, Some(owner)) => GroupOf::Process { pid: owner.pid, comm: owner.comm.to_string() },
                (None, None) => GroupOf::Unknown,
            };
            self.leaks.insert(key, (of, cause, finding.age_ns));
        } else {
            self.leaks_not_counted += 1;
        }
    }

    /// Namespaces that had these names.
    pub fn named<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = u32> + 'a {
        self.names.iter().filter(|(_, name)| names.contains(name)).map(|(netns, _)| *netns)
    }

    /// What rules are told. `netns` are those that are wanted, or none for all; the capture has `lost` events and lasts
    /// `ns` nanoseconds.
    #[must_use]
    pub fn facts(&self, netns: &[u32], ns: u64, lost: u64) -> (Host, Vec<Place>) {
        let told = self.facts.keys().chain(self.closes.keys()).chain(self.sockets.keys()).copied();
        let mut all: Vec<u32> = told.filter(|one| netns.is_empty() || netns.contains(one)).collect();
        all.sort_unstable();
        all.dedup();
        let places: Vec<Place> = all.into_iter().map(|netns| self.place(netns, ns, lost)).collect();
        let last = || self.facts.values().map(|[_, last]| last);
        let newest = last().filter(|facts| facts.orphans.is_some()).max_by_key(|facts| facts.time_ns);
        let host = Host {
            max_orphans: last().find_map(|facts| facts.max_orphans).map(u64::from),
            orphans: newest.and_then(|facts| facts.orphans),
            orphans_peak: self.orphans_peak,
            sockstat_unreadable: Some("the capture does not hold the number of orphans".to_owned()),
            mem_pages: newest.and_then(|facts| facts.mem_pages),
            // The first of them decides nothing.
            mem_limits_pages: last().find_map(|facts| Some([0, facts.mem_pressure_pages?, facts.mem_limit_pages?])),
            is_capture: true,
            ..Host::default()
        };
        (host, places)
    }

    fn place(&self, netns: u32, ns: u64, lost: u64) -> Place {
        let facts = self.facts.get(&netns);
        let [first, last] = facts.copied().unwrap_or_default();
        let counters = counters(&last);
        let moved = facts
            .filter(|_| last.time_ns > first.time_ns)
            .map(|_| Moved { ns: last.time_ns - first.time_ns, by: counters.since(&self::counters(&first)) });
        let looked = self.sockets.contains_key(&netns);
        // What tells of a close was let pass.
        let is_whole = self.netns_alone && self.closes.contains_key(&netns);
        let whole = self.partial.clone().filter(|_| !is_whole).map_or(Ok(()), Err);
        let mut sockets = self.sockets.get(&netns).cloned();
        let still = |name| moved.as_ref().is_some_and(|moved| moved.by.get(name) == Some(0));
        if let Some(sockets) = &mut sockets {
            // Ports that were refused TIME_WAIT, or taken out of it, are free.
            if still(keys::TW_OVERFLOW) && still(keys::TW_RECYCLED) {
                self.waited.get(&netns).into_iter().for_each(|waited| waited.add_to(sockets, self.now_ns));
            }
        }
        let closes = self.closes.get(&netns).cloned().unwrap_or_else(recorded);
        let is_initial = match (last.max_orphans, last.timestamps) {
            (Some(_), _) => Some(true),
            (None, Some(_)) => Some(false),
            (None, None) => None,
        };
        Place {
            netns,
            way: None,
            name: self.names.get(&netns).cloned(),
            is_initial,
            settings: settings(&last),
            reserved_in_range: last.reserved_in_range.map(u64::from),
            counters,
            moved,
            sockets: whole.clone().and_then(|()| sockets.ok_or_else(|| NO_LOOK.to_owned())),
            leaks: whole.clone().and_then(|()| {
                let groups = self.groups(netns);
                // Those that are older than the capture are told by looks alone.
                if groups.is_empty() && !looked { Err(NO_LOOK.to_owned()) } else { Ok(groups) }
            }),
            leaks_not_counted: self.leaks_not_counted,
            live: whole.map(|()| Closes { ns, lost, ..closes }),
            holders: BTreeMap::new(),
        }
    }

    /// Leaks that were open at the end.
    fn groups(&self, netns: u32) -> Vec<LeakGroup> {
        let mut groups: BTreeMap<GroupOf, Vec<(LeakCause, u64)>> = BTreeMap::new();
        for (_, (of, cause, age_ns)) in self.leaks.iter().filter(|((place, _), _)| *place == netns) {
            groups.entry(of.clone()).or_default().push((*cause, *age_ns));
        }
        let mut groups: Vec<LeakGroup> = groups.into_iter().map(|(of, leaks)| group(of, &leaks)).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }
}

/// Closes of a capture, none yet.
fn recorded() -> Closes {
    Closes { recorded: true, ..Closes::default() }
}

fn group(of: GroupOf, leaks: &[(LeakCause, u64)]) -> LeakGroup {
    let by_cause = LeakCause::ALL.map(|cause| leaks.iter().filter(|(one, _)| *one == cause).count() as u64);
    let most = by_cause.iter().max().copied().unwrap_or(0);
    let commonest = LeakCause::ALL.into_iter().zip(by_cause).find(|(_, count)| *count == most);
    let cause = commonest.map_or(LeakCause::Unknown, |(cause, _)| cause);
    LeakGroup {
        of,
        listener: Vec::new(),
        shared_with: Vec::new(),
        cgroup: String::new(),
        count: leaks.len() as u64,
        oldest_ns: leaks.iter().map(|(_, age_ns)| *age_ns).max().unwrap_or(0),
        oldest_is_lower_bound: true,
        growth_per_minute: None,
        ages: Default::default(),
        remotes: Vec::new(),
        remotes_total: 0,
        by_cause,
        cause,
        advice: advice(cause),
        sockets: Vec::new(),
    }
}

/// Whether the filters of a capture, as options, name namespaces and nothing else.
fn names_netns_alone(filters: &str) -> bool {
    let words: Vec<&str> = filters.split(' ').collect();
    words.chunks(2).all(|pair| matches!(pair, ["--netns", value] if !value.starts_with("--")))
}

/// A name that a capture claims must not write escape codes.
fn shown(name: &str) -> String {
    Comm::from_name(name).to_string()
}
