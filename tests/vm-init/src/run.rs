//! Runs the tool's own check, and then each test as a process of its own, with a limit.

use std::{
    fs::{self, File},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::{plan::Plan, report::Report};

const OUTPUT: &str = "/run/output";
const POLL: Duration = Duration::from_millis(20);
/// How a test says that this kernel is older than what it needs.
const SKIPPED: &str = "skipped: needs ";

/// What the harness says at the end of one test.
const ONE_PASSED: &str = "test result: ok. 1 passed";

/// What a program did.
struct Ended {
    /// None when it had to be killed.
    status: Option<ExitStatus>,
    took: Duration,
    words: String,
}

/// `tcptrace check`, line by line, and its exit code.
pub(crate) fn check(plan: &Plan, report: &mut Report) -> Result<()> {
    let mut command = Command::new(&plan.tool);
    command.args(["check", "--output", "json"]);
    let ended = run(plan, &mut command)?;
    for line in ended.words.lines() {
        report.line("checked", line)?;
    }
    let code = ended.status.and_then(|status| status.code());
    report.line("check", &code.map_or_else(|| "killed".to_owned(), |code| code.to_string()))
}

pub(crate) fn tests(plan: &Plan, report: &mut Report) -> Result<()> {
    let names = list(plan)?;
    report.line("tests", &names.len().to_string())?;
    for name in &names {
        // An emulated machine is slow by fits and starts, and tests have to do with time: one that fails is tried
        // again, which is told. One that hangs is not.
        if test(plan, report, name)? == Verdict::Failed {
            test(plan, report, name)?;
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Verdict {
    /// It passed, or was skipped.
    Good,
    Failed,
    Hung,
}

fn test(plan: &Plan, report: &mut Report, name: &str) -> Result<Verdict> {
    let mut command = Command::new(&plan.tests);
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    let ended = run(plan, &mut command)?;
    let took = format!("{:.1}", ended.took.as_secs_f64());
    // An ignored test ends well, too, without having run.
    let passed = ended.status.is_some_and(|status| status.success()) && ended.words.contains(ONE_PASSED);
    match (passed, ended.words.split_once(SKIPPED)) {
        (true, Some((_, why))) => {
            let why = why.lines().next().unwrap_or_default();
            report.line("skipped", &format!("{name} {took} {why}"))?;
        }
        (true, None) => report.line("passed", &format!("{name} {took}"))?,
        (false, _) => {
            let hung = ended.status.is_none();
            report.line(if hung { "hung" } else { "failed" }, &format!("{name} {took}"))?;
            report.words(&ended.words)?;
            return Ok(if hung { Verdict::Hung } else { Verdict::Failed });
        }
    }
    Ok(Verdict::Good)
}

fn list(plan: &Plan) -> Result<Vec<String>> {
    let mut command = Command::new(&plan.tests);
    command.args(["--list", "--format", "terse"]);
    let ended = run(plan, &mut command)?;
    if !ended.status.is_some_and(|status| status.success()) {
        bail!("the tests cannot be listed: {}", ended.words.trim());
    }
    let names = ended.words.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.filter(|name| name.contains(&plan.filter)).map(str::to_owned).collect())
}

fn run(plan: &Plan, command: &mut Command) -> Result<Ended> {
    let output = File::create(OUTPUT).context("cannot keep what a program says")?;
    command.env_clear().envs(plan.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > plan.limit {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        thread::sleep(POLL);
    };
    let took = start.elapsed();
    clean_up();
    let words = fs::read(OUTPUT).context("cannot read what a program said")?;
    let words = String::from_utf8_lossy(&words).into_owned();
    Ok(Ended { status, took, words })
}

/// Ends what a test left behind, so that the next one begins as the first did. Nobody else runs in this machine, and
/// kernel threads take no signals.
fn clean_up() {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in numbers.filter(|number| *number > 1).filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
    while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
}
