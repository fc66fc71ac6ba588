//! Measures sock_diag on this kernel: dumps, look-ups, and a full dump beside that of `ss`. Needs root.
//! `cargo xtask bench diag` runs it; docs/benchmarks.md says what the figures mean.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints figures for a person")]

#[path = "../bench_engine/clock.rs"]
mod clock;
mod measure;
mod sockets;
mod ss;
#[path = "../bench_engine/stats.rs"]
mod stats;

use std::{env, process::ExitCode};

use anyhow::{Context, Result, bail};
use tcptrace::{
    model::{State, StateSet},
    source::diag::DiagSocket,
};
use tcptrace_tests::netns::{self, NetNs};

use sockets::Sockets;

const SOCKETS: usize = 50_000;
const USAGE: &str = "usage: bench_diag [--sockets NUMBER | --audit NUMBER]";
/// Between audits, and how many times their cost, as in the engine (`engine/config.rs`).
const AUDIT_EVERY_S: f64 = 15.0;
const AUDIT_COST_SHARE: f64 = 200.0;
/// Of each figure; the median counts.
const ROUNDS: usize = 7;
const ALL: StateSet = StateSet(u32::MAX);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench_diag: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let (count, audit) = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, None, None) => (SOCKETS, false),
        (Some("--sockets"), Some(number), None) => (number.parse().context(USAGE)?, false),
        (Some("--audit"), Some(number), None) => (number.parse().context(USAGE)?, true),
        _ => bail!(USAGE),
    };
    netns::run(|netns| if audit { report_audit(netns, count) } else { report(netns, count) })
}

/// What the engine's dumps cost on a host full of timewait sockets, of which they tell none.
fn report_audit(netns: &NetNs, timewait: usize) -> Result<()> {
    let sockets = Sockets::in_time_wait(netns, timewait)?;
    let mut diag = DiagSocket::open()?;
    let table = diag.dump(ALL, false, 0, &mut |_| ())?.sockets;
    let dump_s = measure::dump_us(&mut diag, StateSet::CLOSING, true)? * table as f64 / 1e9;
    let every_s = AUDIT_EVERY_S.max(dump_s * AUDIT_COST_SHARE);
    println!("audit: {table} sockets in a table with {timewait} in TIME_WAIT; CPU time, median of {ROUNDS}");
    println!(
        "  a dump of the closing states {:.2} ms; one every {every_s:.0} s is {:.4} of a core for each namespace",
        dump_s * 1e3,
        dump_s / every_s
    );
    drop(sockets);
    Ok(())
}

fn report(netns: &NetNs, count: usize) -> Result<()> {
    let sockets = Sockets::make(netns, count)?;
    let mut diag = DiagSocket::open()?;
    let looks = measure::looks(&mut diag)?;
    let (full, timewait) = (looks.full.len(), looks.timewait.len());
    println!("diag: {full} full and {timewait} timewait sockets; CPU time of one thread, medians of {ROUNDS}");
    // First, as timewait sockets end after a minute.
    let beside = ss::compare(&mut diag)?;
    let everything = measure::dump_us(&mut diag, ALL, false)?;
    let details = measure::dump_us(&mut diag, ALL, true)?;
    let nothing = measure::dump_us(&mut diag, StateSet::of(&[State::SynSent]), false)?;
    let closing = measure::dump_us(&mut diag, StateSet::CLOSING, true)?;
    println!("  dump, microseconds for a thousand sockets");
    println!("    all states {everything:.0}    with details {details:.0}");
    println!("    closing states alone, with details, for a thousand in the table {closing:.0}");
    println!("    a state that no socket is in, microseconds in all {:.0}", nothing * (full + timewait) as f64 / 1e3);
    println!("  look-up, nanoseconds each, in random order (of which user space)");
    for (name, looks) in [("full", &looks.full), ("timewait", &looks.timewait), ("absent", &looks.absent)] {
        let cost = measure::look(&mut diag, looks, name != "absent")?;
        println!("    {name:<8} {:>5.0} ({:.0})", cost.all_ns, cost.user_ns);
    }
    println!("    parsing an answer with details alone {:.0}", measure::parse_ns()?);
    println!("  {beside}");
    drop(sockets);
    Ok(())
}
