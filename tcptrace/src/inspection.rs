//! The one way from dumps to reports: source -> filter -> census, for `stuck` and `leaks`.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    thread,
    time::Duration,
};

use crate::{
    census::{Census, Kind, Owners, PATIENCE_NS},
    filter::Filter,
    model::{Closer, Holders, InterfaceName, LeaksReport, Listed, Look, NetnsName, Snapshot, State, StuckReport, Tick},
    source::{
        Place, SourceError, Survey,
        diag::Detail,
        proc::{Blocked, Obstacle, Sight, Unseen, resolve},
    },
};

/// Beyond the time that a socket lacks to be old enough: a look-up takes its moment.
const MARGIN_NS: u64 = 20_000_000;
/// After a wait as long as this, nanoseconds, sockets that were old enough from the beginning are looked at again, too.
const STALE_NS: u64 = 1_000_000_000;

/// An interval for those who look once and do not want to wait: for more than half of it nobody does.
pub const BRIEFLY: Duration = Duration::from_secs(2);

/// What a round of looks came to.
#[derive(Debug)]
pub enum Report {
    /// Of stuck sockets.
    Stuck(StuckReport),
    /// Of leaks.
    Leaks(LeaksReport),
}

impl Report {
    /// Sockets found.
    #[must_use]
    pub fn sockets(&self) -> u64 {
        match self {
            Self::Stuck(report) => report.sockets(),
            Self::Leaks(report) => report.sockets(),
        }
    }

    /// Sockets that may be old enough, and are not known to be.
    #[must_use]
    pub fn age_unknown(&self) -> u64 {
        match self {
            Self::Stuck(report) => report.round.age_unknown,
            Self::Leaks(report) => report.round.age_unknown,
        }
    }

    /// Network namespaces that were looked at.
    #[must_use]
    pub fn namespaces_seen(&self) -> u64 {
        match self {
            Self::Stuck(report) => report.round.namespaces,
            Self::Leaks(report) => report.round.namespaces,
        }
    }

    /// Every listed socket.
    fn listed(&self) -> Vec<&Listed> {
        match self {
            Self::Stuck(report) => report.groups.iter().flat_map(|group| &group.sockets).collect(),
            Self::Leaks(report) => report.groups.iter().flat_map(|group| &group.sockets).collect(),
        }
    }

    /// Network namespaces of the sockets.
    fn namespaces(&self) -> BTreeSet<u32> {
        self.listed().iter().map(|listed| listed.finding.socket.netns).collect()
    }

    /// Namespaces and indexes of the interfaces that its sockets are bound to, each once.
    fn bound(&self) -> BTreeSet<(u32, u32)> {
        let listed = self.listed();
        let bound = listed.iter().map(|listed| (listed.finding.socket.netns, listed.finding.bound_if));
        bound.filter(|(_, index)| *index != 0).collect()
    }
}

/// One round, and what could not be seen in it.
#[derive(Debug)]
pub struct Inspected {
    /// What was found.
    pub report: Report,
    /// Both clocks, at its end.
    pub tick: Tick,
    /// Namespaces that were asked for and are not there.
    pub absent: u64,
    /// Namespaces that could not be looked at.
    pub blocked: Vec<(u32, Blocked)>,
    /// Namespaces whose dump broke off.
    pub broke_off: u64,
    /// Which processes of the host are shown at all.
    pub sight: Sight,
    /// Processes whose namespaces cannot be seen, where all namespaces are asked for.
    pub hidden: Unseen,
    /// Sockets that nobody was seen to hold, though not all processes could be looked at.
    pub unheld: u64,
    /// Processes whose files cannot be seen.
    pub unseen: Unseen,
    /// Names of the interfaces that listed sockets are bound to.
    pub interfaces: Vec<InterfaceName>,
    /// What `--netns` takes for namespaces that the report names, or that could not be looked at.
    pub names: Vec<NetnsName>,
}

impl Inspected {
    /// The limit of files or memory, if one kept anything from being seen, with what to do about it.
    #[must_use]
    pub fn limit(&self) -> Option<String> {
        let places = self.blocked.iter().map(|(_, blocked)| blocked.obstacle);
        let processes = self.hidden.limit.into_iter().chain(self.unseen.limit);
        places.chain(processes).find_map(Obstacle::limit)
    }
}

/// Namespaces whose sockets were not told.
#[derive(Default)]
struct Missed {
    absent: u64,
    blocked: Vec<(u32, Blocked)>,
    broke_off: u64,
}

/// Looks again and again.
pub struct Inspection {
    kind: Kind,
    census: Census,
    survey: Survey,
    filter: Filter,
    /// Of the round before: a search of all processes may be due less often than a round.
    holders: HashMap<u32, Holders>,
    /// Threads that wait in `close()`, of this round.
    closers: Vec<Closer>,
}

impl Inspection {
    /// One that has looked at nothing yet. `interval` is the time from round to round, where there are several: half of
    /// it may be spent on seeing which sockets stay.
    ///
    /// # Errors
    /// When sock_diag cannot be asked.
    pub fn new(kind: Kind, threshold_ns: u64, interval: Option<Duration>, filter: Filter) -> Result<Self, SourceError> {
        let half = interval.map(|interval| u64::try_from(interval.as_nanos() / 2).unwrap_or(u64::MAX));
        Ok(Self {
            kind,
            census: Census::new(kind, threshold_ns, half.map_or(PATIENCE_NS, |half| half.min(PATIENCE_NS))),
            survey: Survey::new()?,
            filter,
            holders: HashMap::new(),
            closers: Vec::new(),
        })
    }

