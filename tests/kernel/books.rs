//! Every close exactly once, however many there are.

use std::{
    collections::HashMap,
    process::{self, Command, Stdio},
};

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

/// The kernel side holds each passive close until it knows whose it is, and drops those of the other process.
#[test]
fn churn_of_which_one_process_is_watched() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        let pid = process::id();
        let tool = Tool::trace(&["--pid", &pid.to_string()])?;
        let mut other = Command::new(env!("CARGO_BIN_EXE_churn"));
        let other = other.args(["--connections", &connections().to_string()]).stdout(Stdio::null()).spawn()?;
        netns.run(|netns| load::run(netns, Amount::Connections(connections()), Ending::ThreeWay))?;
        ensure!(other.wait_with_output()?.status.success(), "the other process failed");
        let unseen = unseen_at_most();
        let told = tool.wait_for_closes(netns.inode(), usize::try_from(2 * connections() - unseen)?, SOON);
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let summary = finished.summary()?;
        judge::whole_books(&summary)?;
        told.with_context(|| judge::books_in_words(&finished))?;
        let lines = finished.lines_in(netns.inode())?;
        let mut partial = 0;
        for line in lines.iter().filter(|line| line.is("close")) {
            ensure!(*line.at("/owner/pid") == pid, "another's: {}", line.text);
            partial += u64::from(*line.at("/complete") != true);
            ensure!(partial <= unseen, "not whole: {}", line.text);
        }
        let (closes, crossed) = (summary.count("/closes"), summary.count("/events/delivered"));
        // A softirq may interrupt the first program between its work and its note: then the second sends it again.
        let twice = summary.count("/anomalies/duplicates");
        ensure!(
            (2 * connections() - unseen..=2 * connections()).contains(&closes),
            "{closes} closes: {}",
            summary.text
        );
        let retransmits =
            ["tlp", "rto", "fast", "failed"].map(|kind| summary.count(&format!("/fin_retransmits/{kind}")));
        // The connect, and three steps of either side; and the end of each orphan that became a timewait socket.
        let made = 7 * connections() + twice + retransmits.iter().sum::<u64>();
        let orphans = summary.count("/looks/orphans");
        // What nobody did crosses, wherever on this host. The other process's would be three times as many.
        let few = connections() / 20;
        let right = made - 7 * unseen..made + orphans + few;
        ensure!(right.contains(&crossed), "{crossed} crossed, not {right:?}: {}", summary.text);
        Ok(())
    })
}

/// From 7.0 on a task may be preempted within a program of a tracepoint. Then a softirq can find both programs of
/// `inet_sock_set_state` busy, and its event is neither seen nor counted: a known fault, see `docs/requirements.md`.
fn unseen_at_most() -> u64 {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let major = release.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major >= 7) { connections() / 50 } else { 0 }
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
