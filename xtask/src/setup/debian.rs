//! Packages of the distribution.

use anyhow::{Result, bail};

use super::progress;
use crate::process;

/// Installs packages with apt.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    if process::in_path("apt-get").is_none() {
        bail!("this is not a Debian system (no apt-get)");
    }
    let names = packages.join(" ");
    progress(&names, "installing");
    let install = || -> Result<()> {
        let mut command = process::as_root("apt-get")?;
        command.args(["install", "-y", "--no-install-recommends"]).args(packages);
        process::run(&mut command)
    };
    if install().is_err() {
        // A new machine has no lists of packages yet, an old one has stale ones.
        process::run(process::as_root("apt-get")?.arg("update"))?;
        install()?;
    }
    progress(&names, "done");
    Ok(())
}
