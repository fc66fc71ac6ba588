//! The list of commands. A new one is a file with `Args` and `run`, a variant, and a line in `dispatch`.

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{bench, demo, fuzz, lint, run, setup, test, tidy, vm};

/// The project's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the build needs and is missing; costs nothing when all is there
    Setup(setup::Args),
    /// Build tcptrace and run it as root: `trace`, or the arguments after `--`
    Run(run::Args),
    /// What tcptrace costs: engine, sock_diag, kernel side, churn with and without it
    Bench(bench::Args),
    /// Make closes of each kind under a running `trace`, to see what it prints
    Demo(demo::Args),
    /// Run every test, those included that need root and a real kernel
    Test(test::Args),
    /// Run the kernel tests on kernels of distributions, in virtual machines
    Vm(vm::Args),
    /// Feed decode, engine, capture and netlink with bytes until something breaks
    Fuzz(fuzz::Args),
    /// Formatting, clippy for the host and for BPF, docs, licences, spelling
    Lint,
    /// The project's own rules: allowed imports, file length, links, hygiene
    Tidy,
}

pub(crate) fn dispatch() -> Result<()> {
    match Cli::parse().command {
        Command::Setup(args) => setup::run(&args),
        Command::Run(args) => run::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Test(args) => test::run(&args),
        Command::Vm(args) => vm::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Lint => lint::run(),
        Command::Tidy => tidy::run(),
    }
}
