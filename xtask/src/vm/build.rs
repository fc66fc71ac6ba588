//! What is put into a machine: the very programs that `cargo xtask test` runs on the host, with the libraries that they
//! are linked with, and a first process that is linked with none.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

/// The machines' kernels are of this architecture, and so is whoever runs in them.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const INIT_PACKAGE: &str = "tcptrace-vm-init";

pub(super) struct Programs {
    pub(super) init: PathBuf,
    pub(super) tool: PathBuf,
    pub(super) tests: PathBuf,
    /// Start helper processes for tests, which look for them where cargo has put them.
    pub(super) helpers: [PathBuf; 2],
}

impl Programs {
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        let tool = workspace.build_release()?;
        let mut command = workspace.cargo();
        command.args(["build", "--release", "--package", INIT_PACKAGE, "--target", TARGET]);
        command.env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
        process::run(&mut command)?;
        let init = workspace.target.join(TARGET).join("release").join(INIT_PACKAGE);
        let mut command = workspace.cargo();
        command.args(["test", "--no-run", "--package", "tcptrace-tests", "--features", "kernel", "--test", "kernel"]);
        command.args(["--quiet", "--message-format", "json"]);
        let answer = process::output(&mut command)?;
        Ok(Self {
            init,
            tool,
            tests: executable(&answer, "kernel")?,
            helpers: [executable(&answer, "actor")?, executable(&answer, "churn")?],
        })
    }
}

/// The program that cargo says it has made of a target.
fn executable(answer: &str, target: &str) -> Result<PathBuf> {
    let made = answer.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let is_it = message.pointer("/target/name")? == target;
        message.get("executable")?.as_str().filter(|_| is_it).map(PathBuf::from)
    });
    made.with_context(|| format!("cargo does not say where it has put `{target}`"))
}

/// Libraries that a program is linked with, the loader among them: where it looks for them. None if it needs none.
pub(super) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("not found") {
        bail!("{} lacks libraries:\n{text}", program.display());
    }
    Ok(parse_libraries(&text))
}

/// `name => path (address)`, or `path (address)`.
fn parse_libraries(text: &str) -> Vec<PathBuf> {
    let paths = text.lines().filter_map(|line| {
        let place = line.rsplit("=>").next()?.trim();
        place.split(" (").next().filter(|path| path.starts_with('/'))
    });
    paths.map(PathBuf::from).collect()
}

/// A program without what only debuggers read, which is most of it.
pub(super) fn stripped(program: &Path, folder: &Path) -> Result<Vec<u8>> {
    let name = program.file_name().context("a program has a name")?;
    let small = folder.join(name);
    let done = process::output(Command::new("strip").arg("-o").arg(&small).arg(program));
    let path = if done.is_ok() { &small } else { program };
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_where_ldd_says() {
        let text = "\tlinux-vdso.so.1 (0x7fff)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x7f)\n\t/lib64/ld.so.2 (0x7f)\n";
        assert_eq!(parse_libraries(text), [PathBuf::from("/lib/x/libc.so.6"), "/lib64/ld.so.2".into()]);
        assert!(parse_libraries("\tstatically linked\n").is_empty());
    }

    #[test]
    fn cargo_says_where_programs_are() {
        let answer = r#"{"reason":"x"}
            {"target":{"name":"kernel"},"executable":null}
            {"target":{"name":"actor"},"executable":"/t/actor"}"#;
        assert_eq!(executable(answer, "actor").unwrap(), PathBuf::from("/t/actor"));
        assert!(executable(answer, "kernel").is_err());
    }
}
