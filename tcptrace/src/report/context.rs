//! What turns numbers of the engine into words for a reader: wall-clock time and names of cgroups.

use std::{borrow::Cow, collections::HashMap};

use super::Workload;
use crate::model::{CgroupName, Endpoint, HostInfo, InterfaceName, NetnsName, Tick, Zone, ZonedEndpoint};

/// Names kept at most; a host with more cgroups shows the rest without a path.
const CGROUPS_MAX: usize = 65_536;
/// As many as are known at a time where they are found.
const NETNS_MAX: usize = 4096;

/// Names of interfaces kept at most. The source tells no more either; a capture that claims more shows their indexes.
const INTERFACES_MAX: usize = 65_536;

/// Well above the time between two clock readings, and as exact as wall clocks of hosts are to each other.
const CLOCK_JITTER_NS: i128 = 1_000_000;

/// Grows from the inputs, so that a replay knows what the live run knew.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Among the hosts of a run.
    number: u16,
    hostname: String,
    /// There are others, so that lines must say whose they are.
    is_one_of_several: bool,
    sample_one_in: u32,
    /// CLOCK_REALTIME minus CLOCK_MONOTONIC, nanoseconds, as of the newest tick.
    real_minus_mono_ns: i128,
    cgroups: HashMap<u64, Cgroup>,
    /// By namespace and index.
    interfaces: HashMap<(u32, u32), String>,
    netns_names: HashMap<u32, String>,
}

/// A cgroup's path, and what it says of what runs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Path below the mount.
    pub path: String,
    /// Unit of systemd.
    pub unit: Option<String>,
    /// Id of the container.
    pub container: Option<String>,
    /// Uid of the container's pod.
    pub pod: Option<String>,
}

impl Cgroup {
    /// Reads what the path says, once for all lines that name it.
    #[must_use]
    pub fn of(path: String) -> Self {
        let Workload { unit, container, pod_uid, .. } = Workload::of(&path);
        let (unit, container) = (unit.map(Cow::into_owned), container.map(str::to_owned));
        Self { unit, container, pod: pod_uid, path }
    }
}

impl Context {
    /// Learns whose this is.
    pub fn host(&mut self, host: &HostInfo) {
        self.hostname.clone_from(&host.hostname);
        self.sample_one_in = host.sample_one_in;
    }

    /// Gives the host a number among the hosts of a run.
    pub fn set_number(&mut self, number: u16) {
        self.number = number;
    }

    /// Its number, 0 for the only one.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Lines name their host where there are several.
    pub fn name_host(&mut self, several: bool) {
        self.is_one_of_several = several;
    }

    /// The host's name, where it was told.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        (!self.hostname.is_empty()).then_some(self.hostname.as_str())
    }

    /// The host's name, where lines have to say it.
    #[must_use]
    pub fn shown_host(&self) -> Option<&str> {
        self.is_one_of_several.then_some(self.hostname.as_str())
    }

    /// For how many connections each one stands: N of `--sample 1/N`.
    #[must_use]
    pub fn weight(&self) -> u64 {
        u64::from(self.sample_one_in.max(1))
    }

    /// Takes the wall clock from a tick. The two clocks are not read in one moment, so small differences are kept out:
    /// one event has one time, however often it is told.
    pub fn tick(&mut self, tick: Tick) {
        let offset_ns = i128::from(tick.real_ns) - i128::from(tick.mono_ns);
        if (offset_ns - self.real_minus_mono_ns).abs() > CLOCK_JITTER_NS {
            self.real_minus_mono_ns = offset_ns;
        }
    }

    /// Remembers a cgroup's path.
    pub fn cgroup(&mut self, name: CgroupName) {
        if self.cgroups.len() < CGROUPS_MAX || self.cgroups.contains_key(&name.id) {
            self.cgroups.insert(name.id, Cgroup::of(name.path));
        }
    }

    /// Remembers an interface's name, which takes the place of an older one.
    pub fn interface(&mut self, interface: &InterfaceName) {
        let key = (interface.netns, interface.index);
        if self.interfaces.len() < INTERFACES_MAX || self.interfaces.contains_key(&key) {
            self.interfaces.insert(key, interface.name.clone());
        }
    }

    /// An interface's name, where it was told.
    #[must_use]
    pub fn interface_of(&self, netns: u32, index: u32) -> Option<&str> {
        self.interfaces.get(&(netns, index)).map(String::as_str)
    }

    /// The interface that a socket of this namespace is bound to; `None` for index 0, which stands for none.
    #[must_use]
    pub fn zone(&self, netns: u32, index: u32) -> Option<Zone<'_>> {
        (index != 0).then(|| self.interface_of(netns, index).map_or(Zone::Index(index), Zone::Name))
    }

    /// The end of a socket of this namespace that is bound to the interface of this index.
    #[must_use]
    pub fn zoned(&self, end: Endpoint, netns: u32, index: u32) -> ZonedEndpoint<'_> {
        ZonedEndpoint { end, zone: self.zone(netns, index) }
    }

    /// Remembers a network namespace's name, or that it has none any more.
    pub fn netns_name(&mut self, name: NetnsName) {
        if name.name.is_empty() {
            self.netns_names.remove(&name.netns);
        } else if self.netns_names.len() < NETNS_MAX || self.netns_names.contains_key(&name.netns) {
            self.netns_names.insert(name.netns, name.name);
        }
    }

    /// What `--netns` takes for a network namespace, where it was told: see [`NetnsName`].
    #[must_use]
    pub fn netns_name_of(&self, netns: u32) -> Option<&str> {
        self.netns_names.get(&netns).map(String::as_str)
    }

    /// A network namespace for people: its name or path, `pid 7` by a process that is in it, or its inode.
    #[must_use]
    pub fn netns_in_words(&self, netns: u32) -> String {
        self.netns_name_of(netns).map_or_else(|| netns.to_string(), netns_in_words)
    }

    /// Wall-clock time of a monotonic moment, nanoseconds since 1970, clamped to what `u64` holds.
    #[must_use]
    pub fn real_ns(&self, mono_ns: u64) -> u64 {
        let real = i128::from(mono_ns) + self.real_minus_mono_ns;
        u64::try_from(real.max(0)).unwrap_or(u64::MAX)
    }

    /// A cgroup, where it was told.
    #[must_use]
    pub fn cgroup_of(&self, id: u64) -> Option<&Cgroup> {
        self.cgroups.get(&id)
    }
}

/// The name of a network namespace for people: a process id is told as that.
#[must_use]
pub fn netns_in_words(name: &str) -> String {
    let is_pid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    if is_pid { format!("pid {name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_by_name_by_process_or_by_inode() {
        let mut context = Context::default();
        for (netns, name) in [(1, "web"), (2, "7434"), (3, "/run/docker/netns/1"), (4, "a b")] {
            context.netns_name(NetnsName { netns, name: name.to_owned() });
        }
        let words = [1, 2, 3, 4, 5].map(|netns| context.netns_in_words(netns));
        assert_eq!(words, ["web", "pid 7434", "/run/docker/netns/1", "a b", "5"]);
        assert_eq!((context.netns_name_of(2), context.netns_name_of(5)), (Some("7434"), None));
        context.netns_name(NetnsName { netns: 1, name: String::new() });
        assert_eq!(context.netns_in_words(1), "1", "another may have the inode");
    }
}
