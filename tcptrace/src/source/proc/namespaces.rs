//! Network namespaces: which there are, and how to get into them.
//!
//! Nothing here stays open: a descriptor of a namespace, or a socket in it, would keep a dead container's in being.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use super::{
    held::Capability,
    links::{OWN, TO_FOLLOW, TO_OPEN, inode, mounted, namespace_link, numbered, parse_link, word_of},
    obstacle::Obstacle,
    sight::{Blocked, Unseen},
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Namespaces known at a time.
pub const NAMESPACES_MAX: usize = 4096;
/// Entering takes CAP_SYS_ADMIN in the namespace's user namespace and in the own one (`netns_install()`).
const TO_ENTER: &[Capability] = &[Capability::SysAdmin];

/// Why a namespace was not entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Nothing leads to it any more.
    #[error("the network namespace is gone")]
    Gone,
    /// It is there, and something is in the way.
    #[error("cannot enter the network namespace: {}", .0.advice())]
    Blocked(Blocked),
}

/// The namespaces that processes and mounts lead to.
#[derive(Debug)]
pub struct Namespaces {
    own: u32,
    paths: BTreeMap<u32, PathBuf>,
    /// Where a namespace is mounted, with names of `ip netns` before others.
    mounts: BTreeMap<u32, PathBuf>,
    /// The first process in a namespace.
    pids: BTreeMap<u32, u32>,
    /// Processes that did not let their namespace be seen, and are in none that is known.
    hidden: Unseen,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self::new()
    }
}

impl Namespaces {
    /// The calling thread's own, until [`Namespaces::scan`].
    #[must_use]
    pub fn new() -> Self {
        let own = inode(Path::new(OWN)).unwrap_or(0);
        let paths = BTreeMap::from([(own, PathBuf::from(OWN))]);
        Self { own, paths, mounts: BTreeMap::new(), pids: BTreeMap::new(), hidden: Unseen::default() }
    }

    /// Looks for namespaces: those of all processes, and those that are mounted somewhere (`ip netns`, containers).
    pub fn scan(&mut self) {
        let leads = |inode: u32, path: &Path| fs::metadata(path).is_ok_and(|meta| meta.ino() == u64::from(inode));
        self.paths.retain(|inode, path| leads(*inode, path));
        self.paths.insert(self.own, PathBuf::from(OWN));
        self.scan_mounts();
        self.scan_processes();
    }

    /// Those that are mounted, which takes one file to read.
    pub fn scan_mounts(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        self.mounts.clear();
        for (inode, path) in mounts.lines().filter_map(mounted) {
            self.learn(inode, path.clone());
            let is_name = |path: &Path| !word_of(path).contains('/');
            if self.mounts.len() < NAMESPACES_MAX || self.mounts.contains_key(&inode) {
                let known = self.mounts.entry(inode).or_insert_with(|| path.clone());
                if is_name(&path) && !is_name(known) {
                    *known = path;
                }
            }
        }
    }

    fn scan_processes(&mut self) {
        self.pids.clear();
        let mut refused = Vec::new();
        for process in numbered(Path::new("/proc")) {
            let Some(pid) = process.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
            match self.learn_link(process.join("ns/net")) {
                Ok(Some(inode)) if self.pids.len() < NAMESPACES_MAX => {
                    self.pids.entry(inode).or_insert(pid);
                }
                Ok(_) => {}
                Err(error) => refused.extend(Obstacle::of(&error).map(|obstacle| (pid, obstacle))),
            }
        }
        self.hidden = self.strangers(refused);
        // Entries that could not be listed are none.
        if let Err(error) = fs::read_dir("/proc") {
            self.hidden.all(&error);
        }
    }

    /// Of processes that hide their namespace, those that are in none that is known. Whose network is whose is told by
    /// the inode of a file in `/proc/PID/net`: each namespace has files of its own (`proc_alloc_inum()`), and everybody
    /// may look at them (`get_proc_task_net()`).
    fn strangers(&self, refused: Vec<(u32, Obstacle)>) -> Unseen {
        let mark = |who: &str| fs::metadata(format!("/proc/{who}/net/sockstat")).map(|meta| meta.ino()).ok();
        let mut unseen = Unseen::default();
        if refused.is_empty() {
            return unseen;
        }
        let own = mark("thread-self");
        let known: HashSet<u64> = self.pids.values().filter_map(|pid| mark(&pid.to_string())).chain(own).collect();
        for (pid, obstacle) in refused {
            if mark(&pid.to_string()).is_none_or(|mark| !known.contains(&mark)) {
                unseen.add(pid, obstacle, TO_FOLLOW);
            }
        }
        unseen
    }

    /// Processes whose namespaces the last search could not see.
    #[must_use]
    pub fn hidden(&self) -> &Unseen {
        &self.hidden
    }

