//! What turns numbers of the engine into words for a reader: wall-clock time and names of cgroups.

use std::collections::HashMap;

use crate::model::{CgroupName, Tick};

/// Names kept at most; a host with more cgroups shows the rest without a path.
const CGROUPS_MAX: usize = 65_536;

/// Well above the time between two clock readings, and as exact as wall clocks of hosts are to each other.
const CLOCK_JITTER_NS: i128 = 1_000_000;

/// Grows from the inputs, so that a replay knows what the live run knew.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// CLOCK_REALTIME minus CLOCK_MONOTONIC, nanoseconds, as of the newest tick.
    real_minus_mono_ns: i128,
    cgroups: HashMap<u64, String>,
}

impl Context {
    /// Takes the wall clock from a tick. The two clocks are not read in one moment, so small differences are kept out:
    /// one event has one time, however often it is told.
    pub fn tick(&mut self, tick: Tick) {
        let offset_ns = i128::from(tick.real_ns) - i128::from(tick.mono_ns);
        if (offset_ns - self.real_minus_mono_ns).abs() > CLOCK_JITTER_NS {
            self.real_minus_mono_ns = offset_ns;
        }
    }

    /// Remembers a cgroup's path.
    pub fn cgroup(&mut self, name: CgroupName) {
        if self.cgroups.len() < CGROUPS_MAX || self.cgroups.contains_key(&name.id) {
            self.cgroups.insert(name.id, name.path);
        }
    }

    /// Wall-clock time of a monotonic moment, nanoseconds since 1970, clamped to what `u64` holds.
    #[must_use]
    pub fn real_ns(&self, mono_ns: u64) -> u64 {
        let real = i128::from(mono_ns) + self.real_minus_mono_ns;
        u64::try_from(real.max(0)).unwrap_or(u64::MAX)
    }

    /// Path of a cgroup, where it was told.
    #[must_use]
    pub fn cgroup_path(&self, id: u64) -> Option<&str> {
        self.cgroups.get(&id).map(String::as_str)
    }
}
