//! TCP segments of a namespace, seen and sent again by a raw socket. IPv4 only.

use std::{
    cell::{RefCell, RefMut},
    io::Read,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{pair::Ends, wait};

const TCPHDR_FIN: u8 = 0x01;
const TCPHDR_SYN: u8 = 0x02;
const TCPHDR_RST: u8 = 0x04;
const TCPHDR_PSH: u8 = 0x08;
const TCPHDR_ACK: u8 = 0x10;
/// Offsets in a TCP header.
const SEQUENCE_OFFSET: usize = 4;
const LENGTH_OFFSET: usize = 12;
const FLAGS_OFFSET: usize = 13;
const CHECKSUM_OFFSET: usize = 16;
/// Without options.
const TCP_HEADER_LEN: usize = 20;
/// Destination unreachable, host unreachable (RFC 792).
const ICMP_HOST_UNREACHABLE: [u8; 8] = [3, 1, 0, 0, 0, 0, 0, 0];
/// Of a TCP header, this much is quoted at least (RFC 792).
const QUOTED: usize = 8;
const IPPROTO_RAW: i32 = 255;
const IPPROTO_TCP: u8 = 6;
/// No segment is waited for longer than this.
const LIMIT: Duration = Duration::from_secs(10);

/// Keeps a copy of every TCP segment that arrives in the namespace, those that filters drop included.
#[derive(Debug)]
pub struct Sniffer {
    socket: Socket,
    seen: RefCell<Vec<Segment>>,
}

/// One segment, with its IP header.
#[derive(Clone, Debug)]
pub struct Segment {
    bytes: Vec<u8>,
    header: usize,
    ends: Ends,
    flags: u8,
}

impl Sniffer {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the raw socket is refused.
    pub fn start() -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).context("cannot open a raw socket")?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, seen: RefCell::default() })
    }

    /// All segments that came so far.
    fn seen(&self) -> Result<RefMut<'_, Vec<Segment>>> {
        let mut segments = self.seen.borrow_mut();
        let mut buffer = vec![0; 65536];
        loop {
            match (&self.socket).read(&mut buffer) {
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    segments.extend(Segment::parse(bytes.to_vec()));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(segments),
                Err(error) => return Err(error).context("cannot read the raw socket"),
            }
        }
    }

    /// Waits for the first FIN that goes this way.
    ///
    /// # Errors
    /// When none comes in 10 s.
    pub fn wait_fin(&self, ends: Ends) -> Result<Segment> {
        wait::until(&format!("a FIN {ends}"), LIMIT, || {
            Ok(self.seen()?.iter().find(|segment| segment.is_fin(ends)).cloned())
        })
    }

    /// The newest segment that went this way.
    ///
    /// # Errors
    /// When none comes in 10 s.
    pub fn newest(&self, ends: Ends) -> Result<Segment> {
        wait::until(&format!("a segment {ends}"), LIMIT, || {
            Ok(self.seen()?.iter().rev().find(|segment| segment.ends == ends).cloned())
        })
    }

    /// How many FINs went this way so far, after the first one. Marked ones do not count.
    ///
    /// # Errors
    /// When the socket cannot be read.
    pub fn fins_resent(&self, ends: Ends) -> Result<u32> {
        let seen = self.seen()?;
        let fins = seen.iter().filter(|segment| segment.is_fin(ends) && segment.flags & TCPHDR_PSH == 0);
        Ok(u32::try_from(fins.count())?.saturating_sub(1))
    }
}

