//! `cargo xtask bench kernel`: nanoseconds of each BPF program under the churn load, by the kernel's own statistics.

use anyhow::{Context, Result, bail};

use super::Bench;
use super::cleanup::Cleanup;
use super::procfs::{self, ProgramStats};
use super::watch::Watch;
use super::{lines::Written, load};

/// tcptrace's programs in the order in which it loads them (`tcptrace_ebpf::names::PROGRAMS`), which is that of their
/// ids: a program's own name is to be had by a system call alone.
const PROGRAMS: [&str; 4] = [
    "inet_sock_set_state",
    "tcp_retransmit_skb",
    "tcp_receive_reset",
    "tcp_send_reset",
];
const AIM_NS: f64 = 150.0;

pub(super) fn run(bench: &Bench) -> Result<()> {
    let _cleanup = Cleanup::of_folder_and_statistics(&bench.folder)?;
    let watch = Watch::start(&bench.tcptrace, &bench.folder.join("kernel.json"))?;
    let before = programs(watch.pid())?;
    let load = load::run(&bench.churn, bench.seconds)?;
    let after = programs(watch.pid())?;
    let written = watch.stop()?.written;
    println!(
        "kernel: {} s of churn at {:.0} connections/s (slower than without statistics), steal {:.1} %",
        bench.seconds,
        load.per_second,
        100.0 * load.stolen
    );
    let mut all = ProgramStats::default();
    println!("  {:<21}{:>10}{:>11}{:>9}", "program", "runs", "ns a run", "skipped");
    for (name, (before, after)) in PROGRAMS.iter().zip(before.into_iter().zip(after)) {
        let stats = after.since(before);
        println!(
            "  {name:<21}{:>10}{:>11}{:>9}",
            stats.runs,
            ns_per(stats.run_time_ns, stats.runs),
            stats.misses
        );
        all.run_time_ns += stats.run_time_ns;
        all.runs += stats.runs;
    }
    conclude(all, &written)
}

fn conclude(all: ProgramStats, written: &Written) -> Result<()> {
    if all.runs == 0 {
        bail!("no BPF program ran during the load");
    }
    println!(
        "  each event that reached user space: {} ns, runs that filtered and wake-ups included (aim {AIM_NS:.0})",
        ns_per(all.run_time_ns, written.delivered)
    );
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

fn programs(pid: u32) -> Result<[ProgramStats; PROGRAMS.len()]> {
    let found = procfs::programs_of(pid)?;
    let count = found.len();
    let stats: Vec<ProgramStats> = found.into_values().collect();
    let stats = stats.try_into().ok();
    stats.with_context(|| format!("tcptrace holds {count} BPF programs instead of {}", PROGRAMS.len()))
}
