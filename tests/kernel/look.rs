//! What sock_diag says of one socket of the calling thread's namespace, in tcptrace's own words, by a query of the
//! tests' own.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use anyhow::{Context, Result, bail};
use socket2::{Domain, Protocol, Socket, Type};
use tcptrace::model::{Endpoint, Identity, NetnsFacts, Snapshot, SocketKey, State, TcpDetail, Timer};
use tcptrace_tests::pair::Ends;

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_DONE: u16 = 3;
const NLMSG_ERROR: u16 = 2;
const NLMSG_HDRLEN: usize = 16;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_INFO: u16 = 2;
/// `sizeof(struct inet_diag_msg)`
const MSG: usize = 72;

/// The IPv4 socket with these ends; `None` when there is none.
pub(crate) fn at(ends: Ends) -> Result<Option<Snapshot>> {
    let mut socket =
        Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_SOCK_DIAG))).context("netlink")?;
    // struct nlmsghdr, struct inet_diag_req_v2
    let mut request = Vec::with_capacity(72);
    request.extend(72_u32.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([AF_INET, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
    request.extend(u32::MAX.to_ne_bytes());
    request.extend([0; 48]);
    socket.write_all(&request)?;
    let mut found = None;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = socket.read(&mut buffer)?;
        let mut rest = &buffer[..length];
        while rest.len() >= NLMSG_HDRLEN {
            let size = u32_at(rest, 0) as usize;
            match u16_at(rest, 4) {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => bail!("sock_diag answered {:?}", &rest[..size]),
                _ => found = found.or_else(|| parse(&rest[NLMSG_HDRLEN..size], ends)),
            }
            rest = &rest[size.next_multiple_of(4).min(rest.len())..];
        }
    }
}

/// The sysctls that decide about closes, of the calling thread's namespace.
pub(crate) fn facts() -> NetnsFacts {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?.trim().parse().ok();
    NetnsFacts {
        orphan_retries: read("tcp_orphan_retries"),
        retries2: read("tcp_retries2"),
        fin_timeout_s: read("tcp_fin_timeout"),
        rto_min_us: read("tcp_rto_min_us"),
        rto_max_ms: read("tcp_rto_max_ms"),
        ..NetnsFacts::default()
    }
}

fn parse(message: &[u8], ends: Ends) -> Option<Snapshot> {
    let (local, remote) = (end(message, 4, 8), end(message, 6, 24));
    if Ends::new(local, remote) != ends {
        return None;
    }
    let identity = Identity {
        key: SocketKey(u64::from(u32_at(message, 44)) | u64::from(u32_at(message, 48)) << 32),
        netns: 0,
        local: endpoint(local),
        remote: endpoint(remote),
    };
    let timer = Timer::from_kernel(message[2]);
    Some(Snapshot {
        time_ns: 0,
        socket: identity,
        bound_if: u32_at(message, 40),
        state: State::from_kernel(message[1])?,
        timewait: timer == Timer::TimeWait,
        timer,
        expires_ms: u32_at(message, 52),
        recv_queue_bytes: u32_at(message, 56),
        send_queue_bytes: u32_at(message, 60),
        inode: u32_at(message, 68),
        info: info(&message[MSG..]),
    })
}

/// `struct tcp_info` among the attributes.
fn info(mut attributes: &[u8]) -> Option<TcpDetail> {
    while attributes.len() >= 4 {
        let size = usize::from(u16_at(attributes, 0));
        if u16_at(attributes, 2) == INET_DIAG_INFO {
            return Some(detail(&attributes[4..size]));
        }
        attributes = &attributes[size.next_multiple_of(4).min(attributes.len())..];
    }
    None
}

fn detail(info: &[u8]) -> TcpDetail {
    TcpDetail {
        retransmits: info[2],
        probes: info[3],
        backoff: info[4],
        rto_us: u32_at(info, 8),
        unacked_segments: u32_at(info, 24),
        notsent_bytes: u32_at(info, 144),
        snd_wnd_bytes: (info.len() >= 232).then(|| u32_at(info, 228)),
        snd_mss_bytes: u32_at(info, 16),
        retrans_out: u32_at(info, 36),
        total_retrans: u32_at(info, 100),
        last_data_sent_ms: u32_at(info, 44),
        last_data_recv_ms: u32_at(info, 52),
        last_ack_recv_ms: u32_at(info, 56),
        srtt_us: u32_at(info, 68),
    }
}

fn end(message: &[u8], port: usize, address: usize) -> SocketAddr {
    let four: [u8; 4] = message[address..address + 4].try_into().unwrap_or_default();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(four)), u16::from_be_bytes([message[port], message[port + 1]]))
}

fn endpoint(end: SocketAddr) -> Endpoint {
    let mut bytes = [0; 16];
    if let IpAddr::V4(ip) = end.ip() {
        bytes[..4].copy_from_slice(&ip.octets());
    }
    Endpoint::from_bytes(bytes, false, end.port())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
