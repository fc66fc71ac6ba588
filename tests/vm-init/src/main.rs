//! The first process of a machine that `cargo xtask vm` boots.
//!
//! It mounts what programs expect, loads modules, has `tcptrace check` say what it finds, runs each kernel test by
//! itself, and powers off. What it tells goes to the second serial line, a line each ([`report`]), because the kernel
//! writes to the first one whenever it likes. It is linked statically: nothing it needs can be missing.

mod machine;
mod plan;
mod report;
mod run;

use std::{path::Path, process::ExitCode};

use anyhow::Result;

use plan::Plan;
use report::Report;

const PLAN: &str = "/plan";

fn main() -> ExitCode {
    let done = work();
    // The kernel panics when its first process ends, which stops the machine, too.
    let _ = machine::power_off();
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn work() -> Result<()> {
    machine::mount_all()?;
    let mut report = Report::open()?;
    let done = carry_out(&mut report);
    match &done {
        Ok(()) => report.line("done", "")?,
        Err(error) => report.line("broken", &format!("{error:#}"))?,
    }
    done
}

fn carry_out(report: &mut Report) -> Result<()> {
    report.line("up", &machine::kernel())?;
    let plan = Plan::read(Path::new(PLAN))?;
    for module in &plan.modules {
        machine::load_module(module)?;
    }
    machine::loopback_up()?;
    run::check(&plan, report)?;
    run::tests(&plan, report)
}
