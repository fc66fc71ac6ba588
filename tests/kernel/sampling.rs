//! A sample of connections: whole ones, and counts that stand for all.

use std::collections::HashSet;

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

/// An emulated machine takes minutes for as many, so it makes fewer.
fn connections() -> u64 {
    25_000 / u64::from(wait::slowness())
}

const ONE_IN: u64 = 10;
/// Of 100 samples 5 are further off than the stated error; twice as far are 9 in 100,000.
const WIDTHS: u64 = 2;

/// Half the width of the interval that 95 of 100 samples have the truth in, as docs/histograms.md states it.
fn error_95(estimate: u64) -> u64 {
    let variance = (ONE_IN - 1) * (estimate * 10_000 + ONE_IN * 9_604) / 10_000 * 38_416 / 10_000;
    (ONE_IN - 1) * 19_208 / 10_000 + variance.isqrt()
}

#[test]
fn a_tenth_of_50_000_closes_stands_for_them() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let all = 2 * connections();
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let tool = Tool::trace(&["--sample", &format!("1/{ONE_IN}"), "--netns", &inode, "--transitions"])?;
        let report = netns.run(|netns| load::run(netns, Amount::Connections(connections()), Ending::ThreeWay))?;
        ensure!(report.connections == connections(), "the load made {report:?}");
        let least = usize::try_from((all - WIDTHS * error_95(all)) / ONE_IN)?;
        tool.wait_for_closes(netns.inode(), least, SOON)?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let summary = finished.summary()?;
        judge::whole_books(&summary)?;
        let estimate = summary.count("/closes");
        let error = WIDTHS * error_95(estimate);
        ensure!(
            estimate.abs_diff(all) <= error,
            "{all} closes were estimated as {estimate}, {WIDTHS} stated errors are {error}"
        );
        ensure!(summary.count("/sample_one_in") == ONE_IN, "{}", summary.text);
        let (closes, events): (Vec<_>, Vec<_>) =
            finished.lines_in(netns.inode())?.into_iter().partition(|line| line.is("close"));
        let told = whole(&closes)?;
        ensure!(closes.len() as u64 * ONE_IN == estimate, "{} lines, each stands for {ONE_IN}", closes.len());
        // Every event that crossed has a line, and is one of a socket whose close is told: never half a life.
        let crossed = summary.count("/events/delivered");
        ensure!(events.len() as u64 == crossed, "{crossed} events crossed, and {} were printed", events.len());
        // A listener answers strays with resets; it is no connection.
        let of_life = |line: &&Line| *line.at("/state") != "listen";
        let is_told = |line: &Line| line.at("/cookie").as_str().is_some_and(|cookie| told.contains(cookie));
        let stray = events.iter().filter(of_life).find(|line| !is_told(line));
        ensure!(stray.is_none(), "of a socket without a close: {stray:?}");
        Ok(())
    })
}

/// Cookies of closes, each of which is told once and was seen from its beginning.
fn whole(closes: &[Line]) -> Result<HashSet<&str>> {
    let mut told = HashSet::new();
    for line in closes {
        ensure!(line.count("/weight") == ONE_IN, "{}", line.text);
        ensure!(*line.at("/complete") == true, "half a close: {}", line.text);
        let cookie = line.at("/cookie").as_str().context("no cookie")?;
        ensure!(told.insert(cookie), "told twice: {}", line.text);
    }
    Ok(told)
}
