//! cgroups (v2) of one's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};

/// One that is below the other.
pub(crate) const BELOW: &str = "below";

/// A cgroup and one below it, removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroups(PathBuf);

impl Cgroups {
    pub(crate) fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
        let name = format!("tcptrace-test-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(mount.context("cgroup v2 is not mounted")?).join(name);
        fs::create_dir_all(path.join(BELOW))?;
        Ok(Self(path))
    }

    /// The upper one, as `--cgroup` takes it.
    pub(crate) fn name(&self) -> Result<String> {
        let name = self.0.file_name().and_then(|name| name.to_str()).context("no name")?;
        Ok(format!("/{name}"))
    }

    /// Moves a process to the upper one, or with [`BELOW`] to the other.
    pub(crate) fn take(&self, below: &str, pid: u32) -> Result<()> {
        Ok(fs::write(self.0.join(below).join("cgroup.procs"), pid.to_string())?)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        let _ = fs::remove_dir(self.0.join(BELOW));
        let _ = fs::remove_dir(&self.0);
    }
}
