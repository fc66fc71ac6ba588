//! What an engine is told at its start. All bounds stand here.

/// Limits on memory. Reaching one is counted in [`crate::model::Anomalies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Closes followed at a time; about 250 bytes each. A million is more than `tcp_max_orphans` and
    /// `tcp_max_tw_buckets` allow on any common host, and 250 MB at worst.
    pub closes_max: usize,
    /// `connect()`s remembered until their close; about 150 bytes each.
    pub connects_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { closes_max: 1 << 20, connects_max: 1 << 20 }
    }
}

/// Configuration of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A socket longer than this in FIN_WAIT1, CLOSING, LAST_ACK or orphaned FIN_WAIT2 is stuck, nanoseconds.
    pub stuck_after_ns: u64,
    /// A socket longer than this in CLOSE_WAIT is leaked, nanoseconds.
    pub leak_after_ns: u64,
    /// Give each event out again, for `--transitions`.
    pub echo_events: bool,
    /// Limits on memory.
    pub bounds: Bounds,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stuck_after_ns: 5_000_000_000,
            leak_after_ns: 60_000_000_000,
            echo_events: false,
            bounds: Bounds::default(),
        }
    }
}

/// A finished close waits this long before it is judged, because the kernel fires `tcp_send_reset` after
/// `-> CLOSE` where `close()` aborts. Both happen in one system call; the wait covers a task that loses its
/// CPU in between.
pub(super) const SETTLE_NS: u64 = 100_000_000;
/// A reset belongs to an end that follows it within this time; older ones answered a stray segment.
pub(super) const RESET_WINDOW_NS: u64 = 100_000_000;
/// A wall clock that moves against the monotonic one by more than this between two ticks has stepped;
/// slewing (`adjtime`) stays far below.
pub(super) const CLOCK_STEP_NS: i128 = 500_000_000;
/// An event that comes again within this time is the same one: the kernel side's two programs run back to back, with at
/// most a softirq in between.
pub(super) const DUPLICATE_NS: u64 = 10_000_000;
