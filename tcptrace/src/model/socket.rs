//! Which socket: key, namespace, family and the two ends.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::ShownName;

/// Identity of one socket over its life: its cookie, or a masked address on kernels that give none.
///
/// Socket addresses are reused at once (SLAB_TYPESAFE_BY_RCU), so an address is an identity only
/// together with the generation that the engine keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketKey(pub u64);

impl fmt::Display for SocketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Address family as spoken on the wire: an IPv6 socket that speaks IPv4 is `Ipv4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4, also through a v4-mapped IPv6 socket.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The word in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// Address and port of one end. Prints as `127.0.0.1:80` and `[::1]:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Address as in the kernel's socket: v4-mapped ones are kept as IPv6 and print as IPv4.
    addr: [u8; 16],
    v6: bool,
    /// Port, host order.
    pub port: u16,
}

impl Endpoint {
    /// An end from the bytes of a record: 4 bytes count where `v6` is false.
    #[must_use]
    pub fn from_bytes(addr: [u8; 16], v6: bool, port: u16) -> Self {
        let ip = Ipv6Addr::from(addr);
        if v6 && ip.to_ipv4_mapped().is_none() {
            return Self { addr, v6: true, port };
        }
        let [a, b, c, d] = if v6 {
            let [.., a, b, c, d] = addr;
            [a, b, c, d]
        } else {
            let [a, b, c, d, ..] = addr;
            [a, b, c, d]
        };
        let mut four = [0; 16];
        four[..4].copy_from_slice(&[a, b, c, d]);
        Self { addr: four, v6: false, port }
    }

    /// The address; a v4-mapped one as IPv4.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        if self.v6 {
            IpAddr::V6(Ipv6Addr::from(self.addr))
        } else {
            let [a, b, c, d, ..] = self.addr;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
    }

    /// The address as [`Endpoint::from_bytes`] takes it: 4 bytes of an IPv4 address, the rest 0.
    #[must_use]
    pub const fn octets(&self) -> [u8; 16] {
        self.addr
    }

    /// Family on the wire.
    #[must_use]
    pub const fn family(&self) -> Family {
        if self.v6 { Family::Ipv6 } else { Family::Ipv4 }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

/// An end of a socket that is bound to an interface, as `ss` names its zone: `[fe80::1%eth0]:5000`, `10.0.0.1%eth0:80`.
#[derive(Clone, Copy, Debug)]
pub struct ZonedEndpoint<'a> {
    /// The end.
    pub end: Endpoint,
    /// Name of the interface, or its index; `None` where the socket is bound to none.
    pub zone: Option<Zone<'a>>,
}

/// An interface for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone<'a> {
    /// Its name.
    Name(&'a str),
    /// Its index, where the name is not known.
    Index(u32),
}

impl fmt::Display for Zone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => ShownName(name).fmt(f),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl fmt::Display for ZonedEndpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(zone) = self.zone else { return self.end.fmt(f) };
        match self.end.ip() {
            IpAddr::V4(ip) => write!(f, "{ip}%{zone}:{}", self.end.port),
            IpAddr::V6(ip) => write!(f, "[{ip}%{zone}]:{}", self.end.port),
        }
    }
}

/// What every object that speaks of a socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Cookie, or address with generation.
    pub key: SocketKey,
    /// Inode of the network namespace.
    pub netns: u32,
    /// Local end.
    pub local: Endpoint,
    /// Remote end.
    pub remote: Endpoint,
}

impl Identity {
    /// Family on the wire: a v4-mapped pair is `Ipv4`.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.remote.family()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v4_mapped_prints_as_ipv4() {
        let mut mapped = [0; 16];
        mapped[10..].copy_from_slice(&[0xff, 0xff, 127, 0, 0, 1]);
        let end = Endpoint::from_bytes(mapped, true, 80);
        assert_eq!(end.to_string(), "127.0.0.1:80");
        assert_eq!(end.family(), Family::Ipv4);
        let mut one = [0; 16];
        one[15] = 1;
        assert_eq!(Endpoint::from_bytes(one, true, 443).to_string(), "[::1]:443");
    }

    #[test]
    fn zones_as_ss_prints_them() {
        let mut six = [0; 16];
        (six[0], six[1], six[15]) = (0xfe, 0x80, 1);
        let (six, four) = (Endpoint::from_bytes(six, true, 5000), Endpoint::from_bytes([10; 16], false, 80));
        for (end, zone, expected) in [
            (six, None, "[fe80::1]:5000"),
            (six, Some(Zone::Name("eth0")), "[fe80::1%eth0]:5000"),
            (six, Some(Zone::Index(3)), "[fe80::1%3]:5000"),
            (four, Some(Zone::Name("a\x1b\u{202e}")), "10.10.10.10%a\u{fffd}\u{fffd}:80"),
        ] {
            assert_eq!(ZonedEndpoint { end, zone }.to_string(), expected);
        }
    }
}
