//! Which histogram a close belongs to.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use super::By;
use crate::model::{Close, Comm, Outcome, Role, Zone, printable};
use crate::report::{Cgroup, Context};

/// Memory for paths, containers and units. A host has some hundred at a time, of some hundred bytes.
const TEXTS_BYTES_MAX: usize = 16 << 20;

/// Namespaces whose names are kept.
const NETNS_MAX: usize = 4096;

/// What the allocator and the index add to a text, about.
const TEXT_EXTRA_BYTES: usize = 96;

/// One part of a key: the value of one [`By`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    /// Nobody knows.
    Unknown,
    /// Known to be none, as the container of what runs outside of all.
    Nothing,
    Process(Comm),
    /// A cgroup whose path was not told, by host and id.
    Cgroup(u16, u64),
    /// A path, a container or a unit: its place in [`Texts`].
    Text(u32),
    Addr(IpAddr),
    Port(u16),
    Role(Role),
    Outcome(Outcome),
    /// The word: reasons that the kernel names have no numbers of ours.
    Reason(&'static str),
    Netns(u32),
    Host(u16),
    /// An interface whose name was not told, by namespace and index.
    Interface(u32, u32),
}

/// The values of all [`By`], in their order.
pub(super) type Key = Box<[Part]>;

/// Texts as numbers. The text is the key and not the cgroup's id: several cgroups may be of one container, and an id
/// is one thing on one host and another on the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    bytes: usize,
    /// Names of network namespaces, with the host that told them first; none of an inode that has had two, as on two
    /// hosts, or one namespace after the other.
    netns: HashMap<u32, (u16, Option<Arc<str>>)>,
}

impl Texts {
    /// `None` where there are too many.
    fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Some(*number);
        }
        let bytes = self.bytes + text.len() + TEXT_EXTRA_BYTES;
        let number = u32::try_from(self.texts.len()).ok().filter(|_| bytes <= TEXTS_BYTES_MAX)?;
        self.bytes = bytes;
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        Some(number)
    }

    /// Keeps a namespace's name. There are as many as contexts keep, of which each is bounded.
    fn name_netns(&mut self, netns: u32, host: u16, name: Option<&str>) {
        let Some(name) = name else { return };
        let known = self.netns.len() < NETNS_MAX || self.netns.contains_key(&netns);
        if !known {
            return;
        }
        let (by, told) = self.netns.entry(netns).or_insert_with(|| (host, Some(name.into())));
        // Of processes, one may end and another one go on.
        let is_pid = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
        match told.as_deref() {
            None => {}
            Some(known) if known == name => {}
            Some(known) if *by == host && is_pid(known) && is_pid(name) => *told = Some(name.into()),
            Some(_) => *told = None,
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The parts of a close's key, in a buffer that is used again. False where one of them is one text too many.
pub(super) fn fill(
    parts: &mut Vec<Part>,
    bys: &[By],
    texts: &mut Texts,
    close: &Close,
    host: u16,
    context: &Context,
) -> bool {
    parts.clear();
    for by in bys {
        let Some(part) = part(*by, texts, close, host, context) else { return false };
        parts.push(part);
    }
    true
}

fn part(by: By, texts: &mut Texts, close: &Close, host: u16, context: &Context) -> Option<Part> {
    // Holders that sock_diag's sockets were matched with have no cgroup id.
    let id = close.owner.map(|owner| owner.cgroup_id).filter(|id| *id != 0);
    let mut text = |unknown: Part, of: fn(&Cgroup) -> Option<&str>| match id.and_then(|id| context.cgroup_of(id)) {
        Some(cgroup) => of(cgroup).map_or(Some(Part::Nothing), |text| texts.number(text).map(Part::Text)),
        None => Some(unknown),
    };
    Some(match by {
        By::Process => close.owner.map_or(Part::Unknown, |owner| Part::Process(owner.comm)),
        By::Cgroup => text(id.map_or(Part::Unknown, |id| Part::Cgroup(host, id)), |cgroup| Some(&cgroup.path))?,
        By::Container => text(Part::Unknown, |cgroup| cgroup.container.as_deref())?,
        By::Unit => text(Part::Unknown, |cgroup| cgroup.unit.as_deref())?,
        By::RemoteAddr(prefix) => Part::Addr(prefix.of(close.socket.remote.ip())),
        By::LocalPort => Part::Port(close.socket.local.port),
        By::RemotePort => Part::Port(close.socket.remote.port),
        By::Role => Part::Role(close.role),
        By::Outcome => Part::Outcome(close.outcome),
        // An orderly end has none; of others `none` says that nothing tells why.
        By::Reason => close.reason.map_or(Part::Nothing, |reason| Part::Reason(reason.as_str())),
        By::Netns => {
            let netns = close.socket.netns;
            texts.name_netns(netns, host, context.netns_name_of(netns));
            Part::Netns(netns)
        }
        By::Interface => match context.zone(close.socket.netns, close.bound_if) {
            None => Part::Nothing,
            Some(Zone::Name(name)) => Part::Text(texts.number(name)?),
            Some(Zone::Index(index)) => Part::Interface(close.socket.netns, index),
        },
        By::Host => Part::Host(host),
    })
}

/// One part of a key for a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValue {
    /// Not known.
    Unknown,
    /// A word, a name, an address or a path.
    Text(String),
    /// A port.
    Number(u64),
    /// A network namespace: its inode, and what `--netns` takes for it.
    Netns(u32, Option<String>),
}

impl KeyValue {
    /// Reads a part of a key. `hosts` are their names by number.
    pub(super) fn of(by: By, part: Part, texts: &Texts, hosts: &[String]) -> Self {
        match part {
            Part::Unknown => Self::Unknown,
            Part::Nothing => Self::Text("none".to_owned()),
            Part::Process(comm) => Self::Text(comm.to_string()),
            Part::Cgroup(_, id) => Self::Text(format!("cgroup {id}")),
            Part::Text(number) => texts
                .texts
                .get(number as usize)
                .map_or(Self::Unknown, |text| Self::Text(text.chars().map(printable).collect())),
            Part::Addr(ip) => Self::Text(match by {
                By::RemoteAddr(prefix) => prefix.text(ip),
                _ => ip.to_string(),
            }),
            Part::Port(port) => Self::Number(port.into()),
            Part::Role(role) => Self::Text(role.as_str().to_owned()),
            Part::Outcome(outcome) => Self::Text(outcome.as_str().to_owned()),
            Part::Reason(word) => Self::Text(word.to_owned()),
            Part::Interface(netns, index) => Self::Text(format!("%{index} of {netns}")),
            Part::Netns(inode) => {
                let name = texts.netns.get(&inode).and_then(|(_, name)| name.as_deref());
                Self::Netns(inode, name.map(str::to_owned))
            }
            Part::Host(host) => hosts
                .get(usize::from(host))
                .map_or(Self::Unknown, |name| Self::Text(name.chars().map(printable).collect())),
        }
    }
}
