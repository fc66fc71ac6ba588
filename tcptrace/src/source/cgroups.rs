//! Paths of cgroups by id. The id of a cgroup v2 is the inode of its directory.

use std::{
    collections::{HashMap, HashSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    time::{Duration, Instant},
};

use crate::model::CgroupName;

/// Directories looked at in one walk; hosts have thousands at most.
const WALK_MAX: usize = 32_768;
/// A walk for an unknown id is made at most this often, because short-lived cgroups could demand one an event.
const WALK_INTERVAL: Duration = Duration::from_secs(1);
/// Ids remembered as told or asked for.
const IDS_MAX: usize = 65_536;
/// The root's id, whether or not the hierarchy is mounted.
const ROOT_ID: u64 = 1;

/// Finds paths, each told once.
#[derive(Debug)]
pub(super) struct Cgroups {
    mount: Option<PathBuf>,
    known: HashMap<u64, String>,
    told: HashSet<u64>,
    /// The one of `told` that was asked for last: most events come in rows of one.
    latest: Option<u64>,
    last_walk: Option<Instant>,
}

impl Cgroups {
    pub(super) fn new() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mount = cgroup2_mount(&mounts);
        Self { mount, known: HashMap::new(), told: HashSet::new(), latest: None, last_walk: None }
    }

    /// The name to tell before an event of cgroup `id`; none if that was done, or nothing is known.
    pub(super) fn name_for(&mut self, id: u64) -> Option<CgroupName> {
        if self.latest == Some(id) {
            return None;
        }
        if self.told.contains(&id) || self.told.len() >= IDS_MAX {
            self.latest = Some(id);
            return None;
        }
        if id == ROOT_ID {
            self.told.insert(id);
            return Some(CgroupName { id, path: "/".to_owned() });
        }
        if !self.known.contains_key(&id) {
            self.look();
        }
        let path = self.known.remove(&id)?;
        self.told.insert(id);
        Some(CgroupName { id, path })
    }

    /// Walks the hierarchy, if the last walk is not too recent.
    fn look(&mut self) {
        if self.last_walk.is_some_and(|at| at.elapsed() < WALK_INTERVAL) {
            return;
        }
        self.last_walk = Some(Instant::now());
        self.known = self.mount.as_deref().map(walk).unwrap_or_default();
    }
}

/// The mount point of the unified hierarchy, from `/proc/self/mountinfo` (proc(5)).
fn cgroup2_mount(mountinfo: &str) -> Option<PathBuf> {
    cgroup2_field(mountinfo, 4).map(PathBuf::from)
}

/// What of the hierarchy is mounted there.
fn cgroup2_root(mountinfo: &str) -> Option<&str> {
    cgroup2_field(mountinfo, 3)
}

fn cgroup2_field(mountinfo: &str, field: usize) -> Option<&str> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next()? == "cgroup2").then_some(())?;
        before.split(' ').nth(field)
    })
}

/// Path below the mount of every cgroup, by id. Unreadable directories are left out: they vanish at any time.
fn walk(mount: &Path) -> HashMap<u64, String> {
    let mut found = HashMap::new();
    let mut todo = vec![mount.to_path_buf()];
    while let Some(dir) = todo.pop() {
        if found.len() >= WALK_MAX {
            break;
        }
        let Ok(meta) = fs::metadata(&dir) else { continue };
        let below = dir.strip_prefix(mount).unwrap_or(&dir);
        found.insert(meta.ino(), format!("/{}", below.display()));
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        todo.extend(dirs.map(|entry| entry.path()));
    }
    found
}

/// The id of a cgroup that a user names: below the unified hierarchy's mount, or as a path of the file system.
///
/// # Errors
/// Says that there is no such cgroup.
pub fn id_of(path: &str) -> Result<u64, String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let none = || format!("there is no cgroup `{path}` (cgroup v2)");
    let Some(mount) = cgroup2_mount(&mounts) else {
        return if path == "/" { Ok(ROOT_ID) } else { Err(none()) };
    };
    let meta = dir_of(&mount, path).and_then(|dir| fs::metadata(dir).ok());
    meta.map(|meta| meta.ino()).ok_or_else(none)
}

/// The directory that a user means: below the mount, or anywhere in the file system.
fn dir_of(mount: &Path, path: &str) -> Option<PathBuf> {
    let candidates = [mount.join(path.trim_start_matches('/')), PathBuf::from(path)];
    candidates.iter().find_map(|dir| {
        let dir = dir.canonicalize().ok()?;
        (dir.is_dir() && dir.starts_with(mount)).then_some(dir)
    })
}

/// A cgroup, and how far below the root of all it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CgroupPlace {
    pub(super) id: u64,
    pub(super) level: u32,
}

/// The initial cgroup namespace (`PROC_CGROUP_INIT_INO`), in which paths begin at the root.
const INITIAL_NAMESPACE: &str = "cgroup:[4026531835]";

/// The place of a cgroup that a user names; `None` where it cannot be told, as in a container.
pub(super) fn place_of(path: &str) -> Option<CgroupPlace> {
    let namespace = fs::read_link("/proc/self/ns/cgroup").ok()?;
    if namespace.as_os_str() != INITIAL_NAMESPACE {
        return None;
    }
    let id = id_of(path).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let Some(mount) = cgroup2_mount(&mounts) else { return Some(CgroupPlace { id, level: 0 }) };
    let dir = dir_of(&mount, path)?;
    let level = depth(Path::new(cgroup2_root(&mounts)?)) + depth(dir.strip_prefix(&mount).ok()?);
    Some(CgroupPlace { id, level: u32::try_from(level).ok()? })
}

fn depth(path: &Path) -> usize {
    path.components().filter(|part| matches!(part, Component::Normal(_))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_unified_mount() {
        let text = "25 30 0:23 / /sys rw - sysfs sysfs rw\n\
                    31 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_mount(text), Some(PathBuf::from("/sys/fs/cgroup")));
        assert_eq!(cgroup2_root(text), Some("/"));
        assert_eq!(cgroup2_mount("garbage\n1 2 - cgroup2"), None);
    }

    #[test]
    fn the_root_is_told_once() {
        let mut cgroups =
            Cgroups { mount: None, known: HashMap::new(), told: HashSet::new(), latest: None, last_walk: None };
        assert_eq!(cgroups.name_for(1).map(|name| name.path).as_deref(), Some("/"));
        assert_eq!(cgroups.name_for(1), None);
        assert_eq!(cgroups.name_for(77), None);
    }

    /// One walk answers for every cgroup that it has seen, each once, however soon they are asked for.
    #[test]
    fn one_walk_names_them_all() {
        let mount = std::env::temp_dir().join(format!("tcptrace-cgroups-{}", std::process::id()));
        for below in ["a/inner", "b"] {
            fs::create_dir_all(mount.join(below)).unwrap();
        }
        let id = |below: &str| fs::metadata(mount.join(below)).unwrap().ino();
        let mut cgroups = Cgroups {
            mount: Some(mount.clone()),
            known: HashMap::new(),
            told: HashSet::new(),
            latest: None,
            last_walk: None,
        };
        for (below, path) in [("b", "/b"), ("a/inner", "/a/inner"), ("a", "/a")] {
            let name = CgroupName { id: id(below), path: path.to_owned() };
            assert_eq!(cgroups.name_for(name.id).as_ref(), Some(&name));
            assert_eq!(cgroups.name_for(name.id), None);
        }
        fs::remove_dir_all(&mount).unwrap();
    }
}
