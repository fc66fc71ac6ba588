//! `cargo xtask bench kernel`: nanoseconds of each BPF program under the churn load, by the kernel's own statistics.

use anyhow::{Result, bail};
use tcptrace_ebpf::names::{PROGRAM_SET_STATE, PROGRAMS};

use super::Bench;
use super::cleanup::Cleanup;
use super::procfs::{self, ProgramStats};
use super::watch::Watch;
use super::{lines::Written, load};

const AIM_NS: f64 = 150.0;

pub(super) fn run(bench: &Bench) -> Result<()> {
    let _cleanup = Cleanup::of_folder_and_statistics(&bench.folder)?;
    let watch = Watch::start(bench, &bench.folder.join("kernel.json"))?;
    let before = programs(watch.pid())?;
    let load = load::run(&bench.churn, load::Ending::ThreeWay, bench.seconds, Some(watch.pid()))?;
    let after = programs(watch.pid())?;
    let written = watch.stop(load.netns)?.written;
    println!(
        "kernel: {} s of churn at {:.0} connections/s under statistics; others {:.1} %, steal {:.1} %",
        bench.seconds,
        load.per_second,
        100.0 * load.foreign,
        100.0 * load.stolen
    );
    println!("  {:<21}{:>10}{:>11}{:>9}", "program", "runs", "ns a run", "skipped");
    let mut stats = Vec::new();
    for ((name, tracepoint), (before, after)) in PROGRAMS.iter().zip(before.into_iter().zip(after)) {
        let one = after.since(before);
        println!("  {name:<21}{:>10}{:>11}{:>9}", one.runs, ns_per(one.run_time_ns, one.runs), one.misses);
        stats.push((*tracepoint, one));
    }
    conclude(&stats, &written)
}

/// The tracepoint has several programs, each of which runs for each of its events; all of them are its price.
fn conclude(stats: &[(&str, ProgramStats)], written: &Written) -> Result<()> {
    let of_set_state = || stats.iter().filter(|(tracepoint, _)| *tracepoint == PROGRAM_SET_STATE);
    let events = of_set_state().map(|(_, one)| one.runs + one.misses).max().unwrap_or(0);
    let set_state_ns = of_set_state().map(|(_, one)| one.run_time_ns).sum();
    let all_ns = stats.iter().map(|(_, one)| one.run_time_ns).sum();
    if events == 0 {
        bail!("no BPF program ran during the load");
    }
    println!("  wake-ups and filtering included:");
    println!("  {:>8} ns a set_state event (aim {AIM_NS:.0})", ns_per(set_state_ns, events));
    println!("  {:>8} ns an event that reached user space, all programs", ns_per(all_ns, written.delivered));
    println!(
        "  events: {} seen, {} delivered, {} lost, {} refused",
        written.seen, written.delivered, written.lost, written.refused
    );
    Ok(())
}

fn ns_per(ns: u64, count: u64) -> String {
    if count == 0 {
        return "-".to_owned();
    }
    format!("{:.1}", ns as f64 / count as f64)
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
