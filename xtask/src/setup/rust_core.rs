//! A `core` for BPF: rustc ships none prebuilt for that target. Either its source (rustup's `rust-src`), or Debian's
//! own build.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{debian, progress};
use crate::process;
use crate::workspace::Workspace;

/// A component is a few megabytes; a first download was seen to hang for ever and the second to work.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);
const DOWNLOAD_TRIES: u32 = 2;

/// Where Debian's packages put their prebuilt `core`.
const DEBIAN_CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none";
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"];

pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    if has_source(workspace) {
        progress("rust-src", "present");
        return Ok(());
    }
    if Path::new(DEBIAN_CORE).exists() {
        progress("rust-src", "absent, but Debian's prebuilt core for BPF is present");
        return Ok(());
    }
    let Err(rustup_error) = add_component(workspace, "rust-src") else {
        return Ok(());
    };
    progress("rust-src", &format!("not to be had from rustup ({rustup_error:#})"));
    install_debian().with_context(|| {
        "no `core` library for BPF: `rustup component add rust-src` did not work and Debian's packages did not either; \
         with a network, run one of the two and then `cargo xtask setup` again"
    })
}

/// A component that is needed as the cargo subcommand `subcommand`.
pub(super) fn ensure_component(workspace: &Workspace, component: &str, subcommand: &str) -> Result<()> {
    if process::output(workspace.cargo().args([subcommand, "--version"])).is_ok() {
        progress(component, "present");
        return Ok(());
    }
    add_component(workspace, component)
        .with_context(|| format!("`cargo {subcommand}` is missing: add it with `rustup component add {component}`"))
}

fn has_source(workspace: &Workspace) -> bool {
    sysroot(workspace).is_ok_and(|root| root.join("lib/rustlib/src/rust/library/core").is_dir())
}

fn sysroot(workspace: &Workspace) -> Result<PathBuf> {
    let answer = process::output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(&workspace.root))?;
    Ok(PathBuf::from(answer.trim_end()))
}

fn add_component(workspace: &Workspace, component: &str) -> Result<()> {
    if process::in_path("rustup").is_none() {
        bail!("rustup is not installed");
    }
    let toolchain = active_toolchain(workspace)?;
    progress(component, &format!("installing for {toolchain}"));
    let mut result = Ok(());
    for left in (0..DOWNLOAD_TRIES).rev() {
        let mut command = Command::new("rustup");
        command.args(["component", "add", component, "--toolchain", &toolchain]);
        result = process::run_within(&mut command, DOWNLOAD_LIMIT);
        match &result {
            Ok(()) => {
                progress(component, "done");
                break;
            }
            Err(error) if left > 0 => progress(component, &format!("trying again: {error:#}")),
            Err(_) => {}
        }
    }
    result
}

fn active_toolchain(workspace: &Workspace) -> Result<String> {
    // Set by rustup's own cargo for whatever it starts.
    if let Ok(name) = env::var("RUSTUP_TOOLCHAIN") {
        return Ok(name);
    }
    let mut command = Command::new("rustup");
    command.args(["show", "active-toolchain"]).current_dir(&workspace.root);
    let answer = process::output(&mut command)?;
    let name = answer.split_whitespace().next().context("rustup names no active toolchain")?;
    Ok(name.to_owned())
}

fn install_debian() -> Result<()> {
    debian::install(DEBIAN_PACKAGES)?;
    if !Path::new(DEBIAN_CORE).exists() {
        bail!("{} are installed, but {DEBIAN_CORE} is not there", DEBIAN_PACKAGES.join(" "));
    }
    Ok(())
}
