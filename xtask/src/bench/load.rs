//! The load: as many short connections as two threads can make, both ends on this host.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::procfs::CpuTimes;
use crate::process;

/// What one run of the load came to.
pub(super) struct Load {
    pub(super) connections: u64,
    pub(super) per_second: f64,
    /// The part of the CPU time that the hypervisor gave to others meanwhile.
    pub(super) stolen: f64,
}

/// Runs the load, in a network namespace of its own.
pub(super) fn run(churn: &Path, seconds: u32) -> Result<Load> {
    let before = CpuTimes::now()?;
    let answer = process::output(Command::new(churn).args(["--seconds", &seconds.to_string()]))?;
    let stolen = CpuTimes::now()?.stolen_since(before);
    let answer: Value = serde_json::from_str(&answer).context("cannot read the answer of churn")?;
    let field = |name: &str| answer.get(name).with_context(|| format!("churn does not say `{name}`"));
    let connections = field("connections")?.as_u64().unwrap_or(0);
    let took = field("seconds")?.as_f64().unwrap_or(0.0);
    if connections == 0 || took <= 0.0 {
        bail!("churn made no connections: {answer}");
    }
    Ok(Load { connections, per_second: connections as f64 / took, stolen })
}
