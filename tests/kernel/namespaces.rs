//! sock_diag speaks for one namespace only, and tcptrace for the host.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    child::Actor,
    netns::NetNs,
    pair::{Ends, Pair},
    proc_net::{self, State},
    scenario::orphan,
    tool::{Line, Tool},
};

use crate::{
    harness::{SOON, bounded, is_older_than, wait_for_closes},
    judge,
};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const LONG: Duration = Duration::from_millis(800);

/// A namespace with a process in it, whose peer has closed. It is there until this is dropped.
struct Old {
    netns: Arc<NetNs>,
    pid: u32,
    local: String,
    /// What the thread waits for, whose files the process's are.
    _end: SyncSender<()>,
}

impl Old {
    fn new() -> Result<Self> {
        let netns = Arc::new(NetNs::new()?);
        let (tell, told) = mpsc::sync_channel(1);
        let (end, ended) = mpsc::sync_channel(1);
        let there = Arc::clone(&netns);
        thread::spawn(move || {
            there.run(move |_| {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let actor = Actor::connect(Path::new(ACTOR), listener.local_addr()?)?;
                let (server, from) = listener.accept()?;
                let ends = Ends::of(&server)?.reversed();
                drop::<TcpStream>(server);
                proc_net::wait_for(ends, State::CloseWait)?;
                tell.send((actor.pid(), from.to_string()))?;
                // It never says anything: the other side is dropped.
                let _: Result<(), _> = ended.recv();
                Ok(())
            })
        });
        let (pid, local) = told.recv().context("the process or its connection did not come about")?;
        Ok(Self { netns, pid, local, _end: end })
    }

    fn leak(&self, line: &Line) -> bool {
        line.is("finding") && *line.at("/kind") == "leak_close_wait" && *line.at("/local") == self.local.as_str()
    }
}

#[test]
fn two_that_are_older_and_one_that_is_younger() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let old = [Old::new()?, Old::new()?];
        let tool = Tool::trace(&["--leak-after", "2s"])?;
        let young = NetNs::new()?;
        let mut truths = Vec::new();
        for netns in [&*old[0].netns, &*old[1].netns, &young] {
            let truth = netns.run(|netns| orphan::held(netns, vec![Pair::connect()?, Pair::connect()?], LONG))?;
            truths.push(truth);
        }
        for truth in &truths {
            wait_for_closes(&tool, truth)?;
        }
        for old in &old {
            let told = |lines: &[Line]| lines.iter().any(|line| old.leak(line));
            tool.wait_for(old.netns.inode(), "the leak", told, SOON)?;
        }
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        judge::books(&finished.summary()?)?;
        for truth in &truths {
            judge::closes(truth, &finished.lines_in(truth.netns)?)?;
        }
        for old in old {
            let lines = finished.lines_in(old.netns.inode())?;
            let line = lines.iter().find(|line| old.leak(line)).context("no leak")?;
            ensure!(*line.at("/holders/list/0/pid") == old.pid, "not its holder: {}", line.text);
            ensure!(*line.at("/age_is_lower_bound") == true, "its beginning was not seen: {}", line.text);
        }
        judge::no_findings(&finished.lines_in(young.inode())?)
    })
}
