//! The user's filter in the form that the kernel side takes: switches in a global, lists in maps.

use std::collections::BTreeMap;

use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{
        Array, HashMap, MapData, MapError,
        lpm_trie::{Key, LpmTrie},
    },
};
use ipnet::IpNet;
use tcptrace_ebpf::{
    filter::{
        CGROUPS_MAX, CONNECTS_MAX, CommWords, ENTRIES_MAX, Filter, NETNS_EXCLUDED, NETNS_WANTED, OWNERS_MAX,
        PORT_LISTS, PORT_WORDS, PORTS_EITHER, PORTS_LOCAL, PORTS_REMOTE, PREFIX_FAMILY_BITS, PREFIXES_EXCLUDED,
        PREFIXES_WANTED, PrefixData, comm_key, port_place, prefix_data, span,
    },
    names,
};

use super::{
    cgroups::place_of,
    error::SourceError,
    lists::{allowed, distinct, prefixes},
};
use crate::{
    filter::{FilterError, FilterSpec},
    model::{Comm, Family},
};

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

/// What the kernel side leaves out. It drops no more than [`crate::filter::Filter`] would, which still runs: an option
/// that cannot be told exactly here is left to that one.
#[derive(Clone, Debug, Default)]
pub struct KernelFilter {
    switches: Filter,
    /// Each word of the lists of ports that has any.
    ports: BTreeMap<u32, u64>,
    /// With the lists that hold its addresses, [`PREFIXES_WANTED`] and [`PREFIXES_EXCLUDED`].
    prefixes: Vec<(IpNet, u8)>,
    netns: Vec<u32>,
    pids: Vec<u32>,
    comms: Vec<CommWords>,
}

impl KernelFilter {
    /// Of a filter that was checked; one socket in `sample_one_in` is followed, 1 for all.
    ///
    /// # Errors
    /// When an option has more values than the kernel side compares with.
    pub fn new(spec: &FilterSpec, sample_one_in: u32) -> Result<Self, FilterError> {
        let not = &spec.not;
        let local = allowed(&spec.local_ports, [&not.ports, &not.local_ports]);
        let remote = allowed(&spec.remote_ports, [&not.ports, &not.remote_ports]);
        let lists = [(PORTS_EITHER, &spec.ports), (PORTS_LOCAL, &local), (PORTS_REMOTE, &remote)];
        let mut ports: BTreeMap<u32, u64> = BTreeMap::new();
        for (list, port) in lists.into_iter().flat_map(|(list, ports)| ports.iter().map(move |port| (list, *port))) {
            let (word, bit) = port_place(list, port);
            *ports.entry(word).or_default() |= bit;
        }
        // Of namespaces, there are either those that are wanted, or those that are not.
        let (netns, has_netns) = if spec.netns.is_empty() {
            (not.netns.clone(), if not.netns.is_empty() { 0 } else { NETNS_EXCLUDED })
        } else {
            (spec.netns.iter().filter(|inode| !not.netns.contains(inode)).copied().collect(), NETNS_WANTED)
        };
        let comms: Option<Vec<CommWords>> = spec.comms.iter().map(|name| exact_comm(name)).collect();
        let mut this = Self {
            switches: Filter { sample_one_in, ..Filter::NONE },
            ports,
            prefixes: prefixes(spec)?,
            netns: distinct(if has_netns == NETNS_WANTED { "--netns" } else { "--not-netns" }, &netns, ENTRIES_MAX)?,
            pids: distinct("--pid", &spec.pids, ENTRIES_MAX)?,
            comms: distinct("--comm", &comms.unwrap_or_default(), ENTRIES_MAX)?,
        };
        let switches = &mut this.switches;
        switches.has_ports = u32::from(!spec.ports.is_empty());
        switches.has_local_ports = u32::from(!local.is_empty());
        switches.has_remote_ports = u32::from(!remote.is_empty());
        switches.has_prefixes = if spec.prefixes.is_empty() { 0 } else { PREFIXES_WANTED }
            | if not.prefixes.is_empty() { 0 } else { PREFIXES_EXCLUDED };
        switches.has_netns = has_netns;
        switches.has_pids = u32::from(!this.pids.is_empty());
        switches.has_comms = u32::from(!this.comms.is_empty());
        switches.family = spec.family.map_or(0, |family| match family {
            Family::Ipv4 => AF_INET,
            Family::Ipv6 => AF_INET6,
        });
        switches.ports_span = span_of(&spec.ports);
        switches.local_ports_span = span_of(&local);
        switches.remote_ports_span = span_of(&remote);
        let ports = switches.has_ports | switches.has_local_ports | switches.has_remote_ports;
        switches.sockets = u32::from(ports | switches.has_prefixes | switches.has_netns | switches.family != 0);
        let paths = distinct("--cgroup", &spec.cgroup_paths, CGROUPS_MAX)?;
        // One whose place is not known would have to match everything.
        if let Some(places) = paths.iter().map(|path| place_of(path)).collect::<Option<Vec<_>>>() {
            for (slot, place) in switches.cgroup_ids.iter_mut().zip(&places) {
                *slot = place.id;
            }
            for (slot, place) in switches.cgroup_levels.iter_mut().zip(&places) {
                *slot = place.level;
            }
            switches.cgroup_count = u32::try_from(places.len()).unwrap_or(0);
        }
        this.count_owners();
        Ok(this)
    }

