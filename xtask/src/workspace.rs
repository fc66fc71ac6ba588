//! Where things are: the workspace root, the target folder and the tools installed below it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo, so that CARGO_TARGET_DIR and cargo's own configuration count.
    pub(crate) fn find() -> Result<Self> {
        let mut command = Command::new(cargo_program());
        command.args(["metadata", "--no-deps", "--format-version=1"]);
        let answer = process::output(&mut command)?;
        let metadata: Value = serde_json::from_str(&answer).context("cannot read the answer of cargo metadata")?;
        let field = |name: &str| {
            let value = metadata.get(name).and_then(Value::as_str);
            value.map(PathBuf::from).with_context(|| format!("cargo metadata does not say {name}"))
        };
        Ok(Self { root: field("workspace_root")?, target: field("target_directory")? })
    }

    /// The root of `cargo install` for the pinned tools: outside of what the user's own PATH holds.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.tools().join("bin").join(name)
    }

    /// Where pip puts what tests need of Python.
    pub(crate) fn python_packages(&self) -> PathBuf {
        self.tools().join("python")
    }

    /// The release binary that `run`, the kernel tests and measurements use.
    pub(crate) fn release_binary(&self) -> PathBuf {
        self.target.join("release").join("tcptrace")
    }

    /// A cargo that works in the workspace root and agrees with this process on the target folder.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root);
        if env::var_os("CARGO_TARGET_DIR").is_some() {
            // It may be relative to where the user stood.
            command.env("CARGO_TARGET_DIR", &self.target);
        }
        command
    }

    /// Builds the release binary and says where it is.
    pub(crate) fn build_release(&self) -> Result<PathBuf> {
        process::run(self.cargo().args(["build", "--release", "--package", "tcptrace"]))?;
        Ok(self.release_binary())
    }
}

fn cargo_program() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
