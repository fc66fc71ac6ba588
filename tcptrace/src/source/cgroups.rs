//! Paths of cgroups by id. The id of a cgroup v2 is the inode of its directory.

use std::{
    collections::{HashMap, HashSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
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
    told: HashSet<u64>,
    last_walk: Option<Instant>,
}

impl Cgroups {
    pub(super) fn new() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self { mount: cgroup2_mount(&mounts), told: HashSet::new(), last_walk: None }
    }

    /// Names to tell before an event of cgroup `id`; empty if that was done, or nothing is known.
    pub(super) fn names_for(&mut self, id: u64) -> Vec<CgroupName> {
        if self.told.contains(&id) || self.told.len() >= IDS_MAX {
            return Vec::new();
        }
        if id == ROOT_ID {
            self.told.insert(id);
            return vec![CgroupName { id, path: "/".to_owned() }];
        }
        if self.last_walk.is_some_and(|at| at.elapsed() < WALK_INTERVAL) {
            return Vec::new();
        }
        self.last_walk = Some(Instant::now());
        let mut names: Vec<CgroupName> = Vec::new();
        if let Some(mount) = &self.mount {
            let mut all = walk(mount);
            if let Some(path) = all.remove(&id) {
                names.push(CgroupName { id, path });
            }
        }
        self.told.extend(names.iter().map(|name| name.id));
        names
    }
}

/// The mount point of the unified hierarchy, from `/proc/self/mountinfo` (proc(5)).
fn cgroup2_mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next()? == "cgroup2").then_some(())?;
        before.split(' ').nth(4).map(PathBuf::from)
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

/// The id of the cgroup at `path`: below the unified hierarchy's mount, or as a path of the file system.
///
/// # Errors
/// Says that there is no such cgroup.
pub fn id_of(path: &str) -> Result<u64, String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = cgroup2_mount(&mounts).map(|mount| mount.join(path.trim_start_matches('/')));
    if path == "/" && below.is_none() {
        return Ok(ROOT_ID);
    }
    let candidates = below.into_iter().chain([PathBuf::from(path)]);
    let found = candidates.filter_map(|path| fs::metadata(path).ok()).find(std::fs::Metadata::is_dir);
    found.map(|meta| meta.ino()).ok_or_else(|| format!("there is no cgroup `{path}` (cgroup v2)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_unified_mount() {
        let text = "25 30 0:23 / /sys rw - sysfs sysfs rw\n\
                    31 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_mount(text), Some(PathBuf::from("/sys/fs/cgroup")));
        assert_eq!(cgroup2_mount("garbage\n1 2 - cgroup2"), None);
    }

    #[test]
    fn the_root_is_told_once() {
        let mut cgroups = Cgroups { mount: None, told: HashSet::new(), last_walk: None };
        assert_eq!(cgroups.names_for(1).len(), 1);
        assert!(cgroups.names_for(1).is_empty());
        assert!(cgroups.names_for(77).is_empty());
    }
}
