//! Ephemeral ports: which of them `connect()` can use, and for how many connections a second they last.

use std::{collections::BTreeSet, net::IpAddr};

use crate::model::{Identity, TIME_WAIT_MS};

/// Connections that end at one place come from a source address: what ephemeral ports are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination port.
    pub port: u16,
}

impl Tuple {
    /// That of a socket that connects, or connected.
    #[must_use]
    pub fn of(socket: &Identity) -> Self {
        Self { source: socket.local.ip(), destination: socket.remote.ip(), port: socket.remote.port }
    }

    /// Either end is of this host alone, as `tcp_twsk_unique()` sees it: 127.0.0.0/8 or ::1.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.source.is_loopback() || self.destination.is_loopback()
    }
}

/// `ip_local_port_range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub low: u16,
    /// The last, which counts.
    pub high: u16,
}

impl PortRange {
    /// Reads `32768 60999`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace().map(str::parse);
        match (words.next(), words.next(), words.next()) {
            (Some(Ok(low)), Some(Ok(high)), None) if low <= high => Some(Self { low, high }),
            _ => None,
        }
    }

    /// Whether a port is in it.
    #[must_use]
    pub const fn has(self, port: u16) -> bool {
        self.low <= port && port <= self.high
    }

    /// Ports from the first to the last: 28,232 for the default 32768-60999, and 64,512 for 1024-65535. The 64,511 that
    /// is often read is the difference of these two numbers, one too few, or 1025-65535.
    #[must_use]
    pub const fn ports(self) -> u64 {
        self.high as u64 - self.low as u64 + 1
    }

    /// Ports that a search may leave out: `__inet_hash_connect()` takes even and odd ones in turn, and goes through an
    /// even number of them (`remaining &= ~1U`), from an offset that differs by destination. Measured: of 21 ports the
    /// last one was had in 26 of 30 runs, of 3 never.
    #[must_use]
    pub const fn left_out(self) -> u64 {
        if self.ports() > 1 { self.ports() % 2 } else { 0 }
    }

    /// Ports of it that a text such as `8080,9000-9010` reserves; `None` where it is not understood.
    #[must_use]
    pub fn reserved(self, text: &str) -> Option<u32> {
        let ports = parse_reserved(text)?;
        u32::try_from(ports.range(self.low..=self.high).count()).ok()
    }

    /// Those without `excluded` ones: reserved, or bound by a listener (`__inet_hash_connect()` skips both).
    #[must_use]
    pub fn usable(self, excluded: &BTreeSet<u16>) -> u64 {
        let excluded = excluded.iter().filter(|port| self.has(**port)).count() as u64;
        self.ports().saturating_sub(excluded)
    }
}

/// New connections a second that ports can bear where each is in TIME_WAIT for 60 s afterwards, in tenths: 470.5 for
/// 28,232.
#[must_use]
pub(super) const fn ceiling_tenths(ports: u64) -> u64 {
    ports.saturating_mul(10_000) / TIME_WAIT_MS as u64
}

/// Reads `8080,9000-9010` (`proc_do_large_bitmap()`).
#[must_use]
pub(super) fn parse_reserved(text: &str) -> Option<BTreeSet<u16>> {
    let mut ports = BTreeSet::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        if first > last {
            return None;
        }
        ports.extend(first..=last);
    }
    Some(ports)
}

/// The shortest text for a set of ports.
#[must_use]
pub(super) fn reserved_text(ports: &BTreeSet<u16>) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*port) => *last = *port,
            _ => ranges.push((*port, *port)),
        }
    }
    let texts =
        ranges.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    texts.collect::<Vec<_>>().join(",")
}

/// Slices of TIME_WAIT's minute, youngest first.
pub(super) const SLICES: usize = 6;
/// Length of a slice, seconds.
pub(super) const SLICE_S: u64 = 10;

/// Seconds until as many ports as are usable are in use, if closes go on as in the last slice: new ones come in at its
/// rate, and those in TIME_WAIT leave slice by slice, the oldest first. `None` where that does not happen: after a
/// minute as many leave as come. 0 where it has happened.
#[must_use]
pub(super) fn seconds_to_exhaustion(usable: u64, held: u64, time_wait: &[u64; SLICES]) -> Option<u64> {
    let waiting: u64 = time_wait.iter().sum();
    let mut used = held.saturating_add(waiting);
    if used >= usable {
        return Some(0);
    }
    let arriving = time_wait.first().copied().unwrap_or(0);
    for (slice, leaving) in (0_u64..).zip(time_wait.iter().rev()) {
        let next = used.saturating_add(arriving).saturating_sub(*leaving);
        if next >= usable {
            let growth = next.saturating_sub(used).max(1);
            let part = usable.saturating_sub(used).saturating_mul(SLICE_S).div_ceil(growth);
            return Some(slice.saturating_mul(SLICE_S).saturating_add(part));
        }
        used = next;
    }
    None
}
