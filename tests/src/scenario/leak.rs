//! Programs that do not close what their peer has closed.

use std::time::Duration;

use anyhow::{Context, Result};

use super::orderly::{First, close_slowly};
use crate::{
    netns::NetNs,
    pair::Pair,
    truth::{Finding, Owner, Phase, Truth},
};

/// `first` closes, and the other side forgets to for as long as `hold`.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn close_wait(netns: &NetNs, first: First, hold: Duration) -> Result<Truth> {
    let mut truth = close_slowly(netns, Pair::connect()?, first, hold)?;
    let passive = truth.closes.last().context("a slow close has two sides")?;
    let Phase::Within(age) = passive.close_wait else { anyhow::bail!("a passive close has a CLOSE_WAIT") };
    truth.findings.push(Finding {
        ends: passive.ends,
        kind: "leak_close_wait",
        reason: "eof_seen_not_closed",
        owner: match first {
            // Its connect() was seen.
            First::Server => Owner::connecter()?,
            First::Client => Owner::Null,
        },
        age,
        outcome: None,
    });
    Ok(truth)
}
