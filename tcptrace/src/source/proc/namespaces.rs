//! Network namespaces: which there are, and how to get into them.
//!
//! Nothing here stays open: a descriptor of a namespace, or a socket in it, would keep a dead container's in being.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Namespaces known at a time.
pub const NAMESPACES_MAX: usize = 4096;
/// `PID_MAX_LIMIT`: process ids are smaller, inodes of namespaces larger (`PROC_DYNAMIC_FIRST` and about).
const PIDS: u32 = 1 << 22;
/// Where `ip netns` keeps names (ip-netns(8)).
const NAMED: &str = "/run/netns";
const OWN: &str = "/proc/thread-self/ns/net";

/// Why a namespace was not entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Nothing leads to it any more.
    #[error("the network namespace is gone")]
    Gone,
    /// CAP_SYS_ADMIN is missing.
    #[error("no permission to enter the network namespace: CAP_SYS_ADMIN is needed")]
    NotPermitted,
    /// Anything else.
    #[error("cannot enter the network namespace: {0}")]
    Other(io::Error),
}

/// The namespaces that processes and mounts lead to.
#[derive(Debug)]
pub struct Namespaces {
    own: u32,
    paths: BTreeMap<u32, PathBuf>,
    /// Processes that did not let their namespace be seen.
    hidden: u64,
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
        Self { own, paths: BTreeMap::from([(own, PathBuf::from(OWN))]), hidden: 0 }
    }

    /// Looks for namespaces: those of all processes, and those that are mounted somewhere (`ip netns`, containers).
    pub fn scan(&mut self) {
        let leads = |inode: u32, path: &Path| fs::metadata(path).is_ok_and(|meta| meta.ino() == u64::from(inode));
        self.paths.retain(|inode, path| leads(*inode, path));
        self.paths.insert(self.own, PathBuf::from(OWN));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for (inode, path) in mounts.lines().filter_map(mounted) {
            self.learn(inode, path);
        }
        self.hidden = 0;
        for process in numbered(Path::new("/proc")) {
            let seen = self.learn_link(process.join("ns/net"));
            self.hidden += u64::from(seen.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied));
        }
    }

    /// Processes that the last search could not look at (CAP_SYS_PTRACE): their namespaces are unknown.
    #[must_use]
    pub fn hidden(&self) -> u64 {
        self.hidden
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

    fn learn_link(&mut self, path: PathBuf) -> io::Result<()> {
        let link = fs::read_link(&path)?;
        if let Some(inode) = parse_link(&link.to_string_lossy()) {
            self.learn(inode, path);
        }
        Ok(())
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
        let there = File::open(path).map_err(sort)?;
        // A process may have ended, and its number be another one's.
        if there.metadata().map_err(EnterError::Other)?.ino() != u64::from(inode) {
            return Err(EnterError::Gone);
        }
        let here = File::open(OWN).map_err(sort)?;
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(there.as_fd(), network).map_err(|error| sort(error.into()))?;
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

fn sort(error: io::Error) -> EnterError {
    match error.kind() {
        io::ErrorKind::NotFound => EnterError::Gone,
        io::ErrorKind::PermissionDenied => EnterError::NotPermitted,
        // ESRCH: the process ended while its file was opened.
        _ if error.raw_os_error() == Some(3) => EnterError::Gone,
        _ => EnterError::Other(error),
    }
}

/// The namespace that a user means: `self`, an inode, a process id, a name of `ip netns`, or a path.
///
/// # Errors
/// Says that there is none.
pub fn resolve(text: &str) -> Result<u32, String> {
    let number: Option<u32> = text.parse().ok();
    let path = match number {
        Some(inode) if inode > PIDS => return Ok(inode),
        Some(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
        None if text == "self" => PathBuf::from(OWN),
        None if text.contains('/') => PathBuf::from(text),
        None => Path::new(NAMED).join(text),
    };
    // The link's text says what it is; a mount is known by its file system.
    let found = match fs::read_link(&path) {
        Ok(link) => parse_link(&link.to_string_lossy()).ok_or_else(|| io::Error::other("it is no network namespace")),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => mounted_at(&path),
        Err(error) => Err(error),
    };
    found.map_err(|error| {
        let what = if number.is_some() { "process" } else { "network namespace" };
        if error.kind() == io::ErrorKind::PermissionDenied {
            return format!("cannot look at {what} `{text}`: {}: {error}; run as root", path.display());
        }
        format!("there is no {what} `{text}`: {}: {error}", path.display())
    })
}

/// The namespace that is mounted on a file.
fn mounted_at(path: &Path) -> io::Result<u32> {
    let path = fs::canonicalize(path)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let found = mounts.lines().filter_map(mounted).find(|(_, point)| *point == path);
    found.map(|(inode, _)| inode).ok_or_else(|| io::Error::other("it is no network namespace"))
}

fn inode(path: &Path) -> io::Result<u32> {
    let inode = fs::metadata(path)?.ino();
    u32::try_from(inode).map_err(|_| io::Error::other("it is no network namespace"))
}

/// Entries of a folder whose names are numbers; none of one that is gone, or may not be read.
fn numbered(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_number = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    entries.filter(is_number).map(|entry| entry.path())
}

/// `net:[4026531840]`.
#[must_use]
pub fn parse_link(link: &str) -> Option<u32> {
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)) that mounts a network namespace: its root names it.
#[must_use]
pub fn mounted(line: &str) -> Option<(u32, PathBuf)> {
    let mut fields = line.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    Some((parse_link(root)?, PathBuf::from(unescape(point))))
}

/// `\040` and the like, for blanks in paths.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        match others.split_at_checked(3) {
            Some((digits, after)) if *first == b'\\' => match octal(digits) {
                Some(byte) => {
                    out.push(byte);
                    rest = after;
                    continue;
                }
                None => out.push(*first),
            },
            _ => out.push(*first),
        }
        rest = others;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_mounts() {
        assert_eq!(parse_link("net:[4026531840]"), Some(4_026_531_840));
        assert_eq!(parse_link("mnt:[4026531840]"), None);
        assert_eq!(parse_link("net:[99999999999]"), None);
        let line = "553 24 0:4 net:[4026532441] /run/netns/my\\040ns rw shared:315 - nsfs nsfs rw";
        assert_eq!(mounted(line), Some((4_026_532_441, PathBuf::from("/run/netns/my ns"))));
        assert_eq!(mounted("25 30 0:23 / /sys rw - sysfs sysfs rw"), None);
        assert_eq!(mounted(""), None);
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("a\\999b"), "a\\999b");
    }

    #[test]
    fn names_of_all_kinds() {
        let own = inode(Path::new(OWN)).unwrap();
        assert_eq!(resolve("self"), Ok(own));
        assert_eq!(resolve(&std::process::id().to_string()), Ok(own));
        assert_eq!(resolve("/proc/self/ns/net"), Ok(own));
        assert_eq!(resolve("4026531999"), Ok(4_026_531_999));
        assert_eq!(resolve("4026531833"), Ok(4_026_531_833));
        assert!(resolve("/etc/hostname").is_err());
        assert!(resolve("/proc/self/ns/mnt").is_err());
        assert!(resolve("no-such-name").is_err());
        assert!(resolve("/no/such/path").is_err());
        assert!(resolve("").is_err());
    }

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
