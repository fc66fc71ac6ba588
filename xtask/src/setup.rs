//! `cargo xtask setup`: whatever the build needs beyond cargo itself. When all is there it only looks: no network, no
//! build.
//!
//! Build scripts install nothing; they name this command instead.

mod cargo_tool;
mod debian;
mod duckdb;
mod rust_core;

use anyhow::Result;

use crate::workspace::Workspace;
use cargo_tool::CargoTool;

/// Later versions want a system LLVM 23; this one reads the LLVM of the pinned rustc (rust-toolchain.toml).
const BPF_LINKER: CargoTool = CargoTool {
    package: "bpf-linker",
    program: "bpf-linker",
    version: "0.10.3",
    takes: "1-2 minutes",
    accept_in_path: true,
};

/// Pinned, so that a new release does not turn a green checkout red.
const LINT_TOOLS: &[CargoTool] = &[
    CargoTool {
        package: "cargo-deny",
        program: "cargo-deny",
        version: "0.20.2",
        takes: "a few minutes",
        accept_in_path: false,
    },
    CargoTool {
        package: "typos-cli",
        program: "typos",
        version: "1.52.0",
        takes: "a few minutes",
        accept_in_path: false,
    },
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also what `cargo xtask lint` needs
    #[arg(long)]
    lint: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    ensure_build(&workspace)?;
    ensure_tests(&workspace)?;
    if args.lint {
        ensure_lint(&workspace)?;
    }
    Ok(())
}

/// All that building and running tcptrace needs.
pub(crate) fn ensure_build(workspace: &Workspace) -> Result<()> {
    rust_core::ensure(workspace)?;
    BPF_LINKER.ensure(workspace)
}

/// All that the tests need beyond the build.
pub(crate) fn ensure_tests(workspace: &Workspace) -> Result<()> {
    duckdb::ensure(workspace)
}

/// All that `cargo xtask lint` needs beyond the build.
pub(crate) fn ensure_lint(workspace: &Workspace) -> Result<()> {
    rust_core::ensure_component(workspace, "rustfmt", "fmt")?;
    rust_core::ensure_component(workspace, "clippy", "clippy")?;
    LINT_TOOLS.iter().try_for_each(|tool| tool.ensure(workspace))
}

/// One line for each thing, on stderr like all talk.
fn progress(thing: &str, state: &str) {
    eprintln!("setup: {thing}: {state}");
}
