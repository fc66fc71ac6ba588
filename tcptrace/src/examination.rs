//! The one way from a host to advice: source -> doctor, for `doctor`.

mod sinks;

use std::collections::{BTreeMap, HashMap, HashSet};

pub use sinks::{Gathered, Replayed};

use crate::{
    census::Kind,
    doctor::{Host, Live, Moved, Place, PortRange, Seen, Settings, Sockets, Tally, keys, limits},
    filter::Filter,
    inspection::{BRIEFLY, Inspection, Report},
    model::{LeakGroup, State, StateSet},
    source::{
        Place as Told, SourceError, Survey,
        diag::Detail,
        host::{ReadPlace, read_files, read_place, read_sockstat},
        proc::resolve,
    },
};

/// Asked for with the memory that they hold.
const FIN_QUEUED: StateSet = StateSet::of(&[State::FinWait1, State::Closing, State::LastAck]);
/// Asked for with `tcp_info`.
const DETAILED: StateSet = StateSet::of(&[State::Established, State::FinWait2]);
/// Asked for without.
const OTHERS: StateSet =
    StateSet(StateSet::of(&[State::TimeWait, State::CloseWait, State::SynSent]).0 | BOUND_INACTIVE);
/// `TCP_BOUND_INACTIVE` of requests: sockets that are bound, and neither connected nor listening
/// (`inet_diag_dump_icsk()`, Linux 6.8). They are told as TCP_CLOSE; older kernels tell of none.
const BOUND_INACTIVE: u32 = 1 << 13;

/// What is said before a watch, and what a watch has seen.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Readings at its beginning, by namespace.
    before: HashMap<u32, ReadPlace>,
    /// Ports that were listened at then.
    listening: HashMap<u32, HashSet<u16>>,
    /// Most orphans at a time.
    pub orphans_peak: Option<u64>,
}

/// What became of watching closes.
pub enum Watch {
    /// Nobody did, for this reason.
    No(String),
    /// All were gathered.
    Yes {
        /// The closes.
        gathered: Gathered,
        /// For how long, nanoseconds.
        ns: u64,
        /// Events that were lost.
        lost: u64,
    },
}

/// Looks at a host.
pub struct Examination {
    survey: Survey,
    leaks: Inspection,
    /// Namespaces to look at; empty for all.
    netns: Vec<u32>,
    idle_after_ms: u64,
}

impl Examination {
    /// One that has looked at nothing yet. `filter` names namespaces, and nothing else.
    ///
    /// # Errors
    /// When sock_diag cannot be asked.
    pub fn new(filter: Filter, leak_after_ns: u64, idle_after_ms: u64) -> Result<Self, SourceError> {
        let mut netns: Vec<u32> = Vec::new();
        for inode in filter.netns() {
            if !netns.contains(inode) {
                netns.push(*inode);
            }
        }
        Ok(Self {
            survey: Survey::new()?,
            leaks: Inspection::new(Kind::Leaks, leak_after_ns, Some(BRIEFLY), filter)?,
            netns,
            idle_after_ms,
        })
    }

    /// The namespace that goes without saying.
    #[must_use]
    pub fn home(&self) -> u32 {
        self.leaks.home()
    }

    /// What is out of sight, in words.
    pub fn out_of_sight(&self) -> Vec<String> {
        self.survey.out_of_sight(self.netns.is_empty())
    }

    /// What is there before a watch. Blocks, as all looks do.
    pub fn begin(&mut self) -> Watched {
        let mut watched = Watched::default();
        for netns in self.places() {
            if let Ok(read) = self.survey.within(netns, read_place) {
                watched.before.insert(netns, read);
            }
            let ports = watched.listening.entry(netns).or_default();
            let listen = StateSet::of(&[State::Listen]);
            self.survey.dump(netns, &[(listen, Detail::None)], &mut |snapshot| {
                if ports.len() < limits::LISTENERS_MAX {
                    ports.insert(snapshot.socket.local.port);
                }
            });
        }
        // Of two rounds, the second tells how leaks grow.
        self.leaks.round(&mut |_| ());
        self.survey.let_go();
        watched
    }

    /// Looks at everything. `watched` is what a watch before it has seen.
    pub fn look(&mut self, watched: Option<&Watched>, watch: &Watch) -> (Host, Vec<Place>) {
        let leaks = self.leaked();
        let netns = self.places();
        let mut places: Vec<Place> = netns.into_iter().map(|netns| self.place(netns, watched, watch, &leaks)).collect();
        let inodes: Vec<u32> = places
            .iter()
            .filter_map(|place| place.sockets.as_ref().ok())
            .flat_map(Sockets::inodes)
            .take(limits::INODES_IN_ALL_MAX)
            .collect();
        let holders = self.survey.holders(&inodes);
        for place in &mut places {
            let wanted = place.sockets.as_ref().map(Sockets::inodes).unwrap_or_default();
            place.holders = wanted
                .into_iter()
                .filter_map(|inode| {
                    let first = holders.get(&inode)?.list.first()?;
                    Some((inode, (first.pid, first.comm.clone())))
                })
                .collect();
        }
        let host = self.host(&places, watched);
        self.survey.let_go();
        (host, places)
    }

