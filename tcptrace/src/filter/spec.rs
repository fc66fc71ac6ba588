//! What the user asked to see, before it is checked, and why it can be refused.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::Excluded;
use crate::model::{Family, Outcome, Role};

/// Longest name that the kernel keeps for a task, bytes (`TASK_COMM_LEN` without its NUL).
pub(super) const COMM_BYTES_MAX: usize = 15;

/// Leading bits that all v4-mapped IPv6 addresses share.
const MAPPED_BITS: u8 = 96;

/// One field an option. An option with several values wants any of them; all options that are given must hold.
/// An empty list is an option that was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterSpec {
    /// `--port`: port of either end.
    pub ports: Vec<u16>,
    /// `--local-port`.
    pub local_ports: Vec<u16>,
    /// `--remote-port`.
    pub remote_ports: Vec<u16>,
    /// `--addr`: the address of either end lies in the prefix. See [`parse_prefix`].
    pub prefixes: Vec<IpNet>,
    /// `--pid`, in the initial pid namespace.
    pub pids: Vec<u32>,
    /// `--comm`: the whole name, as tcptrace prints it.
    pub comms: Vec<String>,
    /// `--cgroup`: cgroup v2 ids. A path that leads to no id is the caller's to refuse.
    pub cgroup_ids: Vec<u64>,
    /// `--cgroup` again, by path: what a capture tells of its own host's cgroups.
    pub cgroup_paths: Vec<String>,
    /// `--netns`: inodes of network namespaces.
    pub netns: Vec<u32>,
    /// `--netns` again, by name: what a capture tells of its own host's namespaces.
    pub netns_names: Vec<String>,
    /// `--family`, as spoken on the wire.
    pub family: Option<Family>,
    /// `--outcome`: of closes, and of findings that ended with one.
    pub outcomes: Vec<Outcome>,
    /// `--role`: of closes.
    pub roles: Vec<Role>,
    /// `--reason`: words of closes or findings as they are printed; `none` stands for closes without one.
    pub reasons: Vec<String>,
    /// `--not-...`.
    pub not: Excluded,
    /// `--findings-only`: show no closes; count all.
    pub findings_only: bool,
    /// `--min-latency`: show closes that took, and findings that last, at least this long, nanoseconds; count all.
    pub min_latency_ns: Option<u64>,
}

/// A filter that could never match, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// Port 0.
    #[error("{option} 0: no connection has port 0")]
    PortZero {
        /// As written on the command line.
        option: &'static str,
    },
    /// `--port` contradicts `--local-port` and `--remote-port`.
    #[error(
        "--port, --local-port and --remote-port contradict each other: no local or remote port that they allow is one \
         of --port"
    )]
    PortsContradict,
    /// All prefixes are of the other family.
    #[error("--family {} and --addr contradict each other: no prefix given is {}", .family.as_str(), .family.as_str())]
    FamilyContradicts {
        /// The one asked for.
        family: Family,
    },
    /// Not an address with or without a prefix length.
    #[error("--addr {text}: not an address or prefix, such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32")]
    PrefixSyntax {
        /// As written.
        text: String,
    },
    /// A prefix length that the family does not have.
    #[error("--addr {text}: a prefix of this family has at most {max_bits} bits")]
    PrefixTooLong {
        /// As written.
        text: String,
        /// 32 or 128.
        max_bits: u8,
    },
    /// `--comm` without a name.
    #[error("{option}: the name is empty; give names as tcptrace prints them, such as nginx,envoy")]
    CommEmpty {
        /// As written on the command line.
        option: &'static str,
    },
    /// Longer than any task's name.
    #[error(
        "{option} {name}: the kernel keeps 15 bytes of a name, this has {bytes}; give the name as tcptrace prints it"
    )]
    CommTooLong {
        /// As written on the command line.
        option: &'static str,
        /// As written.
        name: String,
        /// Its length.
        bytes: usize,
    },
    /// More values than the kernel side compares with.
    #[error("{option} was given more than {max} times: that is the most that a live run takes")]
    TooMany {
        /// As written on the command line.
        option: &'static str,
        /// The bound.
        max: usize,
    },
    /// pid 0.
    #[error("{option} 0: that is the kernel's idle task, which owns no socket")]
    PidZero {
        /// As written on the command line.
        option: &'static str,
    },
    /// Inode 0.
    #[error("{option} 0: no network namespace has inode 0; see `ls -Li /proc/PID/ns/net`")]
    NetnsZero {
        /// As written on the command line.
        option: &'static str,
    },
    /// An exclusion for each value of an option.
    #[error("{option} and its exclusions contradict each other: every value given is left out")]
    AllExcluded {
        /// As written on the command line.
        option: &'static str,
    },
    /// `--family` and `--not-family`.
    #[error("--family and --not-family contradict each other")]
    FamilyExcluded,
}

