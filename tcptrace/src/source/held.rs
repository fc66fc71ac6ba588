//! Closes that the kernel side holds back until it knows their owner, and those that it refused.
//!
//! A passive close that nobody finishes has no owner for as long as it leaks, and is just what `--leak-after` is for.
//! So what has been held for that long is taken out and handed on, as it was recorded; from then on the kernel side
//! knows nothing of the socket, and lets all of it pass.

use std::time::{Duration, Instant};

use aya::maps::{HashMap, Map, MapData};
use tcptrace_ebpf::record::RECORD_LEN;

use super::error::SourceError;

/// Between two scans, at least, and this many times what the last one took, which keeps them below half a percent of
/// a core.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);
const SCAN_COST_SHARE: u32 = 200;
/// Keys looked at in one scan. A key that vanishes sends the scan back to its start, so there is no natural end.
const KEYS_MAX: usize = 4 * tcptrace_ebpf::filter::OWNERS_MAX as usize;

type Bytes = [u8; RECORD_LEN];

/// The maps of the kernel side.
pub(super) struct Held {
    records: HashMap<MapData, u64, Bytes>,
    refused: HashMap<MapData, u64, u8>,
    release_after_ns: u64,
    due: Instant,
    released: u64,
}

impl Held {
    pub(super) fn new(records: Map, refused: Map, release_after_ns: u64) -> Result<Self, SourceError> {
        let failed = |error| SourceError::from_bpf("open the maps of owners", &error);
        let records = HashMap::try_from(records).map_err(failed)?;
        let refused = HashMap::try_from(refused).map_err(failed)?;
        Ok(Self { records, refused, release_after_ns, due: Instant::now() + SCAN_INTERVAL, released: 0 })
    }

    /// How many were taken out so far: the kernel side has not counted them.
    pub(super) fn released(&self) -> u64 {
        self.released
    }

    /// Whether the kernel side keeps this socket's events back.
    pub(super) fn keeps_back(&self, key: u64) -> bool {
        self.refused.get(&key, 0).is_ok() || self.records.get(&key, 0).is_ok()
    }

    /// What has waited long enough, oldest first; nothing while no scan is due.
    pub(super) fn release(&mut self, now_ns: u64) -> Vec<Bytes> {
        let start = Instant::now();
        if start < self.due {
            return Vec::new();
        }
        let mut ripe = Vec::new();
        for key in self.records.keys().take(KEYS_MAX).filter_map(Result::ok) {
            let Ok(record) = self.records.get(&key, 0) else { continue };
            let age_ns = now_ns.saturating_sub(time_ns(&record));
            // Another task connected, and counts as the owner until somebody closes: user space would show nothing.
            if age_ns >= self.release_after_ns && self.refused.get(&key, 0).is_err() {
                ripe.push((key, record));
            }
        }
        // Whoever removes it has it. Before, the kernel side may have sent it.
        ripe.retain(|(key, _)| self.records.remove(key).is_ok());
        ripe.sort_by_key(|(_, record)| time_ns(record));
        self.released += ripe.len() as u64;
        self.due = Instant::now() + SCAN_INTERVAL.max(start.elapsed().saturating_mul(SCAN_COST_SHARE));
        ripe.into_iter().map(|(_, record)| record).collect()
    }
}

/// `Record::time_ns` is its first field.
fn time_ns(record: &Bytes) -> u64 {
    record.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}
