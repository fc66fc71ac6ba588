//! Closes that end in order, or that nobody sees the end of.

use std::{path::Path, time::Duration};

use anyhow::Result;
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::scenario::{crossing, family, lost_fin, orderly, orphan, quiet, zero_window};

use crate::harness::{HOLD, is_older_than, prove};

#[test]
fn orderly_close() -> Result<()> {
    prove(orderly::orderly)
}

#[test]
fn half_close() -> Result<()> {
    prove(|netns| orderly::half_close(netns, HOLD))
}

#[test]
fn passive_hold() -> Result<()> {
    prove(|netns| orderly::passive_hold(netns, HOLD))
}

#[test]
fn three_way_close() -> Result<()> {
    prove(orderly::three_way)
}

#[test]
fn no_room_for_a_timewait_socket() -> Result<()> {
    prove(|netns| orderly::time_wait_overflow(netns, HOLD))
}

#[test]
fn close_after_shutdown_does_not_restart_the_phase() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove(|netns| lost_fin::self_transition(netns, HOLD))
}

#[test]
fn fin_lost_then_restored() -> Result<()> {
    prove(|netns| lost_fin::lost_then_restored(netns, Duration::from_millis(1200)))
}

#[test]
fn simultaneous_close() -> Result<()> {
    prove(|netns| crossing::simultaneous(netns, HOLD))
}

#[test]
fn simultaneous_close_seen_by_one_side() -> Result<()> {
    prove(|netns| crossing::seen_by_one_side(netns, HOLD))
}

#[test]
fn zero_window() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove(|netns| zero_window::zero_window(netns, HOLD))
}

#[test]
fn orphan_whose_peer_holds() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove(|netns| orphan::peer_holds(netns, HOLD))
}

#[test]
fn orphan_timeout() -> Result<()> {
    prove(orphan::timeout)
}

#[test]
fn kill_9_of_the_closer() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove(|netns| orphan::killed_closer(netns, Path::new(env!("CARGO_BIN_EXE_actor")), HOLD))
}

#[test]
fn ipv6() -> Result<()> {
    prove(|netns| family::ipv6(netns, HOLD))
}

#[test]
fn v4_mapped() -> Result<()> {
    prove(|netns| family::v4_mapped(netns, HOLD))
}

#[test]
fn a_closed_listener_is_no_close() -> Result<()> {
    prove(quiet::listener_closed)
}

#[test]
fn a_refused_connection_is_no_close() -> Result<()> {
    prove(quiet::refused)
}
