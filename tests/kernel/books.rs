//! Every close exactly once, however many there are.

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

const CONNECTIONS: u64 = 20_000;

#[test]
fn churn_of_20_000_closes() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[])?;
        let report = netns.run(|netns| load::run(netns, Amount::Connections(CONNECTIONS), Ending::ThreeWay))?;
        ensure!(report.connections == CONNECTIONS, "the load made {report:?}");
        let told = tool.wait_for_closes(netns.inode(), usize::try_from(2 * CONNECTIONS)?, SOON);
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        judge::whole_books(&finished.summary()?)?;
        told.with_context(|| judge::books_in_words(&finished))?;
        each_once(&finished.lines_in(netns.inode())?)
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
    let (active, passive) = (count.get("active"), count.get("passive"));
    ensure!(
        active == Some(&CONNECTIONS) && passive == Some(&CONNECTIONS),
        "{CONNECTIONS} connections were told as {active:?} active and {passive:?} passive closes"
    );
    Ok(())
}
