//! `cargo xtask bench churn`: the price of watching, from runs of the load with and without tcptrace.
//!
//! Runs come in pairs, the order changes from pair to pair, and the ratio within a pair counts: whatever else a shared
//! machine does at the time bears on both.

use std::fs;

use anyhow::{Context, Error, Result, anyhow};

use super::cleanup::Cleanup;
use super::idle;
use super::load::{self, Ending, Load};
use super::watch::{Watch, Watched};
use super::{Bench, median};

/// A pair during which the hypervisor gave more of the CPU time to others says nothing.
const MOST_STOLEN: f64 = 0.05;
/// Nor one during which other programs of this host took more than this. The kernel's own threads are among them, which
/// take some percent to write the output to the disk.
const MOST_FOREIGN: f64 = 0.10;
/// What watches, and what it should come to.
struct Subject {
    name: &'static str,
    arguments: &'static [&'static str],
    aims: &'static str,
}

const TRACE: Subject = Subject {
    name: "trace --output json to a file on disk",
    arguments: &["trace"],
    aims: "aims: kept >= 0.90, CPU <= 4 s per million connections, missing 0, lost 0",
};

/// By namespace, so that the load's own closes can be told from others.
const HIST: Subject = Subject {
    name: "hist --of close --by netns --output json to a file on disk",
    arguments: &["hist", "--of", "close", "--by", "netns"],
    aims: "aims: kept >= 0.95, CPU <= 2 s per million connections, missing 0, lost 0",
};

pub(super) struct Pair {
    pub(super) without: Load,
    pub(super) with: Load,
    pub(super) watched: Watched,
}

impl Pair {
    pub(super) fn kept(&self) -> f64 {
        self.with.per_second / self.without.per_second
    }

    fn cpu_s_per_million(&self) -> f64 {
        self.watched.cpu.as_secs_f64() * 1e6 / self.with.connections as f64
    }

    pub(super) fn stolen(&self) -> f64 {
        self.with.stolen.max(self.without.stolen)
    }

    pub(super) fn foreign(&self) -> f64 {
        self.with.foreign.max(self.without.foreign)
    }

    pub(super) fn counts(&self) -> bool {
        self.stolen() <= MOST_STOLEN && self.foreign() <= MOST_FOREIGN
    }

    /// Part of the closes, two a connection, for which no line was written; below 0 if there were too many.
    pub(super) fn missing(&self) -> f64 {
        1.0 - self.watched.written.closes as f64 / (2.0 * self.with.connections as f64)
    }
}

/// Under `trace`.
pub(super) fn run(bench: &Bench) -> Result<()> {
    compare(bench, &TRACE)
}

/// Under `hist`.
pub(super) fn run_hist(bench: &Bench) -> Result<()> {
    compare(bench, &HIST)
}

fn compare(bench: &Bench, subject: &Subject) -> Result<()> {
    let _cleanup = Cleanup::of_folder(&bench.folder)?;
    println!("churn: {} pairs of {} s, {}", bench.pairs, bench.seconds, subject.name);
    println!("  pair  without/s     with/s   kept  CPU s/M    missing      lost  others   steal   idle");
    let (mut pairs, mut idle) = (Vec::new(), Vec::new());
    for number in 1..=bench.pairs {
        let pair = pair(bench, subject.arguments, Ending::ThreeWay, number)?;
        let kept_by_idle = idle::load(bench)?.per_second / pair.without.per_second;
        show(number, &pair, kept_by_idle);
        idle.extend(pair.counts().then_some(kept_by_idle));
        pairs.push(pair);
    }
    conclude(&pairs, &idle, subject.aims)
}

pub(super) fn pair(bench: &Bench, arguments: &[&str], ending: Ending, number: u32) -> Result<Pair> {
    // without with, with without, ...: a drift of the machine favours neither.
    let (without, (with, watched)) = if number % 2 == 1 {
        let without = load::run(&bench.churn, ending, bench.seconds, None)?;
        (without, watched(bench, arguments, ending)?)
    } else {
        let with = watched(bench, arguments, ending)?;
        (load::run(&bench.churn, ending, bench.seconds, None)?, with)
    };
    Ok(Pair { without, with, watched })
}

fn watched(bench: &Bench, arguments: &[&str], ending: Ending) -> Result<(Load, Watched)> {
    let file = bench.folder.join("churn.json");
    let watch = Watch::start(bench, arguments, &file)?;
    let load = load::run(&bench.churn, ending, bench.seconds, Some(watch.pid()))?;
    let watched = watch.stop(load.netns)?;
    let watched = Watched { written: watched.written.of_something()?, ..watched };
    fs::remove_file(&file).context("cannot remove the output")?;
    Ok((load, watched))
}

fn show(number: u32, pair: &Pair, idle: f64) {
    println!(
        "  {number:>4}{:>11.0}{:>11.0}{:>7.3}{:>9.2}{:>9.3} %{:>10}{:>6.1} %{:>6.1} %{idle:>7.3}{}",
        pair.without.per_second,
        pair.with.per_second,
        pair.kept(),
        pair.cpu_s_per_million(),
        100.0 * pair.missing(),
        pair.watched.written.lost,
        100.0 * pair.foreign(),
        100.0 * pair.stolen(),
        if pair.counts() { "" } else { "  left out" }
    );
}

/// No pair counts.
pub(super) fn too_busy() -> Error {
    anyhow!(
        "in every pair, others took more than {:.0} % of the CPU time, or the hypervisor more than {:.0} %: \
         try again on a quieter machine",
        100.0 * MOST_FOREIGN,
        100.0 * MOST_STOLEN
    )
}

fn conclude(pairs: &[Pair], idle: &[f64], aims: &str) -> Result<()> {
    let counted: Vec<&Pair> = pairs.iter().filter(|pair| pair.counts()).collect();
    let middle = |figure: fn(&Pair) -> f64| median(counted.iter().map(|pair| figure(pair)));
    let (Some(without), Some(with), Some(kept), Some(cpu_s), Some(missing)) = (
        middle(|pair| pair.without.per_second),
        middle(|pair| pair.with.per_second),
        middle(Pair::kept),
        middle(Pair::cpu_s_per_million),
        middle(Pair::missing),
    ) else {
        return Err(too_busy());
    };
    // Losses add up: a median would hide them. They count in pairs that are left out, too.
    let lost: u64 = pairs.iter().map(|pair| pair.watched.written.lost).sum();
    println!("  median{without:>9.0}{with:>11.0}{kept:>7.3}{cpu_s:>9.2}{:>9.3} %{lost:>10} in all", 100.0 * missing);
    println!("  {aims}");
    let idle = median(idle.iter().copied()).unwrap_or(0.0);
    println!("  programs that do nothing on the same tracepoint keep {idle:.3}: what the kernel's calls of them leave");
    let written = counted.iter().map(|pair| &pair.watched.written);
    let per_close = median(written.map(|written| written.bytes as f64 / written.closes as f64));
    let start = median(counted.iter().map(|pair| pair.watched.cpu_of_start.as_secs_f64()));
    println!(
        "  {:.0} bytes of output a close; {:.2} s of CPU to start, not counted above; {} of {} pairs count",
        per_close.unwrap_or(0.0),
        start.unwrap_or(0.0),
        counted.len(),
        pairs.len()
    );
    Ok(())
}
