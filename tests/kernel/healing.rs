//! The reader does not read while events are lost, and the books heal.

use std::{collections::HashSet, time::Duration};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::NetNs,
    tool::{Line, Tool},
    wait,
};

use crate::{
    harness::{bounded, is_older_than},
    judge,
};

/// Closes of both sides, four times as many as the ring buffer holds the events of at least.
fn connections() -> u64 {
    20_000 / u64::from(wait::slowness())
}

const LIMIT: Duration = Duration::from_secs(40);
const CLOSING: [&str; 5] = ["fin_wait1", "fin_wait2", "closing", "close_wait", "last_ack"];

/// Sockets of which a step of their close was told, and no end.
fn ghosts(lines: &[Line]) -> HashSet<&str> {
    let cookie = |line: &'_ Line| line.at("/cookie").as_str().map(str::to_owned);
    let ended: HashSet<String> = lines.iter().filter(|line| line.is("close")).filter_map(cookie).collect();
    let closing = |line: &&Line| line.is("transition") && CLOSING.iter().any(|state| *line.at("/new") == *state);
    let begun = lines.iter().filter(closing).filter_map(|line| line.at("/cookie").as_str());
    begun.filter(|cookie| !ended.contains(*cookie)).collect()
}

/// Findings that were raised and not cleared.
fn standing(lines: &[Line]) -> usize {
    let count = |status: &str| lines.iter().filter(|line| line.is("finding") && *line.at("/status") == status).count();
    count("raised") - count("cleared")
}

#[test]
fn no_ghost_is_left_after_a_loss() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&["--ring-mib", "1", "--transitions", "--stuck-after", "1s", "--leak-after", "1s"])?;
        tool.signal(Signal::STOP)?;
        let report = netns.run(|netns| load::run(netns, Amount::Connections(connections()), Ending::HandOver))?;
        tool.signal(Signal::CONT)?;
        ensure!(report.connections == connections(), "the load made {report:?}");
        // Every socket of the load has ended, so whatever is open is a ghost. Before the loss shows, there may be none.
        let has_lost = |line: &Line| line.is("close") && *line.at("/reason") == "events_lost";
        let healed = |lines: &[Line]| lines.iter().any(has_lost) && ghosts(lines).is_empty();
        let waited = tool.wait_for(netns.inode(), "no ghost to be left", healed, LIMIT);
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let lines = finished.lines_in(netns.inode())?;
        let summary = finished.summary()?;
        let left = ghosts(&lines).len();
        ensure!(waited.is_ok(), "{left} ghosts are left; {}", judge::books_in_words(&finished));
        judge::books(&summary)?;
        ensure!(summary.count("/events/lost") > 0, "nothing was lost, so this proves nothing: {}", summary.text);
        let healed = lines.iter().filter(|line| line.is("close") && *line.at("/reason") == "events_lost").count();
        ensure!(healed > 0 && summary.count("/looks/healed") >= healed as u64, "{healed} healed: {}", summary.text);
        ensure!(standing(&lines) == 0, "findings are left: {}", judge::books_in_words(&finished));
        Ok(())
    })
}
