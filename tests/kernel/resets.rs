//! Connections that end with a reset.

use anyhow::Result;
use tcptrace::source::differences::TIMEWAIT_RESETS;
use tcptrace_tests::scenario::{orderly::First, orphan, reset};

use crate::harness::{HOLD, is_older_than, prove};

#[test]
fn linger_0() -> Result<()> {
    prove(|netns| reset::linger_0(netns, First::Client))
}

#[test]
fn peer_reset() -> Result<()> {
    prove(|netns| reset::linger_0(netns, First::Server))
}

#[test]
fn unread_data() -> Result<()> {
    prove(reset::unread_data)
}

#[test]
fn disconnect() -> Result<()> {
    prove(reset::disconnect)
}

#[test]
fn reset_in_close_wait() -> Result<()> {
    prove(|netns| reset::in_close_wait(netns, HOLD))
}

#[test]
fn data_after_the_peers_close() -> Result<()> {
    if is_older_than(&TIMEWAIT_RESETS) {
        return Ok(());
    }
    prove(|netns| orphan::data_after_close(netns, HOLD))
}