    /// Whether the file that a word stands for still leads to the namespace. One that does not is forgotten.
    pub fn leads_to(&mut self, inode: u32) -> bool {
        let leads = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.ino() == u64::from(inode));
        if self.mounts.get(&inode).is_some_and(|path| !leads(path)) {
            self.mounts.remove(&inode);
        }
        if self.pids.get(&inode).is_some_and(|pid| !leads(Path::new(&format!("/proc/{pid}/ns/net")))) {
            self.pids.remove(&inode);
        }
        if inode != self.own && self.paths.get(&inode).is_some_and(|path| !leads(path)) {
            self.paths.remove(&inode);
        }
        self.word(inode).is_some()
    }

    /// The word by which a user names a namespace: its name of `ip netns`, the path where it is mounted, the id of a
    /// process in it, or another path that leads to it. All of these [`super::resolve`] takes.
    #[must_use]
    pub fn word(&self, inode: u32) -> Option<String> {
        let mount = self.mounts.get(&inode).map(|path| word_of(path));
        let process = || self.pids.get(&inode).map(ToString::to_string);
        let other = || self.way(inode).map(|path| path.display().to_string());
        mount.or_else(process).or_else(other)
    }

    /// Looks for one namespace where few are: that of a single thread, or one that only an open file keeps.
    pub fn scan_for(&mut self, wanted: u32) {
        for process in numbered(Path::new("/proc")) {
            for thread in numbered(&process.join("task")) {
                let _ = self.learn_link(thread.join("ns/net"));
            }
            for file in numbered(&process.join("fd")) {
                let _ = self.learn_link(file);
            }
            if self.paths.contains_key(&wanted) {
                return;
            }
        }
    }

    fn learn_link(&mut self, path: PathBuf) -> io::Result<Option<u32>> {
        let link = namespace_link(&path)?;
        let inode = parse_link(&link.to_string_lossy());
        if let Some(inode) = inode {
            self.learn(inode, path);
        }
        Ok(inode)
    }

    fn learn(&mut self, inode: u32, path: PathBuf) {
        if self.paths.len() < NAMESPACES_MAX {
            self.paths.entry(inode).or_insert(path);
        }
    }

    /// Inodes of all that are known.
    pub fn inodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.paths.keys().copied()
    }

    /// The file that leads to a namespace, for people; `None` for the own one, and where none does.
    #[must_use]
    pub fn way(&self, inode: u32) -> Option<&Path> {
        self.paths.get(&inode).filter(|_| inode != self.own).map(PathBuf::as_path)
    }

    /// Runs `body` on the calling thread in a namespace, and brings the thread back.
    ///
    /// # Errors
    /// When it cannot be entered; then `body` did not run.
    ///
    /// # Panics
    /// When the thread cannot be brought back: whatever it did next would happen in the wrong namespace.
    pub fn enter<T>(&self, inode: u32, body: impl FnOnce() -> T) -> Result<T, EnterError> {
        if inode == self.own {
            return Ok(body());
        }
        let path = self.paths.get(&inode).ok_or(EnterError::Gone)?;
        let there = File::open(path).map_err(blocked(TO_OPEN))?;
        // A process may have ended, and its number be another one's.
        if there.metadata().map_err(blocked(TO_OPEN))?.ino() != u64::from(inode) {
            return Err(EnterError::Gone);
        }
        let here = File::open(OWN).map_err(blocked(&[]))?;
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(there.as_fd(), network).map_err(|error| blocked(TO_ENTER)(error.into()))?;
        drop(there);
        // Also after a panic: who catches it goes on in the right place.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        if let Err(error) = move_into_link_name_space(here.as_fd(), network) {
            #[expect(clippy::panic, reason = "there is no way to go on")]
            {
                panic!("cannot return to the own network namespace: {error}");
            }
        }
        result.map_err(|panic| std::panic::resume_unwind(panic))
    }
}

/// Sorts an error of something that takes these capabilities.
fn blocked(needed: &'static [Capability]) -> impl Fn(io::Error) -> EnterError {
    move |error| match Obstacle::of(&error) {
        Some(obstacle) => EnterError::Blocked(Blocked { obstacle, needed }),
        // Also ESRCH: the process ended while its file was opened.
        None => EnterError::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of this process, one thread alone is somewhere else; root can go there.
    #[test]
    fn a_threads_own_namespace_is_found() {
        let (there, is_there) = std::sync::mpsc::sync_channel(1);
        let (leave, may_leave) = std::sync::mpsc::sync_channel::<()>(1);
        let thread = std::thread::spawn(move || {
            // SAFETY: CLONE_NEWNET shares nothing of memory or file descriptors.
            let left = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) };
            there.send(left.ok().and_then(|()| inode(Path::new(OWN)).ok())).unwrap();
            let _ = may_leave.recv();
        });
        let mut all = Namespaces::new();
        if let Some(other) = is_there.recv().unwrap() {
            all.scan();
            assert!(matches!(all.enter(other, || ()), Err(EnterError::Gone)));
            all.scan_for(other);
            assert_eq!(all.enter(other, || inode(Path::new(OWN)).unwrap()).unwrap(), other);
            assert_eq!(inode(Path::new(OWN)).unwrap(), all.own);
        } else {
            assert!(!rustix::process::geteuid().is_root(), "root can make namespaces");
        }
        drop(leave);
        thread.join().unwrap();
    }

    #[test]
    fn the_own_one_needs_no_privilege() {
        let mut all = Namespaces::new();
        all.scan();
        assert_eq!(all.enter(all.own, || 5).unwrap(), 5);
        assert!(matches!(all.enter(1, || 5), Err(EnterError::Gone)));
    }
}
