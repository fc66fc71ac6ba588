//! Who has a socket among its files, and whether anybody polls it (proc_pid_fd(5), proc_pid_fdinfo(5)).

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    held::Capability,
    obstacle::Obstacle,
    sight::{Sight, Unseen},
    text::{cgroup_path, clean, epoll_target, socket_inode},
};
use crate::model::{Holder, Holders};

/// Holders listed for one socket; the rest is counted.
pub const HOLDERS_MAX: usize = 8;
/// Sockets whose holders are remembered.
const CACHE_MAX: usize = 1 << 16;
/// What is remembered is looked up again after this time: programs change what they poll.
const CACHE_AGE: Duration = Duration::from_secs(10);
/// A search of all processes is made at most this often, and takes at most this share of the time.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);
const SCAN_SHARE: u32 = 20;
/// For a search that is not due yet, nobody waits longer than this.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Epoll sets looked at in one process, and bytes of one set's description: more, and it is not known who is polled.
const EPOLLS_MAX: usize = 256;
const EPOLL_BYTES_MAX: u64 = 8 << 20;

/// Finds holders, and remembers them.
#[derive(Debug, Default)]
pub struct HolderIndex {
    cache: HashMap<u32, (Instant, Holders)>,
    scanned: Option<Instant>,
    cost: Duration,
    unseen: Unseen,
}

impl HolderIndex {
    /// One that remembers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who holds these sockets. One that nobody holds has an empty list; one that could not be searched for in time is
    /// left out.
    pub fn find(&mut self, inodes: &[u32]) -> HashMap<u32, Holders> {
        let mut found = HashMap::new();
        let mut wanted = HashSet::new();
        for inode in inodes {
            match self.remembered(*inode) {
                Some(holders) => drop(found.insert(*inode, holders)),
                None => drop(wanted.insert(*inode)),
            }
        }
        if wanted.is_empty() || !self.wait_for_scan() {
            return found;
        }
        let began = Instant::now();
        let (scan, unseen) = Scan::new(&wanted).run();
        self.unseen = unseen;
        self.cost = began.elapsed();
        self.scanned = Some(Instant::now());
        if self.cache.len() + scan.len() > CACHE_MAX {
            self.cache.clear();
        }
        for (inode, holders) in scan {
            if self.cache.len() < CACHE_MAX {
                self.cache.insert(inode, (began, holders.clone()));
            }
            found.insert(inode, holders);
        }
        found
    }

    /// Processes whose files the last search could not see.
    #[must_use]
    pub fn unseen(&self) -> &Unseen {
        &self.unseen
    }

    /// What is remembered of a socket, if all of it still holds.
    fn remembered(&self, inode: u32) -> Option<Holders> {
        let (at, holders) = self.cache.get(&inode)?;
        let holds = |holder: &Holder| link_inode(&fd_path(holder.pid, holder.fd)) == Some(inode);
        let valid = at.elapsed() < CACHE_AGE && !holders.list.is_empty() && holders.list.iter().all(holds);
        valid.then(|| holders.clone())
    }

    /// Waits until a search is due; false where that takes too long.
    fn wait_for_scan(&self) -> bool {
        let Some(scanned) = self.scanned else { return true };
        let interval = SCAN_INTERVAL.max(self.cost.saturating_mul(SCAN_SHARE));
        let wait = interval.saturating_sub(scanned.elapsed());
        if wait > WAIT_MAX {
            return false;
        }
        thread::sleep(wait);
        true
    }
}

/// One search of all processes.
struct Scan<'a> {
    wanted: &'a HashSet<u32>,
    found: HashMap<u32, Holders>,
    /// Processes that could not be looked at.
    unseen: Unseen,
}

/// The folder of a process's files has mode 0500 and is its user's (`task_dump_owner()`); where its links lead to is
/// told to whom may trace it (`proc_fd_access_allowed()`).
const TO_LIST: &[Capability] = &[Capability::DacReadSearch, Capability::SysPtrace];
const TO_FOLLOW: &[Capability] = &[Capability::SysPtrace];

impl<'a> Scan<'a> {
    fn new(wanted: &'a HashSet<u32>) -> Self {
        let found =
            wanted.iter().map(|inode| (*inode, Holders { in_epoll: Some(false), ..Holders::default() })).collect();
        Self { wanted, found, unseen: Unseen::default() }
    }

    fn run(mut self) -> (HashMap<u32, Holders>, Unseen) {
        let entries = fs::read_dir("/proc");
        entries.as_ref().err().into_iter().for_each(|error| self.unseen.all(error));
        let mut pids: Vec<u32> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        for pid in pids {
            self.process(pid);
        }
        // Processes of other pid namespaces are not shown at all, and `hidepid` hides those of others.
        let partial = !self.unseen.is_empty() || Sight::now() != Sight::Everything;
        // `in_epoll` speaks of the holders that were seen.
        for holders in self.found.values_mut() {
            holders.partial = partial;
            holders.in_epoll = holders.in_epoll.filter(|_| holders.total > 0);
        }
        (self.found, self.unseen)
    }

    /// A process, or a file of it, that is gone is no lack.
    fn refused(&mut self, pid: u32, error: &io::Error, needed: &[Capability]) {
        if let Some(obstacle) = Obstacle::of(error) {
            self.unseen.add(pid, obstacle, needed);
        }
    }

