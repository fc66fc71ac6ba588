//! How much of the host's processes `/proc` shows, and what of it could not be looked at.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    held::{Advice, Capability, Held},
    links::namespace_link,
    obstacle::Obstacle,
};

/// The host's first pid namespace (`PROC_PID_INIT_INO`, 0xEFFFFFFC).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Which processes `/proc` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of the host.
    Everything,
    /// `/proc` is not there.
    NoProc,
    /// Those of a pid namespace that is not the host's first: a container's, most often.
    PidNamespace,
    /// The mount option `hidepid` hides those of others (proc(5)).
    HidePid,
}

impl Sight {
    /// As it is now.
    #[must_use]
    pub fn now() -> Self {
        let mounts = match fs::read_to_string("/proc/self/mountinfo") {
            Ok(mounts) => mounts,
            Err(error) if Obstacle::of(&error).is_none() => return Self::NoProc,
            Err(_) => String::new(),
        };
        // The mount shows the namespace of its process 1; the own one may be below it (unshare(1) without
        // `--mount-proc`). Where process 1 does not let itself be seen, the own one
        // has to do; where neither does, nothing is claimed.
        let link = |who: &str| namespace_link(Path::new(&format!("/proc/{who}/ns/pid"))).ok();
        let is_first = |link: PathBuf| link.as_os_str() == FIRST_PID_NAMESPACE;
        let shows_all = link("1").or_else(|| link("self")).is_none_or(is_first);
        if !shows_all {
            return Self::PidNamespace;
        }
        let hides = mounts.lines().any(hides_processes) && !Held::now().has(Capability::SysPtrace);
        // Whoever belongs to the group of `gid=` sees process 1, too.
        if hides && !Path::new("/proc/1/fd").exists() { Self::HidePid } else { Self::Everything }
    }

    /// What is out of sight, in a sentence; `None` where nothing is.
    #[must_use]
    pub fn in_words(self) -> Option<String> {
        match self {
            Self::Everything => None,
            Self::NoProc => Some(
                "/proc is not mounted: who holds sockets, and other network namespaces, cannot be seen; mount it"
                    .into(),
            ),
            Self::PidNamespace => Some(
                "processes outside of this pid namespace are out of sight, with the sockets that they hold and their \
                 network namespaces: run in the host's pid namespace"
                    .into(),
            ),
            Self::HidePid => Some(format!(
                "/proc is mounted with hidepid, so other users' processes are out of sight: {}",
                Advice::about(&[Capability::SysPtrace])
            )),
        }
    }
}

/// A line of `/proc/self/mountinfo` that mounts `/proc` with `hidepid`, other than `off`. Of level 1 (`noaccess`), the
/// processes are listed and nothing in them can be read, which is seen of each.
fn hides_processes(line: &str) -> bool {
    let Some((before, after)) = line.split_once(" - proc ") else { return false };
    let options = after.split([',', ' ']).find_map(|option| option.strip_prefix("hidepid="));
    let hides = options.is_some_and(|level| !matches!(level, "0" | "off" | "1" | "noaccess"));
    hides && before.split(' ').nth(4) == Some("/proc")
}

/// What kept something from being looked at, and the capabilities that take it away if it is a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What it was.
    pub obstacle: Obstacle,
    /// What is needed.
    pub needed: &'static [Capability],
}

impl Blocked {
    /// What would help, by what this process holds.
    #[must_use]
    pub fn advice(self) -> String {
        match (self.obstacle, self.obstacle.limit()) {
            (_, Some(limit)) => limit,
            (Obstacle::Other(errno), _) => std::io::Error::from_raw_os_error(errno).to_string(),
            _ => Advice::about(self.needed).to_string(),
        }
    }
}

/// Processes that could not be looked at, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// How many.
    pub processes: u64,
    /// The first of them; see `PIDS_MAX`.
    pub pids: Vec<u32>,
    /// Capabilities that seeing one of them takes.
    needed: Vec<Capability>,
    /// A limit of files or memory was in the way of one.
    pub limit: Option<Obstacle>,
}

/// Pids named.
const PIDS_MAX: usize = 3;

