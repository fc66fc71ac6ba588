//! What any programs on the tracepoint cost, and what the kernel's BPF statistics cost: two readings of a clock for
//! each run of a program.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Bench;
use super::load::{self, Ending, Load};
use super::procfs::{self, ProgramStats};

/// Programs that do nothing while they are attached. Dropped, it is killed.
struct Idle(Child);

impl Idle {
    fn start(program: &Path) -> Result<Self> {
        let child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut idle = Self(child.with_context(|| format!("cannot start {}", program.display()))?);
        let said = idle.0.stdout.take().context("no output")?;
        if BufReader::new(said).read_line(&mut String::new()).context("cannot read what it says")? == 0 {
            bail!("{} attached nothing; why stands above", program.display());
        }
        Ok(idle)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // Both fail when it has ended already, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The load while as many programs as tcptrace has there do nothing: what is called costs nothing, the calls remain.
pub(super) fn load(bench: &Bench) -> Result<Load> {
    let _idle = Idle::start(&bench.idle)?;
    load::run(&bench.churn, Ending::ThreeWay, bench.seconds, None)
}

/// Nanoseconds that a set_state event costs by the statistics when as many programs as tcptrace has there do nothing.
pub(super) fn ns(bench: &Bench) -> Result<f64> {
    let idle = Idle::start(&bench.idle)?;
    let programs = || -> Result<Vec<ProgramStats>> { Ok(procfs::programs_of(idle.0.id())?.into_values().collect()) };
    let before = programs()?;
    load::run(&bench.churn, Ending::ThreeWay, bench.seconds, None)?;
    let runs = before.into_iter().zip(programs()?).map(|(before, after)| after.since(before));
    ns_an_event(&runs.collect::<Vec<_>>())
}

/// The tracepoint has several programs, each of which runs for each of its events; all of them are its price.
pub(super) fn ns_an_event(programs: &[ProgramStats]) -> Result<f64> {
    let events = programs.iter().map(|one| one.runs + one.misses).max().unwrap_or(0);
    let ns: u64 = programs.iter().map(|one| one.run_time_ns).sum();
    if events == 0 {
        bail!("no BPF program ran during the load");
    }
    Ok(ns as f64 / events as f64)
}