    /// The same for somebody who needs to know neither who connected nor when.
    #[must_use]
    pub fn without_connects(&self) -> Self {
        let mut this = self.clone();
        this.switches.no_connects = 1;
        this
    }

    /// Whether any owner option is told to the kernel side.
    #[must_use]
    pub fn has_owners(&self) -> bool {
        self.switches.owners != 0
    }

    /// Whether cgroups are told to the kernel side.
    #[must_use]
    pub fn has_cgroups(&self) -> bool {
        self.switches.cgroup_count != 0
    }

    pub(super) fn switches(&self) -> Filter {
        self.switches
    }

    /// For kernels whose programs cannot ask for ancestors: user space decides alone.
    pub(super) fn without_cgroups(&self) -> Self {
        let mut this = self.clone();
        this.switches.cgroup_count = 0;
        this.count_owners();
        this
    }

    fn count_owners(&mut self) {
        let switches = &mut self.switches;
        switches.owners = u32::from(switches.has_pids | switches.has_comms | switches.cgroup_count != 0);
    }

    /// Gives each map the size that it needs: the least where it is not used.
    pub(super) fn size_maps(&self, loader: &mut EbpfLoader<'_>) {
        let used = |entries: u32, used: bool| if used { entries } else { 1 };
        let count = |length: usize| u32::try_from(length.max(1)).unwrap_or(u32::MAX);
        loader
            .map_max_entries(names::MAP_PORTS, used(PORT_LISTS * PORT_WORDS, !self.ports.is_empty()))
            .map_max_entries(names::MAP_PREFIXES, count(self.prefixes.len()))
            .map_max_entries(names::MAP_NETNS, count(self.netns.len()))
            .map_max_entries(names::MAP_PIDS, count(self.pids.len()))
            .map_max_entries(names::MAP_COMMS, count(self.comms.len()))
            .map_max_entries(names::MAP_HELD, used(OWNERS_MAX, self.has_owners()))
            .map_max_entries(names::MAP_REFUSED, used(OWNERS_MAX, self.has_owners()))
            .map_max_entries(names::MAP_CONNECTS, used(CONNECTS_MAX, self.switches.connects_wait()));
    }

    /// Fills the maps, before any program is attached.
    pub(super) fn fill_maps(&self, ebpf: &mut Ebpf) -> Result<(), SourceError> {
        self.fill_ports(ebpf).map_err(|error| SourceError::from_bpf("tell the ports to the kernel side", &error))?;
        self.fill_prefixes(ebpf).map_err(|error| SourceError::from_bpf("tell the addresses", &error))?;
        let told = put(ebpf, names::MAP_NETNS, &self.netns)
            .and_then(|()| put(ebpf, names::MAP_PIDS, &self.pids))
            .and_then(|()| put(ebpf, names::MAP_COMMS, &self.comms));
        told.map_err(|error| SourceError::from_bpf("tell the filters to the kernel side", &error))
    }

    fn fill_ports(&self, ebpf: &mut Ebpf) -> Result<(), MapError> {
        let Some(map) = ebpf.map_mut(names::MAP_PORTS) else { return Ok(()) };
        let mut words: Array<&mut MapData, u64> = Array::try_from(map)?;
        self.ports.iter().try_for_each(|(word, bits)| words.set(*word, *bits, 0))
    }

    fn fill_prefixes(&self, ebpf: &mut Ebpf) -> Result<(), MapError> {
        let Some(map) = ebpf.map_mut(names::MAP_PREFIXES) else { return Ok(()) };
        let mut trie: LpmTrie<&mut MapData, PrefixData, u8> = LpmTrie::try_from(map)?;
        self.prefixes.iter().try_for_each(|(prefix, lists)| {
            let (bits, data) = prefix_key(prefix);
            trie.insert(&Key::new(bits, data), *lists, 0)
        })
    }
}

