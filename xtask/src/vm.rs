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
mod results;
mod table;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::setup;
use crate::workspace::Workspace;
use budget::Budget;
use guest::Guest;
use known::{Kernel, Known};
use machine::{Accelerator, End, Machine};
use results::Results;

/// An emulated processor is slower than the host's by about this.
const SLOWNESS_EMULATED: u32 = 5;
const SLOWNESS_KVM: u32 = 3;

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
    /// Seconds that one test may take
    #[arg(long, default_value_t = 300)]
    test_limit: u64,
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
    setup::ensure_qemu(machine::QEMU)?;
    let programs = build::Programs::build(&workspace)?;
    let cache = workspace.target.join("vm");
    let guest = Guest::new(&cache, &known, &programs)?;
    let mut budget = Budget::read(&workspace)?;
    let mut outcomes = Vec::new();
    // What works for one works for all.
    let mut accelerator = args.accelerator;
    for kernel in &kernels {
        let mut outcome = boot(args, &mut accelerator, &cache, &guest, kernel)?;
        if args.record {
            budget.record(&kernel.series, &outcome.results)?;
        }
        outcome.over_budget = budget.judge(&kernel.series, &outcome.results);
        tell(&outcome, &logs(&cache, kernel));
        outcomes.push(outcome);
    }
    println!("{}\n{}\n{}", table::tests(&outcomes), table::sizes(&outcomes), table::lost(&outcomes));
    let bad: Vec<&str> = outcomes.iter().filter(|one| !one.is_good()).map(|one| one.series.as_str()).collect();
    if !bad.is_empty() {
        bail!("failed on {}; the logs are in {}", bad.join(", "), cache.join("logs").display());
    }
    Ok(())
}

fn boot(
    args: &Args,
    accelerator: &mut Option<Accelerator>,
    cache: &Path,
    guest: &Guest,
    kernel: &Kernel,
) -> Result<Outcome> {
    let image = guest.image(kernel)?;
    let logs = logs(cache, kernel);
    fs::create_dir_all(&logs)?;
    let initrd = logs.join("initramfs");
    let machine = Machine {
        kernel: &image.kernel,
        initrd: &initrd,
        console: logs.join("console.log"),
        report: logs.join("report.log"),
        emulator: logs.join("qemu.log"),
    };
    let write = |slowness: u32| -> Result<()> {
        let limit = Duration::from_secs(args.test_limit);
        fs::write(&initrd, guest.archive(&image, &args.tests, limit, slowness)?).context("cannot write the initramfs")
    };
    write(SLOWNESS_KVM)?;
    let accelerator = *accelerator.get_or_insert_with(|| machine.probe());
    let (slowness, name) = match accelerator {
        Accelerator::Kvm => (SLOWNESS_KVM, "kvm"),
        Accelerator::Tcg => (SLOWNESS_EMULATED, "tcg"),
    };
    write(slowness)?;
    eprintln!("vm: booting {} ({name})", kernel.release);
    let start = Instant::now();
    let end = machine.run(accelerator, Duration::from_secs(args.limit))?;
    let took = start.elapsed();
    let text = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let report = text(&machine.report).unwrap_or_default();
    let console = text(&machine.console).unwrap_or_default();
    let mut results = Results::read(&report, &console, kernel.numbers());
    if end == End::Killed {
        results.trouble.push(format!("it ran for {} s and was stopped", took.as_secs()));
    }
    fs::remove_file(&initrd)?;
    let release = kernel.release.clone();
    Ok(Outcome { series: kernel.series.clone(), release, accelerator: name, took, results, over_budget: Vec::new() })
}

fn logs(cache: &Path, kernel: &Kernel) -> std::path::PathBuf {
    cache.join("logs").join(&kernel.series)
}

/// What is wrong with it, on stderr; the tables come last.
fn tell(outcome: &Outcome, logs: &Path) {
    let Outcome { series, results, over_budget, .. } = outcome;
    for test in &results.skipped {
        eprintln!("vm: {series}: skipped {}: needs {}", test.name, test.words);
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
