//! Sets of ports, a bit each.

/// Bits of a word.
const BITS: u16 = 64;

/// Ports. It grows to 8 KiB with the highest of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet(Vec<u64>);

impl PortSet {
    /// Adds a port.
    pub fn insert(&mut self, port: u16) {
        let at = usize::from(port / BITS);
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        if let Some(word) = self.0.get_mut(at) {
            *word |= 1 << (port % BITS);
        }
    }

    /// Whether a port is in it.
    #[must_use]
    pub fn has(&self, port: u16) -> bool {
        self.0.get(usize::from(port / BITS)).is_some_and(|word| word & (1 << (port % BITS)) != 0)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Ports that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let len = self.0.len().max(other.0.len());
        let word = |of: &Self, at| of.0.get(at).copied().unwrap_or(0);
        Self((0..len).map(|at| word(self, at) | word(other, at)).collect())
    }

    /// All ports of it, the lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        (0..=u16::MAX).take(self.0.len() * usize::from(BITS)).filter(|port| self.has(*port))
    }
}

/// Ports of the ephemeral range that connections from one source address use, and sockets that are bound to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceUse {
    /// By sockets that are no TIME_WAIT.
    pub held: PortSet,
    /// By TIME_WAIT sockets.
    pub waiting: PortSet,
    /// By several sockets: `connect()` chose them, which shares a port between destinations.
    pub shared: PortSet,
}

impl SourceUse {
    pub(super) fn see(&mut self, port: u16, waits: bool) {
        if self.held.has(port) || self.waiting.has(port) {
            self.shared.insert(port);
        }
        if waits { self.waiting.insert(port) } else { self.held.insert(port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_sets() {
        let of = |ports: &[u16]| {
            let mut set = PortSet::default();
            ports.iter().for_each(|port| set.insert(*port));
            set
        };
        let set = of(&[0, 63, 64, 65_535, 63]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 65_535]);
        assert_eq!(set.count(), 4);
        assert!(set.has(64) && !set.has(65) && !of(&[]).has(0));
        assert_eq!(of(&[1, 100]).union(&of(&[2])), of(&[1, 2, 100]));
        assert_eq!(of(&[2]).union(&of(&[1, 100])).count(), 3);
    }
}
