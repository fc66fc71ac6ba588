//! A sample of connections: whole ones, and counts that stand for all.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::NetNs,
    tool::{Line, Tool},
};

use crate::{
    harness::{SOON, bounded},
    judge,
};

const CONNECTIONS: u64 = 25_000;
const CLOSES: u64 = 2 * CONNECTIONS;
const ONE_IN: u64 = 10;

/// Half the width of the interval that 95 of 100 samples have the truth in, as docs/histograms.md states it.
fn error_95(estimate: u64) -> u64 {
    let variance = (ONE_IN - 1) * (estimate * 10_000 + ONE_IN * 9_604) / 10_000 * 38_416 / 10_000;
    (ONE_IN - 1) * 19_208 / 10_000 + variance.isqrt()
}

#[test]
fn a_tenth_of_50_000_closes_stands_for_them() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let tool = Tool::trace(&["--sample", &format!("1/{ONE_IN}"), "--netns", &inode])?;
        let report = netns.run(|netns| load::run(netns, Amount::Connections(CONNECTIONS), Ending::ThreeWay))?;
        ensure!(report.connections == CONNECTIONS, "the load made {report:?}");
        let least = usize::try_from((CLOSES - error_95(CLOSES)) / ONE_IN)?;
        tool.wait_for_closes(netns.inode(), least, SOON)?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let summary = finished.summary()?;
        judge::whole_books(&summary)?;
        let estimate = summary.count("/closes");
        let error = error_95(estimate);
        ensure!(
            estimate.abs_diff(CLOSES) <= error,
            "{CLOSES} closes were estimated as {estimate}, stated error {error}"
        );
        ensure!(summary.count("/sample_one_in") == ONE_IN, "{}", summary.text);
        let lines = finished.lines_in(netns.inode())?;
        whole(&lines)?;
        ensure!(lines.len() as u64 * ONE_IN == estimate, "{} lines, each stands for {ONE_IN}", lines.len());
        // An active close has four events, a passive one three: no other crossed.
        let crossed = summary.count("/events/seen");
        let active = lines.iter().filter(|line| *line.at("/role") == "active").count() as u64;
        let wanted = 4 * active + 3 * (lines.len() as u64 - active);
        ensure!(crossed == wanted, "{crossed} events crossed, and the closes told of have {wanted}");
        Ok(())
    })
}

/// Never half a connection: every close that is told of was seen from its beginning.
fn whole(lines: &[Line]) -> Result<()> {
    let mut told = HashMap::new();
    for line in lines {
        ensure!(line.is("close") && line.count("/weight") == ONE_IN, "{}", line.text);
        ensure!(*line.at("/complete") == true, "half a close: {}", line.text);
        let cookie = line.at("/cookie").as_str().context("no cookie")?;
        ensure!(told.insert(cookie, ()).is_none(), "told twice: {}", line.text);
    }
    Ok(())
}
