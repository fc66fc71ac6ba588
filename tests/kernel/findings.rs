//! Stuck and leaked sockets: raised after their threshold, cleared as they move on.

use std::time::Duration;

use anyhow::{Context, Result};
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    netns::NetNs,
    scenario::{leak, lost_fin, orderly::First, orphan, zero_window},
    tool::Tool,
    truth::Truth,
};

use crate::{
    harness::{bounded, is_older_than, observe, wait_for_closes},
    judge,
};

const THRESHOLD_MS: u64 = 300;
/// Well past the threshold, so that no bound depends on how busy the machine is.
const LONG: Duration = Duration::from_millis(1200);
/// Who holds a leak is searched for in all processes, for every test's leaks in turn.
const LEAK: Duration = Duration::from_secs(4);

fn prove_findings(scenario: fn(&NetNs) -> Result<Truth>) -> Result<()> {
    bounded(move || {
        let threshold = format!("{THRESHOLD_MS}ms");
        let arguments = ["--stuck-after", &threshold, "--leak-after", &threshold];
        let (truth, finished) = observe(&arguments, scenario)?;
        let lines = finished.lines_in(truth.netns)?;
        judge::closes(&truth, &lines).with_context(|| judge::books_in_words(&finished))?;
        judge::findings(&truth, &lines, THRESHOLD_MS)
    })
}

#[test]
fn leaked_close_wait_of_a_client() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove_findings(|netns| leak::close_wait(netns, First::Server, LEAK))
}

#[test]
fn leaked_close_wait_of_a_server() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove_findings(|netns| leak::close_wait(netns, First::Client, LEAK))
}

#[test]
fn fin_wait1_stuck_on_a_lost_fin() -> Result<()> {
    prove_findings(|netns| lost_fin::lost_then_restored(netns, LONG))
}

#[test]
fn fin_wait1_stuck_on_a_zero_window() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove_findings(|netns| zero_window::zero_window(netns, LONG))
}

#[test]
fn fin_wait1_stuck_until_its_timeout() -> Result<()> {
    prove_findings(orphan::timeout)
}

/// A program has held the socket in FIN_WAIT2 for much longer than the threshold, which is no finding; the orphan
/// becomes one when it has waited that long itself.
#[test]
fn an_orphan_is_stuck_from_its_close_on() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let (held, open) = (Duration::from_secs(4), Duration::from_secs(2));
        let (truth, finished) = observe(&["--stuck-after", "1s"], |netns| orphan::closed_late(netns, held, open))?;
        let lines = finished.lines_in(truth.netns)?;
        judge::closes(&truth, &lines).with_context(|| judge::books_in_words(&finished))?;
        judge::findings(&truth, &lines, 1_000)
    })
}

#[test]
fn findings_give_exit_code_1_where_asked() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&["--leak-after", "300ms", "--exit-code"])?;
        let truth = netns.run(|netns| leak::close_wait(netns, First::Server, LONG))?;
        wait_for_closes(&tool, &truth)?;
        tool.stop()?.expect_code(1)
    })
}