impl Segment {
    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let header = usize::from(*bytes.first()? & 0xf) * 4;
        let four = |at: usize| -> Option<Ipv4Addr> { Some(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?.into()) };
        let port = |at: usize| -> Option<u16> { Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)) };
        let from = SocketAddrV4::new(four(12)?, port(header)?);
        let to = SocketAddrV4::new(four(16)?, port(header + 2)?);
        let flags = *bytes.get(header + FLAGS_OFFSET)?;
        let ends = Ends::new(SocketAddr::V4(from), SocketAddr::V4(to));
        Some(Self { bytes, header, ends, flags })
    }

    /// Whether it carries a FIN from `ends.local` to `ends.remote`.
    fn is_fin(&self, ends: Ends) -> bool {
        self.ends == ends && self.flags & TCPHDR_FIN != 0
    }

    fn sequence(&self) -> Option<u32> {
        let at = self.header + SEQUENCE_OFFSET;
        Some(u32::from_be_bytes(self.bytes.get(at..at + 4)?.try_into().ok()?))
    }

    /// The sequence number behind this segment, where the next one begins.
    fn behind(&self) -> Option<u32> {
        let header = usize::from(self.bytes.get(self.header + LENGTH_OFFSET)? >> 4) * 4;
        let payload = u32::try_from(self.bytes.len().checked_sub(self.header + header)?).ok()?;
        let flag = |flag: u8| u32::from(self.flags & flag != 0);
        Some(self.sequence()?.wrapping_add(payload + flag(TCPHDR_SYN) + flag(TCPHDR_FIN)))
    }

    /// Whether it carries neither data nor FIN or SYN.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.behind() == self.sequence()
    }

    /// Tells the sender, as a router would, that its peer's host cannot be reached: of this segment, or `behind` it, of
    /// the next one, which is what a sender believes that has had everything acknowledged (`tcp_v4_err()`).
    ///
    /// # Errors
    /// When the raw socket is refused.
    pub fn send_unreachable(&self, behind: bool) -> Result<()> {
        let sequence = if behind { self.behind() } else { self.sequence() };
        let mut bytes = ICMP_HOST_UNREACHABLE.to_vec();
        let quoted = self.bytes.get(..self.header + QUOTED).context("the segment is too short")?;
        bytes.extend(quoted);
        let at = ICMP_HOST_UNREACHABLE.len() + self.header + SEQUENCE_OFFSET;
        let place = bytes.get_mut(at..at + 4).context("the segment is too short")?;
        place.copy_from_slice(&sequence.context("the segment is too short")?.to_be_bytes());
        let sum = folded(bytes.chunks(2).map(word).sum());
        bytes.get_mut(2..4).context("no ICMP header")?.copy_from_slice(&sum.to_be_bytes());
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
        socket.send_to(&bytes, &self.ends.local.into()).context("cannot send an ICMP error")?;
        Ok(())
    }

    /// Sends a reset that its receiver takes for the sender's next segment.
    ///
    /// # Errors
    /// When the raw socket is refused.
    pub fn send_reset_behind(&self) -> Result<()> {
        let sequence = self.behind().context("the segment is too short")?;
        let mut bytes = self.bytes.clone();
        bytes.truncate(self.header + TCP_HEADER_LEN);
        let at = self.header + SEQUENCE_OFFSET;
        bytes.get_mut(at..at + 4).context("the segment is too short")?.copy_from_slice(&sequence.to_be_bytes());
        let words = u8::try_from(TCP_HEADER_LEN / 4)? << 4;
        for (at, byte) in [(LENGTH_OFFSET, words), (FLAGS_OFFSET, TCPHDR_RST | TCPHDR_ACK)] {
            *bytes.get_mut(self.header + at).context("the segment is too short")? = byte;
        }
        self.send(bytes)
    }

    /// Sends a bare FIN once more as it was, acknowledging what it acknowledged then, with PSH as a mark for
    /// [`crate::filter::keep_only_marked_fins`].
    ///
    /// # Errors
    /// When the raw socket is refused.
    pub fn send_marked(&self) -> Result<()> {
        let mut bytes = self.bytes.clone();
        if let Some(flags) = bytes.get_mut(self.header + FLAGS_OFFSET) {
            *flags = TCPHDR_FIN | TCPHDR_PSH | TCPHDR_ACK;
        }
        self.send(bytes)
    }

    fn send(&self, mut bytes: Vec<u8>) -> Result<()> {
        // Loopback hands segments over with half a checksum.
        let checksum = self.header + CHECKSUM_OFFSET;
        let sum = checksum_of(&bytes, self.header).context("the segment is too short")?;
        if let Some(place) = bytes.get_mut(checksum..checksum + 2) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IPPROTO_RAW)))?;
        socket.send_to(&bytes, &self.ends.remote.into()).context("cannot send a segment again")?;
        Ok(())
    }
}

/// The TCP checksum (RFC 9293 section 3.1) of a segment behind an IP header of this length.
fn checksum_of(bytes: &[u8], header: usize) -> Option<u16> {
    let segment = bytes.get(header..)?;
    let mut sum = u32::from(IPPROTO_TCP) + u32::try_from(segment.len()).ok()?;
    let addresses = bytes.get(12..20)?;
    for (at, pair) in addresses.chunks(2).chain(segment.chunks(2)).enumerate() {
        // Its own place counts as 0; the addresses are four words.
        if at != 4 + CHECKSUM_OFFSET / 2 {
            sum += word(pair);
        }
    }
    Some(folded(sum))
}

fn word(pair: &[u8]) -> u32 {
    let [high, low] = match *pair {
        [high, low] => [high, low],
        [high] => [high, 0],
        _ => [0, 0],
    };
    u32::from(u16::from_be_bytes([high, low]))
}

/// The Internet checksum (RFC 1071) of a sum of words.
fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).map_or(0, |sum| !sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_whole_segment_adds_up() {
        let mut bytes = vec![0x45; 20];
        bytes.extend((0..20).map(|byte: u8| byte.wrapping_mul(37)));
        let sum = checksum_of(&bytes, 20).unwrap().to_be_bytes();
        bytes[36..38].copy_from_slice(&sum);
        let words = bytes[12..20].chunks(2).chain(bytes[20..].chunks(2));
        let mut total: u32 = 6 + 20 + words.map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        assert_eq!(total, 0xffff);
    }
}
