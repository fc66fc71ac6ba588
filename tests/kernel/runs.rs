//! How a run begins, ends, and stands beside others.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tcptrace_tests::{
    netns::{self, NetNs},
    scenario::orderly,
    tool::{self, Tool},
    wait,
};

use crate::{
    harness::{HOLD, SOON, bounded, wait_for_closes},
    judge,
};

/// A run that ends, ends within this.
const LIMIT: Duration = Duration::from_secs(20);

fn ends_with_a_summary_by(signal: Signal) -> Result<()> {
    bounded(move || {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[])?;
        let truth = netns.run(orderly::orderly)?;
        wait_for_closes(&tool, &truth)?;
        let finished = tool.stop_by(signal)?;
        finished.expect_code(0)?;
        judge::closes(&truth, &finished.lines_in(truth.netns)?)?;
        let summary = finished.summary()?;
        ensure!(summary.count("/closes") >= 2, "fewer than the 2 closes of this test: {}", summary.text);
        ensure!(summary.count("/by_role/active") >= 1, "no active close: {}", summary.text);
        ensure!(summary.count("/by_outcome/fin") >= 2, "no orderly close: {}", summary.text);
        ensure!(summary.count("/latency_ns/fin_wait1/count") >= 1, "no FIN_WAIT1: {}", summary.text);
        judge::books(&summary)
    })
}

#[test]
fn ctrl_c_finishes_the_report() -> Result<()> {
    ends_with_a_summary_by(Signal::INT)
}

#[test]
fn sigterm_finishes_the_report() -> Result<()> {
    ends_with_a_summary_by(Signal::TERM)
}

#[test]
fn a_close_just_before_the_end_is_told() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[])?;
        let truth = netns.run(|netns| orderly::half_close(netns, HOLD))?;
        // Not waited for: the end has to fetch it.
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        judge::closes(&truth, &finished.lines_in(truth.netns)?)
    })
}

#[test]
fn duration_ends_the_run() -> Result<()> {
    bounded(|| {
        let finished = Tool::trace(&["--duration", "1s"])?.finish(LIMIT)?;
        finished.expect_code(0)?;
        let duration = finished.summary()?.count("/duration_ns");
        ensure!((900_000_000..10_000_000_000).contains(&duration), "it says that it took {duration} ns");
        Ok(())
    })
}

#[test]
fn two_copies_see_everything() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tools = [Tool::trace(&[])?, Tool::trace(&[])?];
        let truth = netns.run(|netns| orderly::half_close(netns, HOLD))?;
        for tool in tools {
            wait_for_closes(&tool, &truth)?;
            let finished = tool.stop()?;
            finished.expect_code(0)?;
            judge::closes(&truth, &finished.lines_in(truth.netns)?)?;
            judge::books(&finished.summary()?)?;
        }
        Ok(())
    })
}

#[test]
fn netns_filter() -> Result<()> {
    bounded(|| {
        let (wanted, other) = (NetNs::new()?, NetNs::new()?);
        let tool = Tool::trace(&["--netns", &wanted.inode().to_string()])?;
        // Made first, and told by nobody.
        other.run(orderly::orderly)?;
        let truth = wanted.run(orderly::orderly)?;
        wait_for_closes(&tool, &truth)?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let lines = finished.lines_in(truth.netns)?;
        judge::closes(&truth, &lines)?;
        ensure!(finished.lines_in(other.inode())?.is_empty(), "not filtered:\n{}", finished.stdout);
        let closes = finished.summary()?.count("/closes");
        ensure!(closes == 2, "the summary counts {closes} closes, not 2: {}", finished.stdout);
        Ok(())
    })
}

#[test]
fn the_table_has_a_line_for_a_close() -> Result<()> {
    bounded(|| {
        let tool = Tool::live(&["trace"], &[])?;
        let truth = netns::run(orderly::orderly)?;
        let close = truth.closes.first().context("no close")?;
        let words = [close.ends.local.to_string(), close.ends.remote.to_string(), "active".into(), "fin".into()];
        let told = |text: &str| text.lines().any(|line| words.iter().all(|word| line.contains(word.as_str())));
        let waited = wait::until("a line for the close", SOON, || Ok(told(&tool.stdout()).then_some(())));
        waited.with_context(|| format!("no line with {words:?} in:\n{}", tool.stdout()))?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        ensure!(!finished.stdout.contains('\x1b'), "colours on no terminal:\n{}", finished.stdout);
        Ok(())
    })
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() -> Result<()> {
    bounded(|| {
        let (reader, writer) = std::io::pipe()?;
        let mut command = tool::command(["trace", "--output", "json", "--duration", "100s"])?;
        command.stdout(writer);
        let mut tool = Tool::watching_into(command)?;
        drop(reader);
        // It notices when it next has something to say. Another test's thread may hold a copy for a moment.
        wait::until("tcptrace to end", SOON, || {
            netns::run(orderly::orderly)?;
            Ok(tool.has_ended()?.then_some(()))
        })?;
        let finished = tool.finish(LIMIT)?;
        finished.expect_code(0)?;
        // What a kernel lacks is said at the start, and is no complaint.
        let expected = |line: &str| line.contains("watching") || line.contains("this kernel gives no");
        let complaints = finished.stderr.lines().filter(|line| !expected(line)).count();
        ensure!(complaints == 0, "not quiet: {}", finished.stderr);
        Ok(())
    })
}

#[test]
fn no_stdout_at_all_is_no_panic() -> Result<()> {
    bounded(|| {
        let mut command = tool::command(["trace", "--output", "json", "--duration", "1s"])?;
        command.stdout(Stdio::null());
        let finished = Tool::watching_into(command)?.finish(LIMIT)?;
        finished.expect_code(0)
    })
}
