//! One answer of sock_diag to a [`Snapshot`]. Any bytes will do; none panic.

use std::net::IpAddr;

use netlink_packet_core::{NlasIterator, Parseable};
use netlink_packet_sock_diag::{
    constants::{INET_DIAG_INFO, INET_DIAG_SKMEMINFO},
    inet::{self, InetResponseHeader, nlas::TcpInfo},
};
use thiserror::Error;

use crate::model::{Endpoint, Identity, Mptcp, MptcpDetail, Snapshot, SocketKey, State, TcpDetail, Timer};

/// `sizeof(struct inet_diag_msg)`; attributes follow.
const HEADER_LEN: usize = 72;
/// Where `idiag_expires` is in it.
const EXPIRES_AT: usize = 52;
/// Where `tcpi_notsent_bytes` ends (Linux 4.6): the last field of `struct tcp_info` that a verdict cannot do without.
const INFO_LEN_LEAST: usize = 148;
/// Where `tcpi_snd_wnd` ends (Linux 5.4), and all that [`TcpInfo`] knows.
const INFO_LEN: usize = 232;

/// INET_DIAG_ULP_INFO (Linux 5.3), and INET_ULP_INFO_NAME in it.
const ULP_INFO: u16 = 20;
const ULP_NAME: u16 = 1;
/// What `subflow_ulp_ops` calls itself.
const ULP_MPTCP: &[u8] = b"mptcp";
/// Where `mptcpi_write_seq`, `mptcpi_snd_una`, `mptcpi_last_data_recv` and `mptcpi_last_ack_recv` are in `struct
/// mptcp_info`.
const WRITE_SEQ_AT: usize = 16;
const SND_UNA_AT: usize = 24;
const LAST_DATA_RECV_AT: usize = 88;
const LAST_ACK_RECV_AT: usize = 92;

/// Why bytes are no socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DiagError {
    /// Shorter than `struct inet_diag_msg`.
    #[error("{0} bytes are too short for a socket")]
    Short(usize),
    /// Neither AF_INET nor AF_INET6.
    #[error("unknown address family {0}")]
    Family(u8),
    /// No TCP state.
    #[error("unknown TCP state {0}")]
    State(u8),
}

/// Reads one `struct inet_diag_msg` with the attributes after it: the payload of a netlink message.
///
/// Attributes that are unknown or damaged do not matter: the rest of the message holds without them.
///
/// # Errors
/// When it is too short, or of a family or state that is none of TCP's.
pub fn parse_message(bytes: &[u8], netns: u32, time_ns: u64) -> Result<Snapshot, DiagError> {
    let (fixed, attributes) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(DiagError::Short(bytes.len()))?;
    let [family, ..] = *fixed;
    let header = InetResponseHeader::parse(fixed).map_err(|_| DiagError::Family(family))?;
    let state = State::from_kernel(header.state).ok_or(DiagError::State(header.state))?;
    let timer = timer(header.timer.as_ref());
    let id = header.socket_id;
    Ok(Snapshot {
        time_ns,
        socket: Identity {
            key: SocketKey(cookie(id.cookie)),
            netns,
            local: endpoint(id.source_address, id.source_port),
            remote: endpoint(id.destination_address, id.destination_port),
        },
        bound_if: id.interface_id,
        state,
        // `inet_twsk_diag_fill()` sets this timer, and no full socket has it (`inet_sk_diag_fill()`).
        timewait: timer == Timer::TimeWait,
        timer,
        expires_ms: expires_ms(fixed),
        inode: header.inode,
        recv_queue_bytes: header.recv_queue,
        send_queue_bytes: header.send_queue,
        info: info(attributes),
        mptcp: subflow(attributes),
    })
}

/// Reads one socket of a dump of MPTCP, whose INET_DIAG_INFO is a `struct mptcp_info` (`mptcp_diag_get_info()`).
///
/// # Errors
/// As [`parse_message`].
pub fn parse_mptcp(bytes: &[u8], netns: u32, time_ns: u64) -> Result<Snapshot, DiagError> {
    let snapshot = parse_message(bytes, netns, time_ns)?;
    let value = find(bytes.get(HEADER_LEN..).unwrap_or_default(), INET_DIAG_INFO);
    let detail = value.map(mptcp_detail).unwrap_or_default();
    Ok(Snapshot { info: None, mptcp: Mptcp::Connection(detail), ..snapshot })
}

