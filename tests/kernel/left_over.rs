//! Errors that are left over on a socket (`sk_err`), and are not why it ended.

use anyhow::Result;
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::scenario::left_over;

use crate::harness::{HOLD, is_older_than, prove};

#[test]
fn an_orderly_close_after_an_icmp_error() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove(|netns| left_over::orderly(netns, HOLD))
}

#[test]
fn a_passive_close_after_an_icmp_error() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove(|netns| left_over::passive(netns, HOLD))
}

#[test]
fn a_half_close_after_an_icmp_error() -> Result<()> {
    prove(|netns| left_over::half_close(netns, HOLD))
}

#[test]
fn linger_0_after_an_icmp_error() -> Result<()> {
    prove(left_over::linger_0)
}

#[test]
fn unread_data_after_an_icmp_error() -> Result<()> {
    prove(left_over::unread_data)
}

#[test]
fn disconnect_after_an_icmp_error() -> Result<()> {
    prove(left_over::disconnect)
}

#[test]
fn a_reset_received_after_an_icmp_error() -> Result<()> {
    prove(left_over::reset_received)
}

#[test]
fn an_icmp_error_in_fin_wait1() -> Result<()> {
    prove(|netns| left_over::in_fin_wait1(netns, HOLD))
}

#[test]
fn an_icmp_error_in_last_ack() -> Result<()> {
    prove(left_over::in_last_ack)
}

#[test]
fn an_orderly_close_after_a_failed_redirect() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove(|netns| left_over::failed_redirect(netns, HOLD))
}
