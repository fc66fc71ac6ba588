//! qemu, for `cargo xtask vm` alone: whoever boots no machines needs none.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::progress;
use crate::process;

const PACKAGE: &str = "qemu-system-x86";

pub(super) fn ensure(program: &str) -> Result<()> {
    if let Some(path) = process::in_path(program) {
        progress(program, &format!("present ({})", path.display()));
        return Ok(());
    }
    if process::in_path("apt-get").is_none() {
        bail!("{program} is not installed, and this is not a Debian system (no apt-get): install qemu");
    }
    progress(PACKAGE, "installing");
    if install(None).is_err() {
        // A new machine has no lists of packages yet, an old one has stale ones.
        process::run(process::as_root("apt-get")?.arg("update"))?;
        if install(None).is_err() {
            // Where tools of qemu are installed from backports, those of the release itself do not fit.
            install(Some(&backports()?)).with_context(|| {
                format!("{PACKAGE} cannot be installed without removing other packages: install it by hand")
            })?;
        }
    }
    progress(PACKAGE, "done");
    Ok(())
}

/// Nothing that is installed goes away for it.
fn install(suite: Option<&str>) -> Result<()> {
    let mut command = process::as_root("apt-get")?;
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["install", "-y", "-qq", "--no-install-recommends", "--no-remove", PACKAGE]);
    if let Some(suite) = suite {
        command.args(["-t", suite]);
    }
    process::run(&mut command)
}

/// `bookworm-backports`, if that is what apt knows.
fn backports() -> Result<String> {
    let policy = process::output(Command::new("apt-cache").arg("policy"))?;
    let mut names = policy.split([',', ' ', '=']).filter(|word| word.ends_with("-backports"));
    names.next().map(str::to_owned).context("apt knows no backports")
}
