//! A pinned program from the crate registry, installed below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::progress;
use crate::process;
use crate::workspace::Workspace;

pub(super) struct CargoTool {
    pub(super) package: &'static str,
    pub(super) program: &'static str,
    pub(super) version: &'static str,
    /// How long the build takes on two cores, for whoever waits.
    pub(super) takes: &'static str,
    /// Whether the same version found in PATH will do.
    pub(super) accept_in_path: bool,
}

impl CargoTool {
    pub(super) fn ensure(&self, workspace: &Workspace) -> Result<()> {
        let name = format!("{} {}", self.program, self.version);
        if let Some(found) = self.find(workspace) {
            progress(&name, &format!("present ({})", found.display()));
            return Ok(());
        }
        progress(&name, &format!("installing below {}, {}", workspace.tools().display(), self.takes));
        self.install(workspace)?;
        if !self.is_right(&workspace.tool(self.program)) {
            bail!(
                "{} was installed but does not answer to --version with {}: remove {} and try again",
                self.program,
                self.version,
                workspace.tools().display()
            );
        }
        progress(&name, "done");
        Ok(())
    }

    fn find(&self, workspace: &Workspace) -> Option<PathBuf> {
        let own = Some(workspace.tool(self.program));
        let other = self.accept_in_path.then(|| process::in_path(self.program)).flatten();
        [own, other].into_iter().flatten().find(|program| self.is_right(program))
    }

    fn is_right(&self, program: &Path) -> bool {
        let answer = process::output(Command::new(program).arg("--version"));
        answer.is_ok_and(|text| says_version(&text, self.version))
    }

    fn install(&self, workspace: &Workspace) -> Result<()> {
        // A folder of its own outlives an interrupted build, so the next try goes on where this one stopped.
        let build = workspace.tools().join("build");
        let mut command = workspace.cargo();
        command.args(["install", "--locked", self.package, "--version", self.version]);
        command.arg("--root").arg(workspace.tools()).arg("--target-dir").arg(&build);
        // Whatever version is there is the wrong one.
        command.arg("--force");
        process::run(&mut command).with_context(|| {
            format!(
                "cannot install {} {}: see above; with a network to the crate registry, run `cargo xtask setup` again",
                self.package, self.version
            )
        })?;
        // Its hundreds of megabytes have served; leaving them is no failure.
        let _ = std::fs::remove_dir_all(build);
        Ok(())
    }
}

fn says_version(answer: &str, version: &str) -> bool {
    answer.split_whitespace().any(|word| word == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_must_be_the_very_one() {
        assert!(says_version("bpf-linker 0.10.3\n", "0.10.3"));
        assert!(!says_version("bpf-linker 0.10.30\n", "0.10.3"));
        assert!(!says_version("bpf-linker 0.11.0\n", "0.10.3"));
    }
}
