//! A helper process that holds a connection until it is killed: `src/bin/actor.rs`.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// What the helper says once it is connected.
pub const CONNECTED: &str = "connected";
/// What the helper is told: put the connection into an epoll set, and never read.
pub const POLL: &str = "poll";
/// What the helper is told: read up to end-of-file, and forget to close.
pub const READ: &str = "read";
/// What the helper is told: let another process have the connection, too.
pub const SHARE: &str = "share";
/// What that other process is told in place of an address.
pub const HOLD: &str = "hold";

/// A running helper; killed when dropped.
#[derive(Debug)]
pub struct Actor {
    child: Child,
    sharer: Option<u32>,
}

impl Actor {
    /// Starts the program at `path` in the calling thread's namespace and has it connect.
    ///
    /// # Errors
    /// When it does not start or connect.
    pub fn connect(path: &Path, to: SocketAddr) -> Result<Self> {
        Self::connect_as(path, to, &[])
    }

    /// As above; it does with the connection what the words say.
    ///
    /// # Errors
    /// When it does not start or connect.
    pub fn connect_as(path: &Path, to: SocketAddr, words: &[&str]) -> Result<Self> {
        let mut command = Command::new(path);
        // It ends by itself when this process does, because its standard input ends then.
        command.arg(to.to_string()).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().with_context(|| format!("cannot start {}", path.display()))?;
        let mut actor = Self { child, sharer: None };
        let stdout = actor.child.stdout.take().context("the helper has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let mut said = line.split_whitespace();
        ensure!(said.next() == Some(CONNECTED), "the helper said {line:?}");
        actor.sharer = said.next().map(str::parse).transpose()?;
        Ok(actor)
    }

    /// The process that has the connection, too.
    #[must_use]
    pub fn sharer(&self) -> Option<u32> {
        self.sharer
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