/// Reads `--addr`: an address, or an address and a prefix length. IPv6 sockets that speak IPv4 count as IPv4,
/// so a prefix of v4-mapped addresses means the IPv4 addresses in it.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_prefix(text: &str) -> Result<IpNet, FilterError> {
    let syntax = || FilterError::PrefixSyntax { text: text.to_owned() };
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| syntax())?;
    let max_bits = if address.is_ipv4() { 32 } else { 128 };
    let too_long = || FilterError::PrefixTooLong { text: text.to_owned(), max_bits };
    let bits = match bits {
        None => max_bits,
        // `parse` alone would take a sign.
        Some(digits) if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => return Err(syntax()),
        Some(digits) => digits.parse().map_err(|_| too_long())?,
    };
    let prefix = IpNet::new(address, bits).map_err(|_| too_long())?;
    Ok(unmapped(prefix).unwrap_or(prefix))
}

fn unmapped(prefix: IpNet) -> Option<IpNet> {
    let IpNet::V6(six) = prefix else { return None };
    let bits = six.prefix_len().checked_sub(MAPPED_BITS)?;
    Some(IpNet::V4(Ipv4Net::new(six.addr().to_ipv4_mapped()?, bits).ok()?))
}

impl FilterSpec {
    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn has_no_cgroup(&self) -> bool {
        self.cgroup_ids.is_empty() && self.cgroup_paths.is_empty()
    }

    /// Whether it compares owners.
    #[must_use]
    pub fn has_owners(&self) -> bool {
        self.wants_owners() || self.not.has_owners()
    }

    /// Whether it asks for owners: then what has none is not wanted.
    #[must_use]
    pub fn wants_owners(&self) -> bool {
        !(self.pids.is_empty() && self.comms.is_empty() && self.has_no_cgroup())
    }

    /// Refuses what can never match: a run that shows nothing would look like a quiet host.
    pub(super) fn check(&self) -> Result<(), FilterError> {
        self.check_ports()?;
        self.check_family()?;
        self.comms.iter().try_for_each(|name| check_comm("--comm", name))?;
        if self.pids.contains(&0) {
            return Err(FilterError::PidZero { option: "--pid" });
        }
        if self.netns.contains(&0) {
            return Err(FilterError::NetnsZero { option: "--netns" });
        }
        self.not.check(self)
    }

    fn check_ports(&self) -> Result<(), FilterError> {
        for (option, ports) in
            [("--port", &self.ports), ("--local-port", &self.local_ports), ("--remote-port", &self.remote_ports)]
        {
            if ports.contains(&0) {
                return Err(FilterError::PortZero { option });
            }
        }
        let leaves_room = |side: &[u16]| side.is_empty() || side.iter().any(|port| self.ports.contains(port));
        if self.ports.is_empty() || leaves_room(&self.local_ports) || leaves_room(&self.remote_ports) {
            Ok(())
        } else {
            Err(FilterError::PortsContradict)
        }
    }

    fn check_family(&self) -> Result<(), FilterError> {
        let Some(family) = self.family else { return Ok(()) };
        let fits = |prefix: &IpNet| match prefix {
            IpNet::V4(_) => family == Family::Ipv4,
            IpNet::V6(_) => family == Family::Ipv6,
        };
        if self.prefixes.is_empty() || self.prefixes.iter().any(fits) {
            Ok(())
        } else {
            Err(FilterError::FamilyContradicts { family })
        }
    }
}

/// A replacement character stands for at least one byte of the real name, which may be just one.
pub(super) fn check_comm(option: &'static str, name: &str) -> Result<(), FilterError> {
    if name.is_empty() {
        return Err(FilterError::CommEmpty { option });
    }
    let bytes = name.chars().map(|c| if c == char::REPLACEMENT_CHARACTER { 1 } else { c.len_utf8() }).sum();
    if bytes > COMM_BYTES_MAX {
        return Err(FilterError::CommTooLong { option, name: name.to_owned(), bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_strictly() {
        for (text, printed) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.0/0", "10.0.0.0/0"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("::1", "::1/128"),
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse_prefix(text).unwrap().to_string(), printed);
        }
        for text in
            ["", "/8", "10.0.0.0/", "10.0.0/8", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/a", "fe80::1%eth0", "host"]
        {
            assert_eq!(parse_prefix(text), Err(FilterError::PrefixSyntax { text: text.into() }));
        }
        for (text, max_bits) in [("10.0.0.0/33", 32), ("10.0.0.0/256", 32), ("::/129", 128), ("::/99999999999", 128)] {
            assert_eq!(parse_prefix(text), Err(FilterError::PrefixTooLong { text: text.into(), max_bits }));
        }
        let error = parse_prefix("10.0.0.0/33").unwrap_err().to_string();
        assert_eq!(error, "--addr 10.0.0.0/33: a prefix of this family has at most 32 bits");
    }
}
