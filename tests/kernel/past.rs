//! Sockets that were closing before tcptrace was started.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    child::Actor,
    filter,
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    tool::{Finished, Line, Tool},
};

use crate::{
    harness::{SOON, bounded, is_older_than},
    judge,
};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// What is closing before the start.
struct Past {
    /// When the first of it began.
    since: Instant,
    orphan_fin_wait2: Ends,
    close_wait: TcpStream,
    fin_wait1: Ends,
    /// Whose filter keeps the FIN out.
    deaf: TcpStream,
}

impl Past {
    fn make() -> Result<Self> {
        let since = Instant::now();
        let Pair { client, server: close_wait, ends: orphan_fin_wait2 } = Pair::connect()?;
        drop(client);
        proc_net::wait_for(orphan_fin_wait2, State::FinWait2)?;
        let Pair { client, server: deaf, ends: fin_wait1 } = Pair::connect()?;
        filter::drop_all(&deaf)?;
        drop(client);
        proc_net::wait_for(fin_wait1, State::FinWait1)?;
        Ok(Self { since, orphan_fin_wait2, close_wait, fin_wait1, deaf })
    }

    fn findings(&self) -> [(&'static str, Ends); 3] {
        [
            ("stuck_fin_wait2", self.orphan_fin_wait2),
            ("leak_close_wait", self.orphan_fin_wait2.reversed()),
            ("stuck_fin_wait1", self.fin_wait1),
        ]
    }

    /// Everybody does at last what is awaited.
    fn end(self) -> Result<()> {
        pair::close_passive(self.close_wait)?;
        filter::remove(&self.deaf)?;
        pair::read_eof(&self.deaf)?;
        proc_net::wait_for(self.fin_wait1, State::FinWait2)?;
        pair::close_passive(self.deaf)
    }
}

#[test]
fn what_was_closing_before_is_told() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        let (finished, ends, oldest) = netns.run(|netns| {
            // Through whose process the namespace is found.
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let _inhabitant = Actor::connect(Path::new(ACTOR), listener.local_addr()?)?;
            let past = Past::make()?;
            let tool = Tool::trace(&["--stuck-after", "300ms", "--leak-after", "300ms"])?;
            let wanted = past.findings();
            let all = |lines: &[Line]| wanted.iter().all(|(kind, ends)| raised(lines, kind, *ends).is_some());
            tool.wait_for(netns.inode(), "three findings", all, SOON)?;
            let oldest = past.since.elapsed();
            past.end()?;
            tool.wait_for_closes(netns.inode(), 4, SOON)?;
            Ok((tool.stop()?, wanted, oldest))
        })?;
        finished.expect_code(0)?;
        let lines = finished.lines_in(netns.inode())?;
        for (kind, ends) in ends {
            let line = raised(&lines, kind, ends).context("not raised")?;
            lower_bound(line, oldest).with_context(|| line.text.clone())?;
        }
        judge_ends(&finished, &lines, ends)
    })
}

fn raised<'a>(lines: &'a [Line], kind: &str, ends: Ends) -> Option<&'a Line> {
    let fits = |line: &&Line| *line.at("/kind") == kind && *line.at("/status") == "raised" && line.has_ends(ends);
    lines.iter().filter(|line| line.is("finding")).find(fits)
}

fn lower_bound(line: &Line, oldest: Duration) -> Result<()> {
    ensure!(*line.at("/age_is_lower_bound") == true, "its beginning was not seen");
    let age = u128::from(line.at("/age_ns").as_u64().context("no age")?);
    ensure!(age <= oldest.as_nanos(), "older than it is, which is {oldest:?} at most");
    Ok(())
}

fn judge_ends(finished: &Finished, lines: &[Line], findings: [(&str, Ends); 3]) -> Result<()> {
    for (kind, ends) in findings {
        let cleared = lines.iter().any(|line| *line.at("/status") == "cleared" && line.has_ends(ends));
        ensure!(cleared, "{kind} of {ends} was not cleared:\n{}", judge::shown(lines));
        let record = lines.iter().find(|line| line.is("close") && line.has_ends(ends)).context("no record")?;
        ensure!(*record.at("/complete") == false && record.at("/close_ns").is_null(), "complete: {}", record.text);
        ensure!(*record.at("/outcome") == "fin", "{}", record.text);
    }
    let summary = finished.summary()?;
    judge::books(&summary)?;
    // A FIN that is sent again at the start may have told of the third one first.
    ensure!(summary.count("/looks/found_closing") >= 2, "not counted: {}", summary.text);
    Ok(())
}
