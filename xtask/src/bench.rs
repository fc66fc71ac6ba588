//! `cargo xtask bench`: what tcptrace costs, as figures beside their aims. docs/benchmarks.md says how to read them.
//!
//! Nothing here fails because a figure is poor: a machine that others share too would make that a lottery. It fails
//! when something could not be measured.

mod churn;
mod cleanup;
mod idle;
mod kernel;
mod lines;
mod load;
mod orphans;
mod procfs;
mod watch;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{process, setup};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure; all of it unless named
    #[arg(value_enum)]
    what: Vec<What>,
    /// churn, hist, orphans: pairs of runs, one with and one without tcptrace; filter: rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pairs: u32,
    /// kernel, filter, churn, hist, orphans: length of a run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Where everything is built already; this command gives it to itself when it goes on as root
    #[arg(long, hide = true)]
    built: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The user side alone: events per second, bytes per connection, the price of a line
    Engine,
    /// sock_diag: dumps, look-ups, and a full dump beside `ss`
    Diag,
    /// What each BPF program costs, by the kernel's own account
    Kernel,
    /// What an event costs that a filter refuses in the kernel, beside one that passes
    Filter,
    /// Connections per second with and without tcptrace, its CPU time, and what it missed
    Churn,
    /// The same under `hist`
    Hist,
    /// The same with closes that each have to be looked up: what the looks cost, and what they did not tell
    Orphans,
}

impl What {
    const ALL: [Self; 7] =
        [Self::Engine, Self::Diag, Self::Kernel, Self::Filter, Self::Churn, Self::Hist, Self::Orphans];

    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Diag => "diag",
            Self::Kernel => "kernel",
            Self::Filter => "filter",
            Self::Churn => "churn",
            Self::Hist => "hist",
            Self::Orphans => "orphans",
        }
    }

    fn needs_root(self) -> bool {
        self != Self::Engine
    }
}

/// The programs under measurement, and how long to look at them.
struct Bench {
    tcptrace: PathBuf,
    churn: PathBuf,
    diag: PathBuf,
    idle: PathBuf,
    /// For files, on the disk that holds the build: what trace writes is to reach one.
    folder: PathBuf,
    pairs: u32,
    seconds: u32,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let wanted: Vec<What> =
        What::ALL.into_iter().filter(|what| args.what.is_empty() || args.what.contains(what)).collect();
    let (as_root, as_user): (Vec<What>, Vec<What>) = wanted.iter().partition(|what| what.needs_root());
    let is_root = process::is_root()?;
    if !as_root.is_empty() && !is_root {
        // Before the build, so that nobody waits for it to learn that sudo is missing.
        process::sudo("measuring the kernel side")?;
    }
    let release = match &args.built {
        Some(folder) => folder.clone(),
        None => build()?,
    };
    if as_user.contains(&What::Engine) {
        process::run(&mut Command::new(release.join("bench_engine")))?;
    }
    if is_root {
        measure(&as_root, &release, args)?;
    } else if !as_root.is_empty() {
        process::run(&mut again_as_root(&as_root, &release, args)?)?;
    }
    if args.built.is_none() {
        println!("repeat: {}", command_line(&wanted, args));
    }
    Ok(())
}

fn build() -> Result<PathBuf> {
    let workspace = Workspace::find()?;
    setup::ensure_build(&workspace)?;
    workspace.build_release()?;
    let mut tests = workspace.cargo();
    tests.args(["build", "--release", "--package", "tcptrace-tests", "--bins"]);
    process::run(&mut tests)?;
    Ok(workspace.target.join("release"))
}

fn measure(what: &[What], release: &Path, args: &Args) -> Result<()> {
    let bench = Bench {
        tcptrace: release.join("tcptrace"),
        churn: release.join("churn"),
        diag: release.join("bench_diag"),
        idle: release.join("idle"),
        folder: release.join(format!("bench-{}", std::process::id())),
        pairs: args.pairs,
        seconds: args.seconds,
    };
    for what in what {
        match what {
            What::Engine => {}
            What::Diag => process::run(&mut Command::new(&bench.diag))?,
            What::Kernel => kernel::run(&bench)?,
            What::Filter => kernel::run_filter(&bench)?,
            What::Churn => churn::run(&bench)?,
            What::Hist => churn::run_hist(&bench)?,
            What::Orphans => orphans::run(&bench)?,
        }
    }
    Ok(())
}

/// This program again: reading what a root process did and setting sysctls is root's.
fn again_as_root(what: &[What], release: &Path, args: &Args) -> Result<Command> {
    let own = env::current_exe().context("cannot find out where this program is")?;
    let mut command = process::as_root(own)?;
    command.arg("bench").args(what.iter().map(|what| what.name()));
    command.args(options(args)).arg("--built").arg(release);
    Ok(command)
}

fn options(args: &Args) -> [String; 4] {
    ["--pairs".to_owned(), args.pairs.to_string(), "--seconds".to_owned(), args.seconds.to_string()]
}

fn command_line(what: &[What], args: &Args) -> String {
    let names: Vec<&str> = what.iter().map(|what| what.name()).collect();
    format!("cargo xtask bench {} {}", names.join(" "), options(args).join(" "))
}

/// The middle one; of an even number, the mean of the two in the middle.
fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get(values.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn the_command_to_repeat_names_everything() {
        let args = Args { what: vec![], pairs: 3, seconds: 2, built: None };
        let line = command_line(&What::ALL, &args);
        assert_eq!(line, "cargo xtask bench engine diag kernel filter churn hist orphans --pairs 3 --seconds 2");
    }
}