    fn places(&mut self) -> Vec<u32> {
        if !self.netns.is_empty() {
            return self.netns.clone();
        }
        let mut all = self.survey.places();
        // Also where nothing is open: its settings say something.
        let home = self.home();
        if !all.contains(&home) {
            all.push(home);
        }
        all.sort_unstable_by_key(|netns| (*netns != home, *netns));
        all
    }

    /// Leaked sockets by namespace: a group whose sockets are in several is told of in each.
    fn leaked(&mut self) -> Leaked {
        let inspected = self.leaks.round(&mut |_| ());
        let mut leaked = Leaked::default();
        if let Report::Leaks(report) = inspected.report {
            leaked.not_counted = report.round.not_followed;
            for group in report.groups {
                let places: HashSet<u32> = group.sockets.iter().map(|listed| listed.finding.socket.netns).collect();
                for netns in places {
                    let mut part = group.clone();
                    part.sockets.retain(|listed| listed.finding.socket.netns == netns);
                    part.count = part.sockets.len() as u64;
                    leaked.by_place.entry(netns).or_default().push(part);
                }
            }
        }
        leaked
    }

    fn place(&mut self, netns: u32, watched: Option<&Watched>, watch: &Watch, leaked: &Leaked) -> Place {
        let read = self.survey.within(netns, read_place);
        let range = read.as_ref().ok().and_then(|read| read.settings.text(keys::PORT_RANGE)).and_then(PortRange::parse);
        let sockets = read.as_ref().map_err(Clone::clone).and_then(|_| self.sockets(netns, range));
        let leaks =
            sockets.as_ref().map(|_| leaked.by_place.get(&netns).cloned().unwrap_or_default()).map_err(Clone::clone);
        let live: Live = match watch {
            Watch::No(why) => Err(why.clone()),
            Watch::Yes { gathered, ns, lost } => Ok(gathered.of(netns, *ns, *lost)),
        };
        let before = watched.and_then(|watched| watched.before.get(&netns));
        let moved = before.zip(read.as_ref().ok()).map(|(before, now)| Moved {
            ns: now.time_ns.saturating_sub(before.time_ns),
            by: now.counters.since(&before.counters),
        });
        let ReadPlace { settings, counters, is_initial, .. } =
            read.unwrap_or_else(|why| ReadPlace { settings: Settings::unreadable(&why), ..ReadPlace::default() });
        let (way, name) = (self.survey.way(netns), self.survey.word(netns));
        Place {
            netns,
            way,
            name,
            is_initial,
            settings,
            reserved_in_range: None,
            counters,
            moved,
            sockets,
            leaks,
            leaks_not_counted: leaked.not_counted,
            live,
            holders: BTreeMap::new(),
        }
    }

    fn sockets(&mut self, netns: u32, range: Option<PortRange>) -> Seen<Sockets> {
        let mut tally = Tally::new(range, self.idle_after_ms);
        let listen = StateSet::of(&[State::Listen]);
        let others = [(FIN_QUEUED, Detail::Memory), (DETAILED, Detail::Info), (OTHERS, Detail::None)];
        for asked in [&[(listen, Detail::None)][..], &others] {
            match self.survey.dump(netns, asked, &mut |snapshot| tally.see(&snapshot)) {
                Told::Told { .. } => {}
                Told::Gone => return Err("the network namespace is gone".to_owned()),
                Told::Blocked(blocked) => return Err(format!("its sockets cannot be seen: {}", blocked.advice())),
                Told::BrokeOff => return Err("the kernel did not tell all of its sockets: look again".to_owned()),
            }
        }
        Ok(tally.finish())
    }

    fn host(&mut self, places: &[Place], watched: Option<&Watched>) -> Host {
        let first = places.iter().find(|place| place.is_initial == Some(true)).map(|place| place.settings.clone());
        let settings = first.or_else(|| self.first_settings()).unwrap_or_default();
        let sockstat = read_sockstat();
        let limits: Vec<u64> =
            settings.text(keys::MEM).unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
        Host {
            max_orphans: settings.number(keys::MAX_ORPHANS),
            mem_limits_pages: limits.try_into().ok(),
            mem_pages: sockstat.as_ref().ok().and_then(|read| read.mem_pages),
            page_bytes: rustix::param::page_size() as u64,
            orphans: sockstat.as_ref().ok().and_then(|read| read.orphans),
            orphans_peak: watched.and_then(|watched| watched.orphans_peak),
            sockstat_unreadable: sockstat.err(),
            files: Some(read_files()),
            is_capture: false,
        }
    }

    /// Those of the host's first namespace: that of process 1, the own one, or another that a process leads to.
    fn first_settings(&mut self) -> Option<Settings> {
        let likely: Vec<u32> = ["1", "self"].into_iter().filter_map(|text| resolve(text).ok()).collect();
        self.initial_among(likely).or_else(|| {
            let all = self.survey.places();
            self.initial_among(all)
        })
    }

    fn initial_among(&mut self, netns: Vec<u32>) -> Option<Settings> {
        let mut read = netns.into_iter().filter_map(|netns| self.survey.within(netns, read_place).ok());
        read.find(|read| read.is_initial == Some(true)).map(|read| read.settings)
    }
}

/// Leaks of all namespaces.
#[derive(Default)]
struct Leaked {
    by_place: HashMap<u32, Vec<LeakGroup>>,
    /// CLOSE_WAIT sockets that were not looked at.
    not_counted: u64,
}
