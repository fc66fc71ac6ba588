//! Errors that stay on a socket (`sk_err`) and end nothing. IPv4 only.

use std::{net::TcpStream, os::fd::AsRawFd, time::Duration};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    pair::Ends,
    segments::{Segment, Sniffer},
    wait,
};

const LIMIT: Duration = Duration::from_secs(10);

/// IP_RECVERR: ICMP errors are no longer soft, but stand in `sk_err` until somebody reads them (`tcp_v4_err()`).
///
/// # Errors
/// When the kernel refuses.
pub fn want_errors(stream: &TcpStream) -> Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on))?;
    // SAFETY: the descriptor is open, and the pointer is to a variable of the length given.
    let code = unsafe {
        libc::setsockopt(stream.as_raw_fd(), libc::IPPROTO_IP, libc::IP_RECVERR, (&raw const on).cast(), length)
    };
    if code == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).context("cannot set IP_RECVERR") }
}

/// Has a router say once that the peer's host cannot be reached, which stays on the socket though it passes.
///
/// # Errors
/// When no error shows.
pub fn leave_unreachable(stream: &TcpStream, sniffer: &Sniffer) -> Result<()> {
    want_errors(stream)?;
    sniffer.newest(Ends::of(stream)?)?.send_unreachable(true)?;
    wait_for_error(stream)
}

/// The same about a segment that is still under way.
///
/// # Errors
/// When the raw socket is refused.
pub fn unreachable(segment: &Segment) -> Result<()> {
    segment.send_unreachable(false)
}

/// Waits until the socket has an error, and leaves it there.
///
/// # Errors
/// When it has none for long.
pub fn wait_for_error(stream: &TcpStream) -> Result<()> {
    wait::until("an error on the socket", LIMIT, || {
        let mut fds = [PollFd::new(stream, PollFlags::empty())];
        poll(&mut fds, Some(&Timespec::default()))?;
        Ok(fds.iter().any(|fd| fd.revents().contains(PollFlags::ERR)).then_some(()))
    })
}