impl Unseen {
    /// Counts a process that was in the way with `obstacle`; `needed` is what takes it away if that is a refusal.
    pub fn add(&mut self, pid: u32, obstacle: Obstacle, needed: &[Capability]) {
        self.processes += 1;
        if self.pids.len() < PIDS_MAX {
            self.pids.push(pid);
        }
        match obstacle {
            Obstacle::Refused => {
                for one in needed {
                    if !self.needed.contains(one) {
                        self.needed.push(*one);
                    }
                }
            }
            Obstacle::Limit(_) => self.limit = Some(obstacle),
            Obstacle::Other(_) => {}
        }
    }

    /// Whether every process was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes == 0 && self.limit.is_none()
    }

    /// What would help, by what this process holds.
    #[must_use]
    pub fn advice(&self) -> String {
        match self.limit.and_then(Obstacle::limit) {
            Some(limit) => limit,
            None => Advice::about(&self.needed).to_string(),
        }
    }

    /// No process could be listed, for this reason; one that is no limit is no obstacle.
    pub fn all(&mut self, error: &std::io::Error) {
        self.limit = Obstacle::of(error).filter(|obstacle| obstacle.limit().is_some());
    }

    /// `3 processes (pids 1, 20, 33)`, `9 processes (pids 1, 20, 33 and others)`.
    #[must_use]
    pub fn who(&self) -> String {
        if self.processes == 0 {
            return "all processes".to_owned();
        }
        let pids: Vec<String> = self.pids.iter().map(ToString::to_string).collect();
        let others = if self.processes > pids.len() as u64 { " and others" } else { "" };
        let (es, s) = if self.processes == 1 { ("", "") } else { ("es", "s") };
        format!("{} process{es} (pid{s} {}{others})", self.processes, pids.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_that_hide() {
        let line = |options: &str| format!("24 1 0:22 / /proc rw,relatime shared:13 - proc proc {options}");
        for options in ["rw,hidepid=2", "rw,hidepid=invisible", "rw,gid=5,hidepid=ptraceable", "hidepid=4,rw"] {
            assert!(hides_processes(&line(options)), "{options}");
        }
        for options in ["rw", "rw,hidepid=0", "rw,hidepid=off", "rw,hidepid=1", "rw,hidepid=noaccess"] {
            assert!(!hides_processes(&line(options)), "{options}");
        }
        assert!(!hides_processes("24 1 0:22 / /other/proc rw - proc proc rw,hidepid=2"));
        assert!(!hides_processes("24 1 0:22 / /proc rw - tmpfs proc rw,hidepid=2"));
        assert!(!hides_processes(""));
    }

    #[test]
    fn who_was_not_seen() {
        let mut unseen = Unseen::default();
        unseen.add(1, Obstacle::Refused, &[Capability::SysPtrace]);
        assert_eq!(unseen.who(), "1 process (pid 1)");
        for pid in [20, 33] {
            unseen.add(pid, Obstacle::Refused, &[Capability::DacReadSearch, Capability::SysPtrace]);
        }
        assert_eq!(unseen.who(), "3 processes (pids 1, 20, 33)");
        assert_eq!(unseen.needed, [Capability::SysPtrace, Capability::DacReadSearch]);
        assert!(!unseen.is_empty() && Unseen::default().is_empty());
        unseen.add(40, Obstacle::Limit(24), &[Capability::SysPtrace]);
        assert_eq!(unseen.who(), "4 processes (pids 1, 20, 33 and others)");
        assert!(unseen.advice().contains("ulimit -n"), "{}", unseen.advice());
        let mut nobody = Unseen::default();
        nobody.all(&std::io::Error::from_raw_os_error(2));
        assert!(nobody.is_empty(), "no /proc is told apart");
        nobody.all(&std::io::Error::from_raw_os_error(24));
        assert_eq!((nobody.is_empty(), nobody.who()), (false, "all processes".to_owned()));
    }

    #[test]
    fn only_what_is_out_of_sight_is_said() {
        assert_eq!(Sight::Everything.in_words(), None);
        for sight in [Sight::NoProc, Sight::PidNamespace, Sight::HidePid] {
            assert!(sight.in_words().is_some());
        }
    }
}
