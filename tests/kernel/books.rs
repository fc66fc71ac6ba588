//! Every close exactly once, however many there are.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use tcptrace_tests::{
    load::{self, Amount},
    netns,
    tool::{Line, Tool},
};

use crate::{
    harness::{SOON, bounded, closes_in},
    judge,
};

const CONNECTIONS: u64 = 20_000;

#[test]
fn churn_of_20_000_closes() -> Result<()> {
    bounded(|| {
        let tool = Tool::trace(&[])?;
        let (inode, report) =
            netns::run(|netns| Ok((netns.inode(), load::run(netns, Amount::Connections(CONNECTIONS))?)))?;
        ensure!(report.connections == CONNECTIONS, "the load made {report:?}");
        // The fence: whatever tells a last close has told those before.
        let wanted = usize::try_from(2 * CONNECTIONS)?;
        tool.wait_for("40,000 closes", SOON, |lines| closes_in(lines, inode).count() >= wanted)?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        judge::whole_books(&finished.summary()?)?;
        each_once(&finished.lines()?, inode)
    })
}

/// For each connection one record of either side, active and passive.
fn each_once(lines: &[Line], inode: u64) -> Result<()> {
    let mut sockets: HashMap<&str, &Line> = HashMap::new();
    let mut count: HashMap<&str, u64> = HashMap::new();
    for line in closes_in(lines, inode) {
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
    let (active, passive) = (count.get("active"), count.get("passive"));
    ensure!(
        active == Some(&CONNECTIONS) && passive == Some(&CONNECTIONS),
        "{CONNECTIONS} connections were told as {active:?} active and {passive:?} passive closes"
    );
    Ok(())
}
