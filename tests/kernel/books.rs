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
