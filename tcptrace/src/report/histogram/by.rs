//! What splits histograms.

use std::{fmt, net::IpAddr, str::FromStr};

/// A property of closes that `--by` names: each of its values gets a histogram of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Name of the program.
    Process,
    /// Path of its cgroup.
    Cgroup,
    /// Id of its container.
    Container,
    /// Its systemd unit.
    Unit,
    /// The peer's address, or the network that it is in.
    RemoteAddr(Prefix),
    /// Port of this side.
    LocalPort,
    /// Port of the peer.
    RemotePort,
    /// Who closed first.
    Role,
    /// How it ended.
    Outcome,
    /// Why it ended so.
    Reason,
    /// Network namespace.
    Netns,
    /// Interface that the socket is bound to.
    Interface,
    /// Host that it was seen on.
    Host,
}

impl By {
    /// All of them, addresses whole.
    pub const ALL: [Self; 13] = [
        Self::Process,
        Self::Cgroup,
        Self::Container,
        Self::Unit,
        Self::RemoteAddr(Prefix::WHOLE),
        Self::LocalPort,
        Self::RemotePort,
        Self::Role,
        Self::Outcome,
        Self::Reason,
        Self::Netns,
        Self::Interface,
        Self::Host,
    ];

    /// The name of the key in JSON; on the command line with dashes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Cgroup => "cgroup",
            Self::Container => "container",
            Self::Unit => "unit",
            Self::RemoteAddr(_) => "remote_addr",
            Self::LocalPort => "local_port",
            Self::RemotePort => "remote_port",
            Self::Role => "role",
            Self::Outcome => "outcome",
            Self::Reason => "reason",
            Self::Netns => "netns",
            Self::Interface => "interface",
            Self::Host => "host",
        }
    }

    /// Whether it is a property of the owner, whom `connect()` may name.
    #[must_use]
    pub const fn is_of_owner(self) -> bool {
        matches!(self, Self::Process | Self::Cgroup | Self::Container | Self::Unit)
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for By {
    type Err = String;

    /// Takes dashes for underscores, and of addresses the bits that count: `remote-addr/24` for IPv4 (IPv6 then by
    /// /64, a link's usual length), `remote-addr/24,48` for IPv4 and IPv6.
    fn from_str(text: &str) -> Result<Self, String> {
        let (word, bits) = text.split_once('/').map_or((text, None), |(word, bits)| (word, Some(bits)));
        let wanted = word.replace('-', "_");
        let Some(by) = Self::ALL.into_iter().find(|by| by.as_str() == wanted) else {
            let words = Self::ALL.map(|by| by.as_str().replace('_', "-")).join(", ");
            return Err(format!("'{word}' is nothing to split by: one of {words}"));
        };
        match (by, bits) {
            (by, None) => Ok(by),
            (Self::RemoteAddr(_), Some(bits)) => bits.parse().map(Self::RemoteAddr),
            (_, Some(_)) => Err(format!("'{text}': only remote-addr takes a prefix length")),
        }
    }
}

/// How many leading bits of an address count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Of IPv4 addresses, v4-mapped ones included: 0 to 32.
    v4: u8,
    /// Of IPv6 addresses: 0 to 128.
    v6: u8,
}

impl Prefix {
    /// Addresses as they are.
    pub const WHOLE: Self = Self { v4: 32, v6: 128 };
    /// Where nothing is said of IPv6: the length of a link.
    const V6_LINK: u8 = 64;

    /// The network's first address.
    #[must_use]
    pub fn of(self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.v4)).unwrap_or(0);
                IpAddr::V4((u32::from(ip) & mask).into())
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.v6)).unwrap_or(0);
                IpAddr::V6((u128::from(ip) & mask).into())
            }
        }
    }

    /// `10.0.0.0/8`; a whole address without its length.
    #[must_use]
    pub fn text(self, ip: IpAddr) -> String {
        match (ip, self) {
            (IpAddr::V4(_), Self { v4: 32, .. }) | (IpAddr::V6(_), Self { v6: 128, .. }) => ip.to_string(),
            (IpAddr::V4(_), Self { v4: bits, .. }) | (IpAddr::V6(_), Self { v6: bits, .. }) => format!("{ip}/{bits}"),
        }
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bits = |text: &str, most: u8| {
            let bits = text.parse().ok().filter(|bits| *bits <= most);
            bits.ok_or_else(|| format!("'{text}' is no prefix length: 0 to {most}"))
        };
        let (v4, v6) = text.split_once(',').map_or((text, None), |(v4, v6)| (v4, Some(v6)));
        Ok(Self { v4: bits(v4, 32)?, v6: v6.map_or(Ok(Self::V6_LINK), |v6| bits(v6, 128))? })
    }
}
