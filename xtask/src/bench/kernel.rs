//! `cargo xtask bench kernel` and `filter`: nanoseconds of each BPF program under the churn load, by the kernel's own
//! statistics.

use anyhow::{Result, bail};
use tcptrace_ebpf::names::{PROGRAM_SET_STATE, PROGRAMS};

use super::Bench;
use super::cleanup::Cleanup;
use super::idle;
use super::load::{self, Load};
use super::procfs::{self, ProgramStats};
use super::watch::Watch;
use super::{lines::Written, median};

const AIM_NS: f64 = 150.0;
/// No connection of the load has this port at either end: the server's is chosen by the kernel, from above it.
const NOBODY: [&str; 3] = ["trace", "--port", "1"];
/// Of what an event costs that passes, without what the statistics cost.
const AIM_REFUSED: f64 = 1.0 / 3.0;

/// One load under statistics.
struct Account {
    load: Load,
    programs: Vec<(&'static str, &'static str, ProgramStats)>,
    written: Written,
}

pub(super) fn run(bench: &Bench) -> Result<()> {
    let _cleanup = Cleanup::of_folder_and_statistics(&bench.folder)?;
    let idle_ns = idle::ns(bench)?;
    let account = Account::take(bench, &["trace"])?.of_something()?;
    println!(
        "kernel: {} s of churn at {:.0} connections/s under statistics; others {:.1} %, steal {:.1} %",
        bench.seconds,
        account.load.per_second,
        100.0 * account.load.foreign,
        100.0 * account.load.stolen
    );
    println!("  {:<21}{:>10}{:>11}{:>9}", "program", "runs", "ns a run", "skipped");
    for (name, _, one) in &account.programs {
        let ns = one.run_time_ns as f64 / one.runs.max(1) as f64;
        println!("  {name:<21}{:>10}{ns:>11.1}{:>9}", one.runs, one.misses);
    }
    let Written { seen, delivered, lost, refused, .. } = account.written;
    println!("  wake-ups and filtering included:");
    let event_ns = account.set_state_ns()?;
    println!("  {event_ns:>8.1} ns a set_state event (aim {AIM_NS:.0})");
    println!("  {idle_ns:>8.1} ns of these are what the statistics cost, by programs that do nothing");
    println!("  {:>8.1} ns without them", event_ns - idle_ns);
    let all_ns: u64 = account.programs.iter().map(|(_, _, one)| one.run_time_ns).sum();
    println!("  {:>8.1} ns an event that reached user space, all programs", all_ns as f64 / delivered.max(1) as f64);
    println!("  events: {seen} seen, {delivered} delivered, {lost} lost, {refused} refused");
    Ok(())
}

/// A load of which everything passes, one of which nothing does, one on which nothing is done, and so on, in turn.
pub(super) fn run_filter(bench: &Bench) -> Result<()> {
    let _cleanup = Cleanup::of_folder_and_statistics(&bench.folder)?;
    println!("filter: {} rounds of {} s of churn under statistics, ns a set_state event", bench.pairs, bench.seconds);
    println!("  idle programs show what the statistics cost; the ratio is without it");
    println!(" round      idle   passing   refused   ratio  crossed");
    let (mut idle, mut passing, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=bench.pairs {
        let idle_ns = idle::ns(bench)?;
        let all_ns = Account::take(bench, &["trace"])?.of_something()?.set_state_ns()?;
        let none = Account::take(bench, &NOBODY)?;
        let none_ns = none.set_state_ns()?;
        println!("{}{:>9}", row(&number.to_string(), idle_ns, all_ns, none_ns), none.written.seen);
        idle.push(idle_ns);
        passing.push(all_ns);
        refused.push(none_ns);
    }
    let (Some(idle), Some(passing), Some(refused)) = (median(idle), median(passing), median(refused)) else {
        bail!("no round")
    };
    println!("{} (aim {AIM_REFUSED:.3})", row("median", idle, passing, refused));
    Ok(())
}

fn row(name: &str, idle: f64, passing: f64, refused: f64) -> String {
    format!("{name:>6}{idle:>10.1}{passing:>10.1}{refused:>10.1}{:>8.3}", (refused - idle) / (passing - idle))
}

impl Account {
    fn take(bench: &Bench, arguments: &[&str]) -> Result<Self> {
        let watch = Watch::start(bench, arguments, &bench.folder.join("kernel.json"))?;
        let before = programs(watch.pid())?;
        let load = load::run(&bench.churn, load::Ending::ThreeWay, bench.seconds, Some(watch.pid()))?;
        let after = programs(watch.pid())?;
        let written = watch.stop(load.netns)?.written;
        let differences = before.into_iter().zip(after).map(|(before, after)| after.since(before));
        let programs = PROGRAMS.iter().zip(differences).map(|((name, tracepoint), one)| (*name, *tracepoint, one));
        Ok(Self { load, programs: programs.collect(), written })
    }

    fn of_something(self) -> Result<Self> {
        Ok(Self { written: self.written.of_something()?, ..self })
    }

    fn set_state_ns(&self) -> Result<f64> {
        let of_set_state = self.programs.iter().filter(|(_, tracepoint, _)| *tracepoint == PROGRAM_SET_STATE);
        idle::ns_an_event(&of_set_state.map(|(_, _, one)| *one).collect::<Vec<_>>())
    }
}

/// The account of each program. They are loaded in the order of [`PROGRAMS`], which is that of their ids; their names
/// are to be had by a system call alone.
fn programs(pid: u32) -> Result<Vec<ProgramStats>> {
    let found = procfs::programs_of(pid)?;
    if found.len() != PROGRAMS.len() {
        bail!("tcptrace holds {} BPF programs instead of {}", found.len(), PROGRAMS.len());
    }
    Ok(found.into_values().collect())
}
