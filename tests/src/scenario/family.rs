//! The same over IPv6, and over IPv6 sockets that speak IPv4.

use std::time::Duration;

use anyhow::Result;

use super::orderly::{First, close_slowly};
use crate::{netns::NetNs, pair::Pair, truth::Truth};

/// A half close over IPv6.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn ipv6(netns: &NetNs, hold: Duration) -> Result<Truth> {
    close_slowly(netns, Pair::connect_v6()?, First::Client, hold)
}

/// A half close over two IPv6 sockets with v4-mapped addresses.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn v4_mapped(netns: &NetNs, hold: Duration) -> Result<Truth> {
    close_slowly(netns, Pair::connect_v4_mapped()?, First::Client, hold)
}
