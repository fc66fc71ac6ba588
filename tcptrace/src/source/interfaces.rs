//! Names of network interfaces, by the index that a socket is bound to (`sk_bound_dev_if`).
//!
//! An index counts within its network namespace. Those of the own one are asked for at once (SIOCGIFNAME,
//! netdevice(7)). For the others a thread has to go there: at once where the process that acts on the socket shows the
//! way, and otherwise when a way was found ([`super::Looker::ask_interface`]).

use std::{
    collections::HashMap,
    fs::{self, File},
    os::{
        fd::AsFd,
        unix::{fs::MetadataExt, net::UnixDatagram},
    },
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    net::netdevice::{index_to_name_inlined, name_to_index},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::proc::resolve;
use crate::model::InterfaceName;

/// Interfaces of one namespace that are told at a time: more than hosts have, but for some that hold a veth for each
/// of their containers.
const INTERFACES_MAX: usize = 4096;
/// Interfaces remembered as told or asked for.
const KNOWN_MAX: usize = 16_384;
/// Names can change: after this time, one that is used is asked for again.
const AGE: Duration = Duration::from_secs(30);
/// After this time, one that is not known yet is asked for again.
const RETRY: Duration = Duration::from_millis(200);
/// Other namespaces gone to in a second at most, while events wait: each takes about 0.1 ms.
const VISITS_MAX: u32 = 50;
/// Threads of a process that are looked at for the way to a namespace.
const THREADS_MAX: usize = 256;

/// The interface of the namespace that this thread is in; `None` where there is none, or its name is no UTF-8.
pub(super) fn name(netns: u32, index: u32) -> Option<InterfaceName> {
    let socket = UnixDatagram::unbound().ok()?;
    name_by(&socket, netns, index)
}

fn name_by(socket: &UnixDatagram, netns: u32, index: u32) -> Option<InterfaceName> {
    let name = index_to_name_inlined(socket, index).ok()?;
    Some(InterfaceName { netns, index, name: name.as_str().to_owned() })
}

/// All interfaces of the namespace that this thread is in.
pub(super) fn all(netns: u32) -> Vec<InterfaceName> {
    let names = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let Ok(socket) = UnixDatagram::unbound() else { return Vec::new() };
    let interface = |name: &str| {
        let index = name_to_index(&socket, name).ok()?;
        Some(InterfaceName { netns, index, name: name.to_owned() })
    };
    names_of(&names).filter_map(interface).take(INTERFACES_MAX).collect()
}

/// The names in `/proc/net/dev` (proc(5)): two lines of heading, then `  eth0: 1 2 3`. No name has a colon or a space
/// (`dev_valid_name()`).
fn names_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(2).filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim())
}

/// All interfaces of a namespace that a thread of this process is in. A thread of our own goes there, which moves no
/// other.
fn through(pid: u32, netns: u32) -> Option<Vec<InterfaceName>> {
    let file = way(pid, netns)?;
    let body = move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).ok()?;
        Some(all(netns))
    };
    thread::Builder::new().name("tcptrace-names".to_owned()).spawn(body).ok()?.join().ok()?
}

/// A file of `/proc` that leads to the namespace: of the process, or of one of its threads.
fn way(pid: u32, netns: u32) -> Option<File> {
    let wanted = format!("net:[{netns}]");
    let leads = |task: &PathBuf| fs::read_link(task.join("ns/net")).is_ok_and(|link| link.as_os_str() == &*wanted);
    let process = PathBuf::from(format!("/proc/{pid}"));
    let threads = fs::read_dir(process.join("task")).into_iter().flatten().flatten().map(|entry| entry.path());
    let task = [process].into_iter().chain(threads).take(THREADS_MAX).find(leads)?;
    let file = File::open(task.join("ns/net")).ok()?;
    // The process may have gone elsewhere, or be another one by now.
    (file.metadata().ok()?.ino() == u64::from(netns)).then_some(file)
}

/// What is known of an interface.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// When it is asked for again.
    again: Instant,
    /// That may be sooner, by way of a process: none was at hand.
    wants_pid: bool,
}

