//! `cargo xtask lint`: every check that another tool makes. All of them run, then a table says which failed.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{process, setup};

struct Step {
    name: &'static str,
    command: Command,
}

struct Verdict {
    name: &'static str,
    passed: bool,
    took: Duration,
}

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::find()?;
    setup::ensure_build(&workspace)?;
    setup::ensure_lint(&workspace)?;
    let verdicts: Vec<Verdict> = steps(&workspace).into_iter().map(carry_out).collect();
    eprintln!("\nlint:");
    for verdict in &verdicts {
        let word = if verdict.passed { "ok" } else { "FAILED" };
        eprintln!("  {:<12} {word:<6} {:>6.1} s", verdict.name, verdict.took.as_secs_f64());
    }
    let failed: Vec<&str> = verdicts.iter().filter(|verdict| !verdict.passed).map(|verdict| verdict.name).collect();
    if !failed.is_empty() {
        bail!("lint failed: {}; what is wrong stands above the table", failed.join(", "));
    }
    Ok(())
}

fn carry_out(mut step: Step) -> Verdict {
    eprintln!("lint: {}: {}", step.name, process::shown(&step.command));
    let start = Instant::now();
    let result = process::run(&mut step.command);
    if let Err(error) = &result {
        eprintln!("lint: {}: {error:#}", step.name);
    }
    Verdict { name: step.name, passed: result.is_ok(), took: start.elapsed() }
}

fn steps(workspace: &Workspace) -> Vec<Step> {
    vec![
        cargo(workspace, "fmt", &["fmt", "--all", "--check"]),
        // The kernel side's binary (feature `object`) is no program for the host, so no --all-features here.
        cargo(
            workspace,
            "clippy",
            &[
                "clippy",
                "--workspace",
                "--exclude=tcptrace-ebpf",
                "--all-targets",
                "--features=tcptrace-tests/kernel",
                "--",
                "-Dwarnings",
            ],
        ),
        cargo(workspace, "clippy wire", &["clippy", "--package=tcptrace-ebpf", "--lib", "--tests", "--", "-Dwarnings"]),
        clippy_bpf(workspace),
        docs(workspace),
        deny(workspace),
        typos(workspace),
    ]
}

fn cargo(workspace: &Workspace, name: &'static str, args: &[&str]) -> Step {
    let mut command = workspace.cargo();
    command.args(args);
    Step { name, command }
}

fn clippy_bpf(workspace: &Workspace) -> Step {
    let args = ["clippy", "--package=tcptrace-ebpf", "--features=object", "--bins"];
    let mut step = cargo(workspace, "clippy bpf", &args);
    step.command.args(["--target=bpfel-unknown-none", "-Zbuild-std=core", "--target-dir"]);
    // A folder of its own: a `core` built here must not disturb the host's builds.
    step.command.arg(workspace.target.join("lint-bpf"));
    step.command.args(["--", "-Dwarnings"]);
    // For -Zbuild-std on the stable toolchain.
    step.command.env("RUSTC_BOOTSTRAP", "1");
    step
}

fn docs(workspace: &Workspace) -> Step {
    let mut step = cargo(workspace, "doc", &["doc", "--workspace", "--no-deps"]);
    step.command.env("RUSTDOCFLAGS", "-Dwarnings");
    step
}

/// Without `advisories`: that needs a database which has to be fetched, and lint must work offline.
fn deny(workspace: &Workspace) -> Step {
    let mut command = Command::new(workspace.tool("cargo-deny"));
    command.args(["check", "bans", "licenses", "sources"]).current_dir(&workspace.root);
    Step { name: "deny", command }
}

fn typos(workspace: &Workspace) -> Step {
    let mut command = Command::new(workspace.tool("typos"));
    command.current_dir(&workspace.root);
    Step { name: "typos", command }
}
