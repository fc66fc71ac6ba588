//! Every close exactly once, however many there are.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::NetNs,
    tool::{Line, Tool},
    wait,
};

use crate::{
    harness::{SOON, bounded, is_older_than},
    judge,
};

/// An emulated machine takes a minute and a half for as many, so it makes fewer.
fn connections() -> u64 {
    20_000 / u64::from(wait::slowness())
}

#[test]
fn churn_of_20_000_closes() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[])?;
        let report = netns.run(|netns| load::run(netns, Amount::Connections(connections()), Ending::ThreeWay))?;
        ensure!(report.connections == connections(), "the load made {report:?}");
        let told = tool.wait_for_closes(netns.inode(), usize::try_from(2 * connections())?, SOON);
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        judge::whole_books(&finished.summary()?)?;
        told.with_context(|| judge::books_in_words(&finished))?;
        each_once(&finished.lines_in(netns.inode())?)
    })
}

/// The kernel side holds each of these closes until it knows whose it is, and drops those of the other thread.
#[test]
fn churn_of_which_one_thread_is_watched() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&["--comm", "server", "--netns", &netns.inode().to_string()])?;
        netns.run(|netns| load::run(netns, Amount::Connections(connections()), Ending::ThreeWay))?;
        let told = tool.wait_for_closes(netns.inode(), usize::try_from(connections())?, SOON);
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let summary = finished.summary()?;
        judge::whole_books(&summary)?;
        told.with_context(|| judge::books_in_words(&finished))?;
        let lines = finished.lines_in(netns.inode())?;
        for line in lines.iter().filter(|line| line.is("close")) {
            let whole = *line.at("/role") == "passive" && *line.at("/complete") == true;
            ensure!(whole && *line.at("/owner/comm") == "server", "not whole, or another's: {}", line.text);
        }
        let (closes, crossed) = (summary.count("/closes"), summary.count("/events/delivered"));
        // A softirq may interrupt the first program between its work and its note: then the second sends it again.
        let twice = summary.count("/anomalies/duplicates");
        ensure!(closes == connections(), "{closes} closes: {}", summary.text);
        let retransmits =
            ["tlp", "rto", "fast", "failed"].map(|kind| summary.count(&format!("/fin_retransmits/{kind}")));
        ensure!(crossed == 3 * connections() + twice + retransmits.iter().sum::<u64>(), "{}", summary.text);
        Ok(())
    })
}

/// For each connection one record of either side, active and passive.
fn each_once(lines: &[Line]) -> Result<()> {
    let mut sockets: HashMap<&str, &Line> = HashMap::new();
    let mut count: HashMap<&str, u64> = HashMap::new();
    for line in lines.iter().filter(|line| line.is("close")) {
        let cookie = line.at("/cookie").as_str().with_context(|| format!("no cookie: {}", line.text))?;
        if let Some(other) = sockets.insert(cookie, line) {
            anyhow::bail!("told twice:\n{}\n{}", other.text, line.text);
        }
        let role = line.at("/role").as_str().unwrap_or_default();
        ensure!(matches!(role, "active" | "passive"), "neither active nor passive: {}", line.text);
        *count.entry(role).or_default() += 1;
        if role == "passive" {
            ensure!(*line.at("/outcome") == "fin" && *line.at("/complete") == true, "not whole: {}", line.text);
        }
    }
    let (active, passive, connections) = (count.get("active"), count.get("passive"), connections());
    ensure!(
        active == Some(&connections) && passive == Some(&connections),
        "{connections} connections were told as {active:?} active and {passive:?} passive closes"
    );
    Ok(())
}