/// Which names were told, and which are wanted.
#[derive(Debug)]
pub(super) struct Interfaces {
    /// The own namespace, and a way to ask for its interfaces.
    own: Option<(u32, UnixDatagram)>,
    /// What came of the last question for each.
    known: HashMap<(u32, u32), Known>,
    /// Those of other namespaces that somebody else has to look up.
    wanted: Vec<(u32, u32)>,
    /// Visits in the second that began then.
    visits: (Instant, u32),
}

impl Interfaces {
    pub(super) fn new() -> Self {
        let own = resolve("self").ok().zip(UnixDatagram::unbound().ok());
        Self { own, known: HashMap::new(), wanted: Vec::new(), visits: (Instant::now(), 0) }
    }

    /// The names to tell before an event of a socket that is bound to this interface, on which this process acts; none
    /// if that was done a moment ago, or nothing is known.
    pub(super) fn names_for(&mut self, netns: u32, index: u32, pid: Option<u32>) -> Vec<InterfaceName> {
        let now = Instant::now();
        let is_due = |known: &Known| now >= known.again || (known.wants_pid && pid.is_some());
        if !self.known.get(&(netns, index)).is_none_or(is_due) {
            return Vec::new();
        }
        if self.known.len() >= KNOWN_MAX {
            // Some are asked for again.
            self.known.clear();
        }
        self.known.insert((netns, index), Known { again: now + RETRY, wants_pid: pid.is_none() });
        let names = match &self.own {
            Some((own, socket)) if *own == netns => name_by(socket, netns, index).into_iter().collect(),
            _ => self.visit(netns, pid).unwrap_or_default(),
        };
        names.iter().for_each(|name| self.told(name));
        if !names.iter().any(|name| name.index == index) {
            self.wanted.push((netns, index));
        }
        names
    }

    /// The interfaces of another namespace, at once, if this process is there.
    fn visit(&mut self, netns: u32, pid: Option<u32>) -> Option<Vec<InterfaceName>> {
        let (since, visits) = &mut self.visits;
        if since.elapsed() >= Duration::from_secs(1) {
            (*since, *visits) = (Instant::now(), 0);
        }
        if *visits >= VISITS_MAX {
            return None;
        }
        *visits += 1;
        through(pid?, netns)
    }

    /// The name is known, for a while.
    pub(super) fn told(&mut self, name: &InterfaceName) {
        self.known.insert((name.netns, name.index), Known { again: Instant::now() + AGE, wants_pid: false });
    }

    /// What is to be looked up in other namespaces, once.
    pub(super) fn take_wanted(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_namespace() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes\n    \
                    lo:     100       1    0    0    0     0          0         0      100\n\
                    a-long-name.15c:1 2 3\nbroken\n";
        assert_eq!(names_of(text).collect::<Vec<_>>(), ["lo", "a-long-name.15c"]);
    }

    #[test]
    fn the_own_namespace_is_asked_at_once_and_not_again_for_a_while() {
        let mut interfaces = Interfaces::new();
        let netns = resolve("self").unwrap();
        let lo = InterfaceName { netns, index: 1, name: "lo".to_owned() };
        assert_eq!(interfaces.names_for(netns, 1, None).as_slice(), std::slice::from_ref(&lo));
        assert!(interfaces.names_for(netns, 1, None).is_empty());
        assert!(interfaces.names_for(netns, u32::MAX, None).is_empty(), "there is none");
        assert!(all(netns).contains(&lo) && name(netns, 1) == Some(lo));
        assert_eq!(interfaces.take_wanted(), [(netns, u32::MAX)]);
        assert!(interfaces.names_for(netns + 1, 1, Some(std::process::id())).is_empty(), "no thread is there");
        assert_eq!((interfaces.take_wanted(), interfaces.take_wanted()), (vec![(netns + 1, 1)], Vec::new()));
        assert!(way(std::process::id(), netns).is_some() && way(std::process::id(), netns + 1).is_none());
    }
}
