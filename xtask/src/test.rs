//! `cargo xtask test`: every test. A kernel test that could not run is a failure, never a skip.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{process, setup};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Arguments for the test binaries
    #[arg(last = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    // Asked first: half an hour of tests must not end in "who will run the rest?".
    let runner = kernel_runner()?;
    setup::ensure_build(&workspace)?;
    setup::ensure_tests(&workspace)?;
    let binary = workspace.build_release()?;
    eprintln!("test: the workspace");
    process::run(&mut workspace_tests(&workspace, &binary, args))?;
    eprintln!("test: the kernel tests, as root");
    let mut kernel = kernel_tests(&workspace, &binary, args);
    if let Some((variable, value)) = runner {
        kernel.env(variable, value);
    }
    process::run(&mut kernel)
}

/// What makes cargo start test binaries as root: nothing when we are root, else sudo as their runner.
fn kernel_runner() -> Result<Option<(String, OsString)>> {
    if process::is_root()? {
        return Ok(None);
    }
    let mut sudo = process::sudo("running the kernel tests, which load BPF programs and make network namespaces,")?
        .into_os_string();
    sudo.push(" -E");
    Ok(Some((runner_variable(&host_triple()?), sudo)))
}

fn host_triple() -> Result<String> {
    let version = process::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` does not name its host")?.to_owned())
}

fn runner_variable(triple: &str) -> String {
    format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace(['-', '.'], "_"))
}

fn workspace_tests(workspace: &Workspace, binary: &Path, args: &Args) -> Command {
    let mut command = workspace.cargo();
    command.args(["test", "--workspace"]).args(&args.filter).arg("--").args(&args.args);
    command.env("TCPTRACE_BIN", binary).env("TCPTRACE_PYTHON_PACKAGES", workspace.python_packages());
    command
}

fn kernel_tests(workspace: &Workspace, binary: &Path, args: &Args) -> Command {
    let mut command = workspace.cargo();
    command.args(["test", "--package", "tcptrace-tests", "--features", "kernel", "--test", "kernel", "--test", "cli"]);
    command.args(&args.filter).arg("--").args(&args.args);
    if !names_threads(&args.args) {
        // They share one kernel: its sysctls, its sockets and its counters.
        command.arg("--test-threads=1");
    }
    command.env("TCPTRACE_BIN", binary);
    command
}

fn names_threads(args: &[OsString]) -> bool {
    let is_option = |arg: &OsStr| arg.as_encoded_bytes().starts_with(b"--test-threads");
    args.iter().any(|arg| is_option(arg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_variable_is_cargos() {
        assert_eq!(runner_variable("x86_64-unknown-linux-gnu"), "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER");
    }

    fn kernel_arguments(args: &[&str]) -> String {
        let workspace = Workspace { root: ".".into(), target: "target".into() };
        let args = Args { filter: Some("linger".into()), args: args.iter().map(OsString::from).collect() };
        process::shown(&kernel_tests(&workspace, Path::new("tcptrace"), &args))
    }

    #[test]
    fn kernel_tests_run_one_by_one_unless_told_otherwise() {
        let expected = "--test kernel --test cli linger -- --nocapture --test-threads=1";
        assert!(kernel_arguments(&["--nocapture"]).ends_with(expected));
        assert!(kernel_arguments(&["--test-threads=4"]).ends_with("linger -- --test-threads=4"));
    }
}
