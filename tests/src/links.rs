//! Pairs of virtual Ethernet interfaces between namespaces, without help of other programs.

use std::{
    ffi::CStr,
    net::Ipv6Addr,
    os::{fd::AsRawFd, unix::net::UnixDatagram},
};

use anyhow::{Context, Result};
use rustix::net::netdevice::name_to_index;

use crate::netns::{NetNs, ask};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLM_F_CREATE_EXCL: u16 = 0x600;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFF_UP: u32 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_ADDRESS: u16 = 1;
/// No search for others with this address, which would keep it from being used for a second.
const IFA_F_NODAD: u8 = 2;
const AF_INET6: u8 = 10;
/// `RT_SCOPE_LINK`
const SCOPE_LINK: u8 = 253;

/// Makes a pair of interfaces, one in the namespace of the calling thread, its peer in another one. Both are down.
///
/// # Errors
/// When the kernel refuses, or has none of that kind.
pub fn veth(name: &CStr, peer: &CStr, peers: &NetNs) -> Result<()> {
    let mut inner = link_message(0, 0);
    attribute(&mut inner, IFLA_IFNAME, peer.to_bytes_with_nul());
    attribute(&mut inner, IFLA_NET_NS_FD, &peers.file().as_raw_fd().to_ne_bytes());
    let mut data = Vec::new();
    attribute(&mut data, VETH_INFO_PEER, &inner);
    let mut info = Vec::new();
    attribute(&mut info, IFLA_INFO_KIND, b"veth");
    attribute(&mut info, IFLA_INFO_DATA, &data);
    let mut body = link_message(0, 0);
    attribute(&mut body, IFLA_IFNAME, name.to_bytes_with_nul());
    attribute(&mut body, IFLA_LINKINFO, &info);
    ask(RTM_NEWLINK, NLM_F_CREATE_EXCL, &body).context("cannot make a pair of interfaces")
}

/// Takes an interface of the calling thread's namespace up with a link-local address, and returns its index.
///
/// # Errors
/// When there is none of that name, or the kernel refuses.
pub fn up(name: &str, address: Ipv6Addr) -> Result<u32> {
    let index = index(name)?;
    ask(RTM_NEWLINK, 0, &link_message(index, IFF_UP)).context("cannot take the interface up")?;
    // struct ifaddrmsg
    let mut body = vec![AF_INET6, 64, IFA_F_NODAD, SCOPE_LINK];
    body.extend(index.to_ne_bytes());
    attribute(&mut body, IFA_LOCAL, &address.octets());
    attribute(&mut body, IFA_ADDRESS, &address.octets());
    ask(RTM_NEWADDR, NLM_F_CREATE_EXCL, &body).context("cannot add the address")?;
    Ok(index)
}

/// The index of an interface of the calling thread's namespace.
///
/// # Errors
/// When there is none of that name.
pub fn index(name: &str) -> Result<u32> {
    name_to_index(UnixDatagram::unbound()?, name).with_context(|| format!("no interface {name}"))
}

/// `struct ifinfomsg`
fn link_message(index: u32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body
}

/// `struct rtattr`, padded to four bytes.
fn attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    to.extend(length.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}