    fn process(&mut self, pid: u32) {
        let dir = match fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(dir) => dir,
            Err(error) => return self.refused(pid, &error, TO_LIST),
        };
        let mut refused = None;
        let mut sockets: HashMap<u32, u32> = HashMap::new();
        let mut epolls = Vec::new();
        for entry in dir.flatten() {
            let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let link = match fs::read_link(entry.path()) {
                Ok(link) => link,
                Err(error) => {
                    refused = Some(error);
                    continue;
                }
            };
            let link = link.to_string_lossy();
            if let Some(inode) = socket_inode(&link).filter(|inode| self.wanted.contains(inode)) {
                let first = sockets.entry(inode).or_insert(fd);
                *first = fd.min(*first);
            } else if link == "anon_inode:[eventpoll]" && epolls.len() <= EPOLLS_MAX {
                epolls.push(fd);
            }
        }
        // Once, of however many files.
        if let Some(error) = refused {
            self.refused(pid, &error, TO_FOLLOW);
        }
        if sockets.is_empty() {
            return;
        }
        let polled = polled(pid, &epolls, &sockets);
        let comm = read(pid, "comm");
        let cgroup = read(pid, "cgroup");
        for (inode, fd) in sockets {
            let Some(holders) = self.found.get_mut(&inode) else { continue };
            holders.total += 1;
            match (&polled, holders.in_epoll) {
                (_, Some(true)) => {}
                (Some(polled), known) => {
                    holders.in_epoll = if polled.contains(&inode) { Some(true) } else { known };
                }
                (None, _) => holders.in_epoll = None,
            }
            if holders.list.len() < HOLDERS_MAX {
                let cgroup = cgroup_path(&cgroup).map(clean).unwrap_or_default();
                holders.list.push(Holder { pid, comm: clean(comm.trim_end_matches('\n')), fd, cgroup });
            }
        }
    }
}

/// Which of a process's sockets are in one of its epoll sets; `None` where that cannot be seen.
fn polled(pid: u32, epolls: &[u32], sockets: &HashMap<u32, u32>) -> Option<HashSet<u32>> {
    let mut polled = HashSet::new();
    if epolls.len() > EPOLLS_MAX {
        return None;
    }
    for epoll in epolls {
        let mut text = String::new();
        let file = fs::File::open(format!("/proc/{pid}/fdinfo/{epoll}")).ok()?;
        let read = file.take(EPOLL_BYTES_MAX).read_to_string(&mut text).ok()?;
        if read as u64 >= EPOLL_BYTES_MAX {
            return None;
        }
        for target in text.lines().filter_map(epoll_target) {
            match target.inode {
                Some(inode) => drop(polled.insert(inode)),
                // Before 4.13: the number alone.
                None => polled.extend(sockets.iter().filter(|(_, fd)| **fd == target.fd).map(|(inode, _)| *inode)),
            }
        }
    }
    Some(polled)
}

fn fd_path(pid: u32, fd: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/fd/{fd}"))
}

fn link_inode(path: &Path) -> Option<u32> {
    socket_inode(&fs::read_link(path).ok()?.to_string_lossy())
}

fn read(pid: u32, name: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::fd::{AsRawFd, OwnedFd},
        process::{Command, Stdio, id},
    };

    use super::*;

    fn inode_of(socket: &TcpStream) -> u32 {
        link_inode(&fd_path(id(), u32::try_from(socket.as_raw_fd()).unwrap())).unwrap()
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn this_process_holds_its_sockets() {
        let (client, server) = pair();
        let (inode, other) = (inode_of(&client), inode_of(&server));
        let mut index = HolderIndex::new();
        let found = index.find(&[inode, other]);
        let holders = found.get(&inode).unwrap();
        assert!(holders.total >= 1 && holders.in_epoll == Some(false), "{holders:?}");
        let holder = holders.list.iter().find(|holder| holder.pid == id()).unwrap();
        assert_eq!((holder.pid, holder.fd), (id(), u32::try_from(client.as_raw_fd()).unwrap()));
        assert!(!holder.comm.is_empty());
        // Remembered, and not believed once it is not true any more.
        assert!(index.remembered(inode).is_some());
        drop(client);
        assert!(index.remembered(inode).is_none());
        // A process that another test starts holds it until it is another program.
        let is_gone = |found: &HashMap<u32, Holders>| found.get(&inode).is_some_and(|holders| holders.total == 0);
        let gone = (0..50).any(|_| {
            is_gone(&HolderIndex::new().find(&[inode])) || {
                thread::sleep(Duration::from_millis(20));
                false
            }
        });
        assert!(gone, "somebody still has it");
    }

    /// A child that was started with the socket as its standard input holds it, too.
    #[test]
    fn a_shared_socket_has_two_holders() {
        let (client, _server) = pair();
        let inode = inode_of(&client);
        let stdin = OwnedFd::from(client.try_clone().unwrap());
        let mut child = Command::new("sleep").arg("30").stdin(Stdio::from(stdin)).spawn().unwrap();
        let child_pid = child.id();
        // Another test may be starting a process at this moment, which then holds it, too.
        let count = |found: &HashMap<u32, Holders>| found.get(&inode).map(|holders| holders.total);
        let mut found = HolderIndex::new().find(&[inode]);
        for _ in 0..50 {
            if count(&found) == Some(2) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
            found = HolderIndex::new().find(&[inode]);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let holders = found.get(&inode).unwrap();
        let pids: Vec<(u32, u32)> = holders.list.iter().map(|holder| (holder.pid, holder.fd)).collect();
        assert!(pids.contains(&(child_pid, 0)), "{holders:?}");
        assert_eq!(holders.total, 2, "{holders:?}");
    }
}
