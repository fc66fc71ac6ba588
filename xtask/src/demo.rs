//! `cargo xtask demo`: closes of each kind, made in namespaces of their own, under a running `trace`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{process, setup};

/// The closes take some 9 seconds; a little more shows what clears.
const TRACE: &[&str] = &["trace", "--stuck-after", "1s", "--leak-after", "2s", "--duration", "12s"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// More arguments for `tcptrace trace`, such as `--transitions` or `--output json`
    #[arg(last = true)]
    args: Vec<std::ffi::OsString>,
}

pub(crate) fn run(args: Args) -> Result<()> {
    let workspace = Workspace::find()?;
    setup::ensure_build(&workspace)?;
    workspace.build_release()?;
    process::run(workspace.cargo().args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "tcptrace-tests",
        "--bin",
        "demo",
    ]))?;
    let binary = workspace.release_binary();
    let mut trace = process::as_root(&binary)?;
    let mut trace =
        trace.args(TRACE).args(args.args).stderr(Stdio::piped()).spawn().context("cannot start tcptrace")?;
    let made = wait_until_watching(&mut trace).and_then(|()| {
        let demo = binary.with_file_name("demo");
        process::run(&mut process::as_root(demo)?)
    });
    // It ends by itself, with its summary.
    let status = trace.wait().context("cannot wait for tcptrace")?;
    made?;
    if !status.success() {
        bail!("tcptrace ended with {status}");
    }
    Ok(())
}

/// Passes on what tcptrace says, until it says that it is watching; the rest is passed on by a thread.
fn wait_until_watching(trace: &mut Child) -> Result<()> {
    let stderr = trace.stderr.take().context("tcptrace has no stderr")?;
    let mut lines = BufReader::new(stderr).lines();
    for line in lines.by_ref() {
        let line = line.context("cannot read what tcptrace says")?;
        eprintln!("{line}");
        if line.contains("watching") {
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
            return Ok(());
        }
    }
    bail!("tcptrace ended before it was watching")
}
