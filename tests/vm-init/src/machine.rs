//! The machine itself: what has to be mounted and loaded before anybody can work, and its end.

use std::{fs, fs::File, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use rustix::{
    mount::{MountFlags, mount},
    system::{RebootCommand, finit_module, reboot, uname},
};

/// Where, what kind, and what with.
const MOUNTS: &[(&str, &str)] = &[
    ("/proc", "proc"),
    ("/sys", "sysfs"),
    ("/dev", "devtmpfs"),
    ("/dev/pts", "devpts"),
    ("/run", "tmpfs"),
    ("/sys/fs/cgroup", "cgroup2"),
];

pub(crate) fn mount_all() -> Result<()> {
    for (target, kind) in MOUNTS {
        // Those below /sys and /dev are there already, or cannot be made.
        let _ = fs::create_dir_all(target);
        mount(*kind, *target, *kind, MountFlags::empty(), None)
            .with_context(|| format!("cannot mount {kind} at {target}"))?;
    }
    Ok(())
}

/// `uname -r`.
pub(crate) fn kernel() -> String {
    uname().release().to_string_lossy().into_owned()
}

pub(crate) fn load_module(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    finit_module(file, c"", 0).with_context(|| format!("cannot load {}", path.display()))
}

/// In the namespace that tests do not make for themselves.
pub(crate) fn loopback_up() -> Result<()> {
    let status = Command::new("/bin/busybox").args(["ip", "link", "set", "lo", "up"]).status();
    ensure!(status.context("cannot run busybox")?.success(), "busybox cannot bring up loopback");
    Ok(())
}

pub(crate) fn power_off() -> Result<()> {
    rustix::fs::sync();
    reboot(RebootCommand::PowerOff).context("cannot power off")
}
