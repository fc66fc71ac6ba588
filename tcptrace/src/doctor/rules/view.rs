//! Which ephemeral ports of a namespace can be used, and which of them a place takes.

use std::collections::BTreeSet;

use crate::doctor::{
    Place, PortRange, PortUse, Tuple, keys,
    ports::{parse_reserved, seconds_to_exhaustion},
};

/// The ports of a namespace.
pub(super) struct View {
    pub(super) range: PortRange,
    pub(super) reserved: BTreeSet<u16>,
    pub(super) listening: BTreeSet<u16>,
    pub(super) reserved_in_range: u64,
    /// What `connect()` can use.
    pub(super) usable: u64,
    /// Ports that are bound and neither connected nor listening: `connect()` skips them, whatever its source.
    pub(super) bound: u64,
    reuse: u32,
    timestamps: u32,
    /// TIME_WAIT that is younger keeps its port also where it is used again, milliseconds.
    delay_ms: u64,
    /// The table of timewait sockets is full: those do not become more.
    pub(super) is_table_full: bool,
}

/// `tcp_tw_reuse_delay` of kernels that have no such setting: `tcp_twsk_unique()` compares whole seconds.
const REUSE_DELAY_MS: u64 = 1000;

impl View {
    pub(super) fn of(place: &Place) -> Result<Self, String> {
        let settings = &place.settings;
        let range = settings.text(keys::PORT_RANGE).and_then(PortRange::parse);
        let range = range.ok_or_else(|| settings.why_unknown(keys::PORT_RANGE))?;
        let counted = place.reserved_in_range;
        let reserved = match counted {
            Some(_) => BTreeSet::new(),
            None => {
                let reserved = settings.text(keys::RESERVED_PORTS).and_then(parse_reserved);
                reserved.ok_or_else(|| settings.why_unknown(keys::RESERVED_PORTS))?
            }
        };
        let listening = place.sockets.as_ref().map(|sockets| sockets.listening_in(range)).unwrap_or_default();
        let excluded = reserved.union(&listening).copied().collect();
        let number = |key| settings.number::<u32>(key).ok_or_else(|| settings.why_unknown(key));
        let delay_ms = settings.number_or(keys::TW_REUSE_DELAY, REUSE_DELAY_MS);
        Ok(Self {
            range,
            reserved_in_range: counted.unwrap_or(range.ports() - range.usable(&reserved)),
            usable: range.usable(&excluded).saturating_sub(counted.unwrap_or(0)),
            bound: place.sockets.as_ref().map_or(0, |sockets| sockets.bound.count()),
            reserved,
            listening,
            reuse: number(keys::TW_REUSE)?,
            timestamps: number(keys::TIMESTAMPS)?,
            is_table_full: place.sockets.as_ref().is_ok_and(|sockets| {
                let limit = settings.number::<u64>(keys::MAX_TW_BUCKETS);
                limit.is_some_and(|limit| sockets.timewait_sockets() >= limit)
            }),
            delay_ms: delay_ms.ok_or_else(|| settings.why_unknown(keys::TW_REUSE_DELAY))?,
        })
    }

    /// Whether a new connection can take a port of this tuple out of TIME_WAIT.
    pub(super) fn reuses(&self, tuple: &Tuple) -> bool {
        self.reuses_on(tuple.is_loopback())
    }

    /// The same of all tuples, on loopback or beyond it.
    pub(super) fn reuses_on(&self, loopback: bool) -> bool {
        self.timestamps != 0 && (self.reuse == 1 || (self.reuse == 2 && loopback))
    }

    /// Ports with the parity of the first one, which `connect()` takes before all others (`__inet_hash_connect()`);
    /// `bind()` prefers the others (`inet_csk_find_open_port()`).
    pub(super) fn is_for_connects(&self, port: u16) -> bool {
        port.wrapping_sub(self.range.low).is_multiple_of(2)
    }

    /// How many of those can be used, as far as is known.
    pub(super) fn for_connects(&self) -> u64 {
        let all = (self.range.low..=self.range.high).filter(|port| self.is_for_connects(*port));
        let free = all.filter(|port| !self.reserved.contains(port) && !self.listening.contains(port)).count() as u64;
        free.saturating_sub(self.range.left_out())
    }

    /// Ports of a tuple that a new connection cannot have.
    pub(super) fn taken(&self, tuple: &Tuple, used: &PortUse) -> u64 {
        self.bound + used.held + if self.reuses(tuple) { used.younger_than(self.delay_ms) } else { used.waiting() }
    }

    /// Whether `connect()` finds none: one of an odd number may be left out of the search.
    pub(super) fn is_exhausted(&self, taken: u64) -> bool {
        taken.saturating_add(self.range.left_out()) >= self.usable
    }

    pub(super) fn seconds_left(&self, tuple: &Tuple, used: &PortUse) -> Option<u64> {
        if self.reuses(tuple) || self.is_table_full {
            None
        } else {
            seconds_to_exhaustion(self.usable, used.held, &used.time_wait)
        }
    }
}
