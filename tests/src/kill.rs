//! `ss -K`: ends one socket by the kernel's own hand (`SOCK_DESTROY`, `tcp_abort()`). IPv4 only.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr},
};

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use crate::pair::Ends;

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const NLMSG_ERROR: u16 = 2;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
/// sizeof(struct nlmsghdr) + sizeof(struct inet_diag_req_v2)
const LENGTH: u32 = 16 + 56;

/// Kills the socket with these ends in the calling thread's namespace.
///
/// # Errors
/// When there is none, or the kernel refuses.
pub fn kill(ends: Ends) -> Result<()> {
    let mut request = Vec::new();
    request.extend(LENGTH.to_ne_bytes());
    request.extend(SOCK_DESTROY.to_ne_bytes());
    request.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([AF_INET, IPPROTO_TCP, 0, 0]);
    request.extend(u32::MAX.to_ne_bytes());
    for end in [ends.local, ends.remote] {
        request.extend(end.port().to_be_bytes());
    }
    for end in [ends.local, ends.remote] {
        request.extend(address(end)?);
    }
    // No interface, any cookie.
    request.extend([0; 4]);
    request.extend([0xff; 8]);
    let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    socket.write_all(&request)?;
    let mut answer = [0; 256];
    let length = socket.read(&mut answer)?;
    let answer = answer.get(..length).unwrap_or_default();
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    ensure!(kind == Some(NLMSG_ERROR), "netlink answered {answer:?}");
    let errno = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match errno.context("a short answer")? {
        0 => Ok(()),
        errno => Err(std::io::Error::from_raw_os_error(-errno)).with_context(|| format!("cannot kill {ends}")),
    }
}

fn address(end: SocketAddr) -> Result<Vec<u8>> {
    let IpAddr::V4(ip) = end.ip() else { bail!("{end} is not IPv4") };
    let mut bytes = ip.octets().to_vec();
    bytes.resize(16, 0);
    Ok(bytes)
}