fn put<K: Pod>(ebpf: &mut Ebpf, name: &str, keys: &[K]) -> Result<(), MapError> {
    let Some(map) = ebpf.map_mut(name) else { return Ok(()) };
    let mut set: HashMap<&mut MapData, K, u8> = HashMap::try_from(map)?;
    keys.iter().try_for_each(|key| set.insert(key, 1, 0))
}

/// Where ports lie that the kernel side has a list of; any span if there are none.
fn span_of(ports: &[u16]) -> u32 {
    let (first, last) = (ports.iter().min(), ports.iter().max());
    span(first.copied().unwrap_or_default(), last.copied().unwrap_or_default())
}

/// Length and data of a prefix's key.
fn prefix_key(prefix: &IpNet) -> (u32, PrefixData) {
    let mut octets = [0; 16];
    let v6 = match prefix.trunc().addr() {
        std::net::IpAddr::V4(four) => {
            octets[..4].copy_from_slice(&four.octets());
            false
        }
        std::net::IpAddr::V6(six) => {
            octets = six.octets();
            true
        }
    };
    let bits = PREFIX_FAMILY_BITS + u32::from(prefix.prefix_len());
    let mut words =
        octets.chunks_exact(4).map(|four| four.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)));
    let mut next = || words.next().unwrap_or(0);
    (bits, prefix_data([next(), next(), next(), next()], v6))
}

/// A name as the kernel keeps it, unless what it prints as may stand for several.
fn exact_comm(name: &str) -> Option<CommWords> {
    if name.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let [a, b, c, d, e, f, g, h, rest @ ..] = Comm::from_name(name).0;
    Some(comm_key([u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::parse_prefix;

    fn key(text: &str) -> (u32, Vec<u8>) {
        let (bits, data) = prefix_key(&parse_prefix(text).unwrap());
        (bits, data.iter().flat_map(|word| word.to_ne_bytes()).collect())
    }

    #[test]
    fn prefixes_have_their_family_before_them() {
        let of = |family: u8, addr: &[u8]| {
            let mut data = vec![family, 0, 0, 0];
            data.extend(addr);
            data.resize(20, 0);
            data
        };
        assert_eq!(key("10.1.2.3/8"), (40, of(4, &[10])));
        assert_eq!(key("192.0.2.7"), (64, of(4, &[192, 0, 2, 7])));
        assert_eq!(key("::ffff:192.0.2.7"), (64, of(4, &[192, 0, 2, 7])));
        assert_eq!(key("0.0.0.0/0"), (32, of(4, &[])));
        assert_eq!(key("::/0"), (32, of(6, &[])));
        assert_eq!(key("2001:db8::/32"), (64, of(6, &[0x20, 1, 0x0d, 0xb8])));
    }

    #[test]
    fn a_name_that_is_not_exact_is_left_to_user_space() {
        let spec = |comms: &[&str]| FilterSpec {
            comms: comms.iter().map(|&name| name.to_owned()).collect(),
            ..FilterSpec::default()
        };
        let filter = KernelFilter::new(&spec(&["nginx", "nginx"]), 1).unwrap();
        assert_eq!((filter.comms.len(), filter.has_owners()), (1, true));
        let filter = KernelFilter::new(&spec(&["nginx", "a\u{fffd}b"]), 1).unwrap();
        assert_eq!((filter.comms.len(), filter.has_owners(), filter.switches.has_comms), (0, false, 0));
        let both = FilterSpec { pids: vec![7], ..spec(&["a\u{fffd}b"]) };
        assert!(KernelFilter::new(&both, 1).unwrap().has_owners());
    }

    #[test]
    fn too_many_values_are_refused() {
        let pids = |count: u32| FilterSpec { pids: (1..=count).collect(), ..FilterSpec::default() };
        assert!(KernelFilter::new(&pids(1024), 1).is_ok());
        let error = KernelFilter::new(&pids(1025), 1).unwrap_err();
        assert_eq!(error, FilterError::TooMany { option: "--pid", max: 1024 });
        let cgroups = FilterSpec { cgroup_paths: (0..17).map(|n| format!("/{n}")).collect(), ..FilterSpec::default() };
        assert_eq!(KernelFilter::new(&cgroups, 1).unwrap_err(), FilterError::TooMany { option: "--cgroup", max: 16 });
    }
}
