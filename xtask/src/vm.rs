//! `cargo xtask vm`: the kernel tests on the kernels of distributions, in virtual machines.
//!
//! Everything lies below `target/vm`: packages of Debian's archives, unpacked (nothing of them is installed), the file
//! systems, and what each machine said last.

mod archive;
mod budget;
mod build;
mod cpio;
mod guest;
mod known;
mod machine;
mod modules;
mod qemu;
mod results;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::setup;
use crate::workspace::Workspace;
use budget::Budget;
use guest::Guest;
use known::{Kernel, Known};
use machine::{Accelerator, End, Machine};
use qemu::Qemu;
use results::Results;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Series such as 6.1, or `oldest`, `newest`; without any, all that are known
    kernels: Vec<String>,
    /// Show what is known, and boot nothing
    #[arg(long)]
    list: bool,
    /// Only tests whose name contains this
    #[arg(long, default_value = "")]
    tests: String,
    /// Seconds that one kernel may take
    #[arg(long, default_value_t = 1800)]
    limit: u64,
    /// Seconds that one test may take; tests end by themselves before, and say why
    #[arg(long, default_value_t = 800)]
    test_limit: u64,
    /// Machines that run at a time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Without this, KVM where it works
    #[arg(long)]
    accelerator: Option<Accelerator>,
    /// Write the sizes of the BPF programs, and some room, into the budget
    #[arg(long)]
    record: bool,
}

/// What one kernel made of it.
struct Outcome {
    series: String,
    release: String,
    accelerator: &'static str,
    took: Duration,
    results: Results,
    over_budget: Vec<String>,
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.results.is_good() && self.over_budget.is_empty()
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let known = Known::read()?;
    if args.list {
        print!("{}", table::known(&known));
        return Ok(());
    }
    let kernels = known.choose(&args.kernels)?;
    let workspace = Workspace::find()?;
    setup::ensure_build(&workspace)?;
    let cache = workspace.target.join("vm");
    // Before the builds, which take longer.
    let qemu = Qemu::find(&cache, &known.qemu)?;
    eprintln!("vm: {}", qemu.shown);
    let programs = build::Programs::build(&workspace)?;
    let guest = Guest::new(&cache, &known, &programs)?;
    let mut budget = Budget::read(&workspace)?;
    let accelerator = match args.accelerator {
        Some(accelerator) => accelerator,
        None => probe(&qemu, &cache, &guest, &kernels)?,
    };
    // One after the other: what they fetch is shared.
    let ready = kernels.iter().map(|kernel| prepare(args, accelerator, &cache, &guest, kernel, &qemu));
    let ready: Vec<Ready<'_>> = ready.collect::<Result<_>>()?;
    let mut outcomes = boot_all(args, accelerator, &ready)?;
    for (outcome, ready) in outcomes.iter_mut().zip(&ready) {
        if args.record {
            budget.record(&outcome.series, &outcome.results)?;
        }
        outcome.over_budget = budget.judge(&outcome.series, &outcome.results);
        tell(outcome, &ready.logs);
    }
    println!("{}\n{}\n{}", table::tests(&outcomes), table::sizes(&outcomes), table::lost(&outcomes));
    let bad: Vec<&str> = outcomes.iter().filter(|one| !one.is_good()).map(|one| one.series.as_str()).collect();
    if !bad.is_empty() {
        bail!("failed on {}; the logs are in {}", bad.join(", "), cache.join("logs").display());
    }
    Ok(())
}

/// A kernel and its file system.
struct Ready<'a> {
    qemu: &'a Qemu,
    kernel: Kernel,
    image: PathBuf,
    logs: PathBuf,
}

impl Ready<'_> {
    fn machine(&self) -> Machine<'_> {
        Machine { qemu: self.qemu, kernel: &self.image, logs: &self.logs }
    }
}

fn prepare<'a>(
    args: &Args,
    by: Accelerator,
    cache: &Path,
    guest: &Guest,
    kernel: &Kernel,
    qemu: &'a Qemu,
) -> Result<Ready<'a>> {
    let image = guest.image(kernel)?;
    let logs = cache.join("logs").join(&kernel.series);
    fs::create_dir_all(&logs)?;
    let ready = Ready { qemu, kernel: kernel.clone(), image: image.kernel.clone(), logs };
    let limit = Duration::from_secs(args.test_limit);
    let archive = guest.archive(&image, &args.tests, limit, by.slowness())?;
    fs::write(ready.machine().initrd(), archive).context("cannot write the initramfs")?;
    Ok(ready)
}

/// What works for one kernel works for all.
fn probe(qemu: &Qemu, cache: &Path, guest: &Guest, kernels: &[Kernel]) -> Result<Accelerator> {
    let one = kernels.first().context("no kernel is known")?;
    let logs = cache.join("logs").join("probe");
    fs::create_dir_all(&logs)?;
    let image = guest.image(one)?;
    let machine = Machine { qemu, kernel: &image.kernel, logs: &logs };
    machine.probe()
}

/// Their outcomes, in the order of the kernels.
fn boot_all(args: &Args, by: Accelerator, ready: &[Ready<'_>]) -> Result<Vec<Outcome>> {
    let next = Mutex::new(ready.iter().enumerate());
    let work = || -> Result<Vec<(usize, Outcome)>> {
        let mut done = Vec::new();
        loop {
            let taken = next.lock().ok().and_then(|mut next| next.next());
            let Some((place, ready)) = taken else { return Ok(done) };
            done.push((place, boot(args, by, ready)?));
        }
    };
    let mut done = thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?);
        }
        anyhow::Ok(all)
    })?;
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

fn boot(args: &Args, by: Accelerator, ready: &Ready<'_>) -> Result<Outcome> {
    let Ready { kernel, .. } = ready;
    eprintln!("vm: booting {} ({})", kernel.release, by.name());
    let start = Instant::now();
    let machine = ready.machine();
    let end = machine.run(by, Duration::from_secs(args.limit))?;
    let took = start.elapsed();
    let text = |path: PathBuf| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let report = text(machine.report()).unwrap_or_default();
    let console = text(machine.console()).unwrap_or_default();
    let mut results = Results::read(&report, &console, &kernel.release);
    if end == End::Killed {
        results.trouble.push(format!("it ran for {} s and was stopped", took.as_secs()));
    }
    fs::remove_file(machine.initrd())?;
    eprintln!("vm: {} has ended after {:.0} s", kernel.release, took.as_secs_f64());
    Ok(Outcome {
        series: kernel.series.clone(),
        release: kernel.release.clone(),
        accelerator: by.name(),
        took,
        results,
        over_budget: Vec::new(),
    })
}

/// What is wrong with it, on stderr; the tables come last.
fn tell(outcome: &Outcome, logs: &Path) {
    let Outcome { series, results, over_budget, .. } = outcome;
    for test in &results.skipped {
        eprintln!("vm: {series}: skipped {}: needs {}", test.name, test.words);
    }
    for test in &results.again {
        eprintln!("vm: {series}: passed at the second try: {}\n{}", test.name, test.words);
    }
    for test in &results.failed {
        eprintln!("vm: {series}: FAILED {} after {:.1} s\n{}", test.name, test.seconds, test.words);
    }
    for trouble in results.trouble.iter().chain(over_budget) {
        eprintln!("vm: {series}: {trouble}");
    }
    if !outcome.is_good() {
        eprintln!("vm: {series}: all that it said is in {}", logs.display());
    }
}
