//! Runs the `tcptrace` program: starts it, waits until it watches, collects what it says, stops it.

mod output;

pub use output::{Finished, Line};

use std::{
    env,
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal};

use crate::wait;

/// BPF programs take a while to be verified, on an emulated machine all the longer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A report must not take longer than this to be finished.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Lines in a message about what did not come.
const SHOWN_MOST: usize = 5;
/// For `--duration`; see [`Tool::live`].
const LONGEST: &str = "180s";
/// What it says, on standard error, once its programs are attached.
const WATCHING: &str = "watching";

/// Where the program is: TCPTRACE_BIN, or the workspace's release build.
///
/// # Errors
/// When there is none.
pub fn binary() -> Result<PathBuf> {
    let path = env::var_os("TCPTRACE_BIN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/tcptrace")),
        PathBuf::from,
    );
    ensure!(
        path.is_file(),
        "there is no tcptrace at {}: build it with `cargo build --release`, or say where it is in TCPTRACE_BIN",
        path.display()
    );
    Ok(path)
}

/// The program with these arguments, not started yet.
///
/// # Errors
/// When there is no program.
pub fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(arguments);
    Ok(command)
}

/// A running tcptrace; killed when dropped.
#[derive(Debug)]
pub struct Tool {
    child: Child,
    stdout: Collector,
    stderr: Collector,
}

impl Tool {
    /// `tcptrace trace --output json` with more arguments, watching.
    ///
    /// # Errors
    /// When it does not get as far.
    pub fn trace(arguments: &[&str]) -> Result<Self> {
        Self::live(&["trace", "--output", "json"], arguments)
    }

    /// `tcptrace` with these words and more arguments, watching, at most as long as any test takes: one that a
    /// failed test lost sight of ends by itself.
    ///
    /// # Errors
    /// When it does not get as far.
    pub fn live(words: &[&str], arguments: &[&str]) -> Result<Self> {
        let bounded = arguments.contains(&"--duration");
        let bound: &[&str] = if bounded { &[] } else { &["--duration", LONGEST] };
        Self::watching(command(words.iter().chain(arguments).chain(bound))?)
    }

    /// Starts a command and waits until it watches.
    ///
    /// # Errors
    /// When it does not get as far; with what it said.
    pub fn watching(mut command: Command) -> Result<Self> {
        command.stdout(Stdio::piped());
        Self::watching_into(command)
    }

    /// As [`Self::watching`], with its standard output going where the command sends it.
    ///
    /// # Errors
    /// When it does not get as far; with what it said.
    pub fn watching_into(mut command: Command) -> Result<Self> {
        let mut tool = Self::spawn(&mut command)?;
        let watching = wait::until("tcptrace to say that it is watching", START_LIMIT, || {
            let ended = tool.child.try_wait()?;
            if tool.stderr.text().contains(WATCHING) {
                return Ok(Some(()));
            }
            match ended {
                Some(status) => bail!("tcptrace ended before it was watching: {status}"),
                None => Ok(None),
            }
        });
        if let Err(error) = watching {
            tool.kill();
            return Err(error.context(format!("it said: {}", tool.stderr.join())));
        }
        Ok(tool)
    }

    /// Starts a command, whatever it does.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        command.stdout(Stdio::piped());
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let stdout = match child.stdout.take() {
            Some(pipe) => Collector::start(pipe)?,
            None => Collector::start(io::empty())?,
        };
        let stderr = Collector::start(child.stderr.take().context("no standard error")?)?;
        Ok(Self { child, stdout, stderr })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whole lines that it printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it said so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it has told this many closes of a namespace.
    ///
    /// # Errors
    /// When it does not within `limit`, with what it told of the namespace, or when a line is no JSON.
    pub fn wait_for_closes(&self, netns: u64, wanted: usize, limit: Duration) -> Result<()> {
        let mut used = 0;
        let mut closes = 0;
        let waited = wait::until(&format!("{wanted} closes in namespace {netns}"), limit, || {
            let new = self.stdout.from(used);
            used += new.len();
            closes += output::parse_in(netns, &new)?.iter().filter(|line| line.is("close")).count();
            Ok((closes >= wanted).then_some(()))
        });
        waited.with_context(|| {
            let lines = output::parse_in(netns, &self.stdout()).unwrap_or_default();
            let told: String = lines.iter().take(SHOWN_MOST).map(|line| format!("{}\n", line.text)).collect();
            format!("tcptrace told {closes}:\n{told}{}", self.stderr.text())
        })
    }

    /// Waits until what it has told of a namespace is enough.
    ///
    /// # Errors
    /// When it is not within `limit`, with what it told of the namespace, or when a line is no JSON.
    pub fn wait_for(&self, netns: u64, what: &str, enough: impl Fn(&[Line]) -> bool, limit: Duration) -> Result<()> {
        let mut used = 0;
        let mut lines = Vec::new();
        let waited = wait::until(what, limit, || {
            let new = self.stdout.from(used);
            used += new.len();
            lines.extend(output::parse_in(netns, &new)?);
            Ok(enough(&lines).then_some(()))
        });
        let told = || lines.iter().take(SHOWN_MOST).map(|line| format!("{}\n", line.text)).collect::<String>();
        waited.with_context(|| format!("tcptrace told:\n{}{}", told(), self.stderr.text()))
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Sends a signal to it, and to nobody else.
    ///
    /// # Errors
    /// When it has ended and was waited for.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).context("cannot signal tcptrace")
    }

    /// Ctrl-C, and all that it said.
    ///
    /// # Errors
    /// When it does not end in 30 s.
    pub fn stop(self) -> Result<Finished> {
        self.stop_by(Signal::INT)
    }

    /// As [`Self::stop`], by another signal.
    ///
    /// # Errors
    /// When it does not end in 30 s.
    pub fn stop_by(self, signal: Signal) -> Result<Finished> {
        self.signal(signal)?;
        self.finish(STOP_LIMIT)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn finish(mut self, limit: Duration) -> Result<Finished> {
        let status = wait::until("tcptrace to end", limit, || Ok(self.child.try_wait()?));
        let status: ExitStatus = status.with_context(|| format!("it said: {}", self.stderr.text()))?;
        Ok(Finished { status, stdout: self.stdout.join(), stderr: self.stderr.join() })
    }

    /// Both calls fail only for a process that has ended already.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads a pipe to its end on a thread, so that its writer never waits.
#[derive(Debug)]
struct Collector {
    text: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    fn start(pipe: impl Read + Send + 'static) -> Result<Self> {
        let text = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&text);
        let thread = thread::Builder::new().name("collector".to_owned()).spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            // A line at a time, so that nobody sees half of one.
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        })?;
        Ok(Self { text, thread: Some(thread) })
    }

    fn text(&self) -> String {
        self.from(0)
    }

    fn from(&self, start: usize) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.get(start..).unwrap_or_default().to_owned()
    }

    /// All of it, when the writer has ended.
    fn join(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            // It does not panic, and what it collected counts in any case.
            let _ = thread.join();
        }
        self.text()
    }
}