    /// The namespace that a user has in mind: the only one asked for, or else the own one.
    #[must_use]
    pub fn home(&self) -> u32 {
        match self.filter.netns() {
            [one] => *one,
            _ => resolve("self").unwrap_or(0),
        }
    }

    /// One round: a dump of every namespace, further looks at the sockets that it leaves in doubt, and a search for
    /// holders. Blocks, for up to ten seconds where there is doubt; `waits` is told for how long it is about to.
    pub fn round(&mut self, waits: &mut dyn FnMut(Duration)) -> Inspected {
        let Missed { absent, blocked, broke_off } = self.dump();
        self.look_again(waits);
        self.find_holders();
        let tick = self.survey.now();
        let unheld = self.holders.values().filter(|holders| holders.partial && holders.total == 0).count() as u64;
        // A socket whose close() waits is in nobody's files, and its thread was found.
        let unheld = unheld.saturating_sub(self.closers.len() as u64);
        let report = self.report(tick.mono_ns);
        let interfaces = self.survey.interfaces(&report.bound());
        self.survey.let_go();
        // Whoever names namespaces that are found misses no other.
        let finds_all = self.filter.netns().is_empty() || absent > 0;
        let hidden = if finds_all { self.survey.hidden().clone() } else { Unseen::default() };
        let unseen = self.survey.unseen().clone();
        let named = report.namespaces().into_iter().chain(blocked.iter().map(|(netns, _)| *netns));
        let name = |netns| NetnsName { netns, name: self.survey.word(netns).unwrap_or_default() };
        let names = named.map(name).collect();
        Inspected {
            report,
            tick,
            absent,
            blocked,
            broke_off,
            sight: Sight::now(),
            hidden,
            unheld,
            unseen,
            interfaces,
            names,
        }
    }

    fn dump(&mut self) -> Missed {
        let mut missed = Missed::default();
        let asked_for = !self.filter.netns().is_empty();
        let (detailed, others) = self.census.states();
        self.census.begin();
        let places = match self.filter.netns() {
            [] => self.survey.places(),
            wanted => wanted.to_vec(),
        };
        for netns in places {
            let (census, filter) = (&mut self.census, &self.filter);
            // What a listener is to the filter is decided by the sockets in its queue.
            let wanted =
                |snapshot: &Snapshot| snapshot.state == State::Listen || filter.admits_socket(&snapshot.socket);
            let asked = [(detailed, Detail::Info), (others, Detail::None)];
            let mut see = |snapshot: Snapshot| {
                if wanted(&snapshot) {
                    census.see(&snapshot);
                } else {
                    census.pass_over(&snapshot);
                }
            };
            let mut place = self.survey.dump(netns, &asked, &mut see);
            if matches!(place, Place::Told { .. }) && !self.survey.dump_mptcp(netns, detailed, &mut see) {
                place = Place::BrokeOff;
            }
            match place {
                Place::Told { began_ns, facts } => {
                    self.census.told(netns, began_ns);
                    facts.into_iter().for_each(|facts| self.census.learn(*facts));
                }
                Place::Gone => missed.absent += u64::from(asked_for),
                Place::Blocked(blocked) => missed.blocked.push((netns, blocked)),
                Place::BrokeOff => missed.broke_off += 1,
            }
        }
        (0..missed.blocked.len() as u64 + missed.broke_off).for_each(|_| self.census.unreachable());
        self.census.end_of_dump();
        missed
    }

    fn look_again(&mut self, waits: &mut dyn FnMut(Duration)) {
        let mut waited_ns = 0;
        while let Some(wait_ns) = self.census.wait_ns(waited_ns) {
            let wait_ns = wait_ns.saturating_add(MARGIN_NS);
            waits(Duration::from_nanos(wait_ns));
            thread::sleep(Duration::from_nanos(wait_ns));
            self.look(self.census.second_looks(waited_ns));
            waited_ns = waited_ns.saturating_add(wait_ns);
        }
        if waited_ns > STALE_NS {
            self.look(self.census.last_looks());
        }
    }

    /// Looks at these sockets again, and at the MPTCP connections of these namespaces.
    fn look(&mut self, (looks, mptcp): (Vec<Look>, HashSet<u32>)) {
        let (states, _) = self.census.states();
        let (census, filter) = (&mut self.census, &self.filter);
        self.survey.look(&looks, &mut |socket, snapshot| match snapshot {
            Some(snapshot) => census.see(&snapshot),
            None => census.unsee(&socket),
        });
        for netns in mptcp {
            census.begin_mptcp(netns);
            self.survey.dump_mptcp(netns, states, &mut |snapshot| {
                if filter.admits_socket(&snapshot.socket) {
                    census.see(&snapshot);
                }
            });
        }
    }

    /// Who could not be searched for in time is held by whom it was.
    fn find_holders(&mut self) {
        let inodes = self.census.inodes();
        let mut found = self.survey.holders(&inodes);
        for inode in inodes {
            if let Some(holders) = self.holders.remove(&inode) {
                found.entry(inode).or_insert(holders);
            }
        }
        self.holders = found;
        let searched = self.kind == Kind::Stuck && self.census.may_be_closing(&self.holders);
        self.closers = if searched { self.survey.closers() } else { Vec::new() };
    }

    fn report(&mut self, time_ns: u64) -> Report {
        let (filter, holders) = (&self.filter, &self.holders);
        let admits = |holders: &Holders| filter.admits_holders(&holders.list);
        match self.kind {
            Kind::Stuck => {
                let owners = Owners { holders, closers: &self.closers };
                Report::Stuck(self.census.stuck(time_ns, owners, admits))
            }
            Kind::Leaks => Report::Leaks(self.census.leaks(time_ns, holders, admits)),
        }
    }
}
