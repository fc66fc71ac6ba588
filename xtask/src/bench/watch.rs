//! One run of tcptrace into a file, as JSON.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::Bench;
use super::lines::{self, Written};
use super::procfs;
use crate::process;

/// Part of what tcptrace says when its programs are attached.
const READY: &str = "watching";
/// Names of threads.
const LOOK: &str = "tcptrace-look";
const DUMP: &str = "tcptrace-dump";
/// Loading and verifying takes about a second; a machine full of work may need longer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Draining what is left, and the summary.
const END_LIMIT: Duration = Duration::from_secs(60);
/// A run ends by itself this long after the load should have, whatever became of us.
const SPARE_SECONDS: u32 = 120;
/// The load's last closes may take this long: a FIN that was lost is sent again after 0.2 s, and what a look found
/// still open is looked at again after 0.5 s.
const LAST_CLOSES: Duration = Duration::from_millis(1000);
const POLL: Duration = Duration::from_millis(10);

/// tcptrace while it watches. Dropped before its end, it is killed.
pub(super) struct Watch {
    child: Child,
    file: PathBuf,
    cpu_at_start: Duration,
    /// When everything was attached.
    look_at_start: Duration,
    dump_at_start: Duration,
}

/// What a run came to.
pub(super) struct Watched {
    pub(super) written: Written,
    /// User and system time from the moment when everything was attached.
    pub(super) cpu: Duration,
    /// And before it: reading BTF, loading, the verifier.
    pub(super) cpu_of_start: Duration,
    /// Of `cpu`: the thread that looks at single sockets, until the end was asked for.
    pub(super) look: Duration,
    /// And the one that dumps.
    pub(super) dump: Duration,
}

impl Watch {
    /// Starts tcptrace with these arguments and returns when it sees every close.
    pub(super) fn start(bench: &Bench, arguments: &[&str], file: &Path) -> Result<Self> {
        let tcptrace = &bench.tcptrace;
        let life = format!("{}s", bench.seconds.saturating_add(SPARE_SECONDS));
        let out = File::create(file).with_context(|| format!("cannot make {}", file.display()))?;
        let mut child = Command::new(tcptrace)
            .args(arguments)
            .args(["--output", "json", "--duration", &life])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", tcptrace.display()))?;
        let talk = child.stderr.take();
        let mut watch = Self {
            child,
            file: file.to_owned(),
            cpu_at_start: Duration::ZERO,
            look_at_start: Duration::ZERO,
            dump_at_start: Duration::ZERO,
        };
        let (sender, ready) = sync_channel(1);
        thread::spawn(move || pass_on(talk, &sender));
        watch.await_ready(&ready)?;
        watch.cpu_at_start = procfs::cpu_of(watch.pid())?;
        (watch.look_at_start, watch.dump_at_start) = watch.lookers()?;
        Ok(watch)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far of the two threads that ask sock_diag.
    fn lookers(&self) -> Result<(Duration, Duration)> {
        Ok((procfs::cpu_of_threads(self.pid(), LOOK)?, procfs::cpu_of_threads(self.pid(), DUMP)?))
    }

    fn await_ready(&self, ready: &Receiver<()>) -> Result<()> {
        ready.recv_timeout(START_LIMIT).map_err(|error| match error {
            RecvTimeoutError::Disconnected => anyhow!("tcptrace ended before it watched; why stands above"),
            RecvTimeoutError::Timeout => anyhow!("tcptrace did not watch within {} s", START_LIMIT.as_secs()),
        })
    }

    /// Ends the run as Ctrl-C would, and reads what it wrote of the load in that namespace.
    pub(super) fn stop(mut self, netns: u64) -> Result<Watched> {
        thread::sleep(LAST_CLOSES);
        if let Some(status) = self.child.try_wait().context("cannot wait for tcptrace")? {
            bail!("tcptrace ended during the measurement ({status})");
        }
        let (look, dump) = self.lookers()?;
        // std can only kill.
        process::run(Command::new("sh").args(["-c", r#"kill -INT "$0""#, &self.pid().to_string()]))?;
        let before = procfs::cpu_of_ended_children()?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for tcptrace")? {
                break status;
            }
            if start.elapsed() > END_LIMIT {
                bail!("tcptrace did not end within {} s of SIGINT", END_LIMIT.as_secs());
            }
            thread::sleep(POLL);
        };
        if !status.success() {
            bail!("tcptrace failed ({status})");
        }
        let whole = procfs::cpu_of_ended_children()?.saturating_sub(before);
        Ok(Watched {
            written: lines::read(&self.file, netns)?,
            cpu: whole.saturating_sub(self.cpu_at_start),
            cpu_of_start: self.cpu_at_start,
            look: look.saturating_sub(self.look_at_start),
            dump: dump.saturating_sub(self.dump_at_start),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both fail when it has been waited for already, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what tcptrace has to say, but for the line that was waited for.
fn pass_on(talk: Option<ChildStderr>, ready: &SyncSender<()>) {
    let Some(talk) = talk else { return };
    for line in BufReader::new(talk).lines().map_while(Result::ok) {
        if line.contains(READY) {
            // Nobody listens any more when it took too long.
            let _ = ready.try_send(());
        } else {
            eprintln!("  {line}");
        }
    }
}
