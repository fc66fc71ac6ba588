//! The load: as many short connections as two threads can make, both ends on this host.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::procfs::{self, CpuTimes};

const POLL: Duration = Duration::from_millis(5);

/// What one run of the load came to.
pub(super) struct Load {
    pub(super) connections: u64,
    pub(super) per_second: f64,
    /// Inode of the network namespace in which it ran.
    pub(super) netns: u64,
    /// The part of the CPU time that the hypervisor gave to others meanwhile.
    pub(super) stolen: f64,
    /// The part that other programs of this host took.
    pub(super) foreign: f64,
}

/// How the connections of the load close.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    ThreeWay,
    /// Every client becomes an orphan whose FIN_WAIT2 only a look can tell.
    HandOver,
}

/// Runs the load, in a network namespace of its own; `watch` is the process that watches it, if any.
pub(super) fn run(churn: &Path, ending: Ending, seconds: u32, watch: Option<u32>) -> Result<Load> {
    let (before, own_before) = (CpuTimes::now()?, own_cpu(watch)?);
    let mut child = Command::new(churn)
        .args(["--seconds", &seconds.to_string()])
        .args((ending == Ending::HandOver).then_some("--hand-over"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", churn.display()))?;
    let netns = own_netns(&mut child)?;
    let output = child.wait_with_output().context("cannot wait for churn")?;
    let (after, own) = (CpuTimes::now()?, own_cpu(watch)?.saturating_sub(own_before));
    if !output.status.success() {
        bail!("churn failed ({})", output.status);
    }
    let answer: Value = serde_json::from_slice(&output.stdout).context("cannot read the answer of churn")?;
    let field = |name: &str| answer.get(name).with_context(|| format!("churn does not say `{name}`"));
    let connections = field("connections")?.as_u64().unwrap_or(0);
    let took = field("seconds")?.as_f64().unwrap_or(0.0);
    if connections == 0 || took <= 0.0 {
        bail!("churn made no connections: {answer}");
    }
    Ok(Load {
        connections,
        per_second: connections as f64 / took,
        netns,
        stolen: after.stolen_since(before),
        foreign: after.foreign_since(before, own),
    })
}

/// The namespace of the threads that make the load: none but churn's own is new.
fn own_netns(child: &mut Child) -> Result<u64> {
    let ours = procfs::netns(Path::new("/proc/self"));
    while child.try_wait().context("cannot wait for churn")?.is_none() {
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().flatten();
        let mut found = tasks.filter_map(|task| procfs::netns(&task.path()));
        if let Some(netns) = found.find(|netns| Some(*netns) != ours) {
            return Ok(netns);
        }
        thread::sleep(POLL);
    }
    bail!("churn ended at once, or entered no network namespace of its own")
}

/// CPU time of the load that has ended, and of the process that goes on.
fn own_cpu(watch: Option<u32>) -> Result<Duration> {
    let watching = watch.map_or(Ok(Duration::ZERO), procfs::cpu_of)?;
    Ok(procfs::cpu_of_ended_children()? + watching)
}
