//! A helper process that holds a connection until it is killed: `src/bin/actor.rs`.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use rustix::thread::CapabilitySet;

use crate::privileges::become_user;

/// What the helper says once it is connected.
pub const CONNECTED: &str = "connected";
/// Leave the socket alone.
pub const HOLD: &str = "hold";
/// Wait for it in an epoll set, and do not read.
pub const POLL: &str = "poll";

/// Run the program that the next words name in a pid namespace of its own.
pub const PID_NAMESPACE: &str = "pidns";

/// A running helper; killed when dropped.
#[derive(Debug)]
pub struct Actor {
    child: Child,
}

impl Actor {
    /// Starts the program at `path` in the calling thread's namespace and has it connect.
    ///
    /// # Errors
    /// When it does not start or connect.
    pub fn connect(path: &Path, to: SocketAddr) -> Result<Self> {
        let mut command = Command::new(path);
        // It ends by itself when this process does, because its standard input ends then.
        command.arg(to.to_string()).stdin(Stdio::piped());
        Self::start(command)
    }

    /// Starts the program at `path` and gives it a socket, as its standard input. `how` is what it does with that:
    /// [`HOLD`] or [`POLL`].
    ///
    /// # Errors
    /// When it does not start.
    pub fn given(path: &Path, how: &str, socket: impl Into<OwnedFd>) -> Result<Self> {
        let mut command = Command::new(path);
        command.arg(how).stdin(Stdio::from(socket.into()));
        Self::start(command)
    }

    /// As [`Self::given`], as another user without capabilities.
    ///
    /// # Errors
    /// When it does not start, as where that user may not run the program.
    pub fn given_to(user: u32, path: &Path, how: &str, socket: impl Into<OwnedFd>) -> Result<Self> {
        let mut command = Command::new(path);
        command.arg(how).stdin(Stdio::from(socket.into()));
        become_user(&mut command, user, CapabilitySet::empty());
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self> {
        let child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut actor = Self { child };
        let stdout = actor.child.stdout.take().context("the helper has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.trim_end() == CONNECTED, "the helper said {line:?}");
        Ok(actor)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its name as the kernel has it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn comm(&self) -> Result<String> {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pid()))?;
        Ok(name.trim_end_matches('\n').to_owned())
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
