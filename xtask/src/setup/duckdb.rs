//! DuckDB for Python, with which tests read exported tables back: below the target folder, so that neither the system's
//! Python nor the user's is touched.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{debian, progress};
use crate::process;
use crate::workspace::Workspace;

/// Pinned, so that a new release does not turn a green checkout red.
const VERSION: &str = "2.0.0";
/// Some 25 MB.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);

pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let name = format!("duckdb {VERSION}");
    if is_there(workspace) {
        progress(&name, "present");
        return Ok(());
    }
    if !has_pip() {
        debian::install(&["python3", "python3-pip"])
            .context("tests read exported tables with DuckDB, which needs python3 with pip: install both")?;
    }
    let folder = workspace.python_packages();
    progress(&name, &format!("installing below {}", folder.display()));
    // Wheels alone: building DuckDB takes an hour. `--target` leaves an "externally managed" Python alone.
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--root-user-action=ignore",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
    ]);
    pip.arg("--upgrade").arg("--target").arg(&folder).arg(format!("duckdb=={VERSION}"));
    process::run_within(&mut pip, DOWNLOAD_LIMIT).with_context(|| {
        format!("cannot install {name} from PyPI: see above; with a network, run `cargo xtask setup` again")
    })?;
    if !is_there(workspace) {
        bail!("{name} was installed but cannot be imported: remove {} and try again", folder.display());
    }
    progress(&name, "done");
    Ok(())
}

fn is_there(workspace: &Workspace) -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import duckdb; print(duckdb.__version__)"]).env("PYTHONPATH", workspace.python_packages());
    process::output(&mut python).is_ok_and(|version| version.trim_end() == VERSION)
}

fn has_pip() -> bool {
    process::output(Command::new("python3").args(["-m", "pip", "--version"])).is_ok()
}