fn mptcp_detail(value: &[u8]) -> MptcpDetail {
    let word = |at: usize| value.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes);
    let long = |at: usize| value.get(at..)?.first_chunk().copied().map(u64::from_ne_bytes);
    let unacked = long(WRITE_SEQ_AT).zip(long(SND_UNA_AT)).map(|(end, una)| end.wrapping_sub(una));
    MptcpDetail {
        unacked_bytes: unacked.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
        last_data_recv_ms: word(LAST_DATA_RECV_AT),
        last_ack_recv_ms: word(LAST_ACK_RECV_AT),
    }
}

/// A subflow tells its upper layer protocol (`tcp_diag_put_ulp()`).
fn subflow(attributes: &[u8]) -> Mptcp {
    let name = find(attributes, ULP_INFO).and_then(|ulp| find(ulp, ULP_NAME));
    let is = name.is_some_and(|name| name.split(|byte| *byte == 0).next() == Some(ULP_MPTCP));
    if is { Mptcp::Subflow } else { Mptcp::No }
}

/// The value of the first attribute of a kind, which may be marked as nested.
fn find(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    NlasIterator::new(attributes).map_while(Result::ok).find(|found| found.kind() == kind).and_then(|found| {
        let length = found.length();
        found.into_inner().get(4..length.into())
    })
}

fn timer(timer: Option<&inet::Timer>) -> Timer {
    match timer {
        None => Timer::None,
        Some(inet::Timer::Retransmit(..)) => Timer::Retransmit,
        Some(inet::Timer::KeepAlive(_)) => Timer::Keepalive,
        Some(inet::Timer::TimeWait) => Timer::TimeWait,
        Some(inet::Timer::Probe(_)) => Timer::Probe,
    }
}

/// `idiag_expires`. [`InetResponseHeader::parse`] drops it for timewait timers, where it says when FIN_WAIT2 or
/// TIME_WAIT ends, which no other field does.
fn expires_ms(fixed: &[u8; HEADER_LEN]) -> u32 {
    let at = fixed.get(EXPIRES_AT..).and_then(|rest| rest.first_chunk());
    at.copied().map_or(0, u32::from_ne_bytes)
}

/// `idiag_cookie`: two words of the host's order, the low one first (`sock_diag_save_cookie()`).
fn cookie(bytes: [u8; 8]) -> u64 {
    let [a, b, c, d, e, f, g, h] = bytes;
    u64::from(u32::from_ne_bytes([a, b, c, d])) | u64::from(u32::from_ne_bytes([e, f, g, h])) << 32
}

fn endpoint(address: IpAddr, port: u16) -> Endpoint {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            Endpoint::from_bytes([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], false, port)
        }
        IpAddr::V6(ip) => Endpoint::from_bytes(ip.octets(), true, port),
    }
}

/// INET_DIAG_INFO, and INET_DIAG_SKMEMINFO where it was asked for. The crate's own parser of attributes copies each of
/// them, and refuses a message for the first that is not as it expects.
fn info(attributes: &[u8]) -> Option<TcpDetail> {
    let detail = detail(find(attributes, INET_DIAG_INFO)?)?;
    Some(TcpDetail { send_memory_bytes: find(attributes, INET_DIAG_SKMEMINFO).and_then(send_memory), ..detail })
}

/// `SK_MEMINFO_WMEM_QUEUED`, the sixth word of `sk_get_meminfo()`.
fn send_memory(value: &[u8]) -> Option<u32> {
    value.get(20..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// `struct tcp_info` grows at its end, and [`TcpInfo::parse`] wants all that it knows: what is missing counts as zero
/// until it is taken out again.
fn detail(value: &[u8]) -> Option<TcpDetail> {
    if value.len() < INFO_LEN_LEAST {
        return None;
    }
    let mut padded = [0; INFO_LEN];
    for (to, from) in padded.iter_mut().zip(value) {
        *to = *from;
    }
    let info = TcpInfo::parse(&padded).ok()?;
    Some(TcpDetail {
        retransmits: info.retransmits,
        probes: info.probes,
        backoff: info.backoff,
        rto_us: info.rto,
        unacked_segments: info.unacked,
        notsent_bytes: info.notsent_bytes,
        snd_wnd_bytes: (value.len() >= INFO_LEN).then_some(info.snd_wnd),
        snd_mss_bytes: info.snd_mss,
        retrans_out: info.retrans,
        total_retrans: info.total_retrans,
        last_data_sent_ms: info.last_data_sent,
        last_data_recv_ms: info.last_data_recv,
        last_ack_recv_ms: info.last_ack_recv,
        srtt_us: info.rtt,
        send_memory_bytes: None,
    })
}
