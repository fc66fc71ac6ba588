//! Requests as bytes (`struct inet_diag_req_v2`).

use std::net::IpAddr;

use netlink_packet_core::{Emitable, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader};
use netlink_packet_sock_diag::{
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY},
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};

use super::Detail;
use crate::model::{Endpoint, Look, StateSet};

/// Appends the request for all sockets of a family in these states.
pub(super) fn dump(to: &mut Vec<u8>, sequence: u32, family: u8, states: StateSet, detail: Detail) {
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: match detail {
            Detail::None => ExtensionFlags::empty(),
            Detail::Info => ExtensionFlags::INFO,
            Detail::Memory => ExtensionFlags::INFO | ExtensionFlags::SKMEMINFO,
        },
        states: StateFlags::from_bits_retain(states.0),
        // No filter: all zero.
        socket_id: SocketId::new_v4(),
    };
    append(to, sequence, NLM_F_DUMP, &request);
}

/// IPPROTO_MPTCP, which the request's own byte has no room for.
const IPPROTO_MPTCP: u32 = 262;
/// `INET_DIAG_REQ_PROTOCOL` (Linux 5.9).
const REQ_PROTOCOL: u16 = 3;
/// Header and value of an attribute that holds 32 bits.
const WORD_ATTRIBUTE: u16 = 8;

/// Appends the request for all MPTCP connections of a family in these states. INET_DIAG_INFO comes unasked
/// (`mptcp_diag_get_info()`). The request's own byte stays 0, which no kernel before 5.9 has an answer for.
pub(super) fn dump_mptcp(to: &mut Vec<u8>, sequence: u32, family: u8, states: StateSet) {
    let request = InetRequest {
        family,
        protocol: 0,
        extensions: ExtensionFlags::INFO,
        states: StateFlags::from_bits_retain(states.0),
        socket_id: SocketId::new_v4(),
    };
    let at = to.len();
    append(to, sequence, NLM_F_DUMP, &request);
    to.extend(WORD_ATTRIBUTE.to_ne_bytes());
    to.extend(REQ_PROTOCOL.to_ne_bytes());
    to.extend(IPPROTO_MPTCP.to_ne_bytes());
    let length = u32::try_from(to.len() - at).unwrap_or(u32::MAX);
    if let Some(place) = to.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_ne_bytes());
    }
}

/// Both words `INET_DIAG_NOCOOKIE`.
const ANY_COOKIE: [u8; 8] = [0xff; 8];

/// Appends the request for the socket that has these ends now, whatever its cookie.
///
/// One that speaks IPv4 is asked for with AF_INET also where it is an IPv6 socket: `__inet_lookup_established()`
/// compares the IPv4 addresses, which both have.
pub(super) fn look(to: &mut Vec<u8>, sequence: u32, look: &Look) {
    let (local, remote) = (look.socket.local, look.socket.remote);
    let request = InetRequest {
        family: if remote.ip().is_ipv4() { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::INFO,
        // Of no effect on a look-up in today's kernels.
        states: StateFlags::from_bits_retain(u32::MAX),
        socket_id: SocketId {
            source_port: local.port,
            destination_port: remote.port,
            source_address: address(local, remote),
            destination_address: remote.ip(),
            interface_id: look.bound_if,
            cookie: ANY_COOKIE,
        },
    };
    append(to, sequence, 0, &request);
}

/// The local address, in the remote one's family: the crate writes each as long as it is.
fn address(local: Endpoint, remote: Endpoint) -> IpAddr {
    match (local.ip(), remote.ip()) {
        (IpAddr::V4(local), IpAddr::V6(_)) => local.to_ipv6_mapped().into(),
        (local, _) => local,
    }
}

fn append(to: &mut Vec<u8>, sequence: u32, flags: u16, request: &InetRequest) {
    let mut header = NetlinkHeader::default();
    let (at, body_at) = (to.len(), to.len() + header.buffer_len());
    let end = body_at + request.buffer_len();
    header.length = u32::try_from(end - at).unwrap_or(u32::MAX);
    header.message_type = SOCK_DIAG_BY_FAMILY;
    header.flags = NLM_F_REQUEST | flags;
    header.sequence_number = sequence;
    to.resize(end, 0);
    if let Some(place) = to.get_mut(at..body_at) {
        header.emit(place);
    }
    if let Some(place) = to.get_mut(body_at..) {
        request.emit(place);
    }
}
