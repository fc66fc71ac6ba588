//! What an engine is told at its start. All bounds stand here.

/// Limits on memory. Reaching one is counted in [`crate::model::Anomalies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Closes followed at a time; about 180 bytes each, and 220 more once a FIN was sent again or a reset was seen,
    /// or 320 with a look. A million is more than `tcp_max_orphans` and `tcp_max_tw_buckets` allow on any common
    /// host, and 180 MB where all of them are ordinary.
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
    /// Tell each `connect()` that failed, for `--failed-connects`.
    pub failed_connects: bool,
    /// Limits on memory.
    pub bounds: Bounds,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stuck_after_ns: 5_000_000_000,
            leak_after_ns: 60_000_000_000,
            echo_events: false,
            failed_connects: false,
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

/// A handed-over orphan is looked at after this time: most peers have sent their FIN by then.
pub(super) const YOUNG_NS: u64 = 20_000_000;
/// A peer in the same namespace tells when its FIN came if it had the acknowledgement within this time. Where that took
/// longer, a look tells more: timers count in ticks of 10 ms at most.
pub(super) const PEER_NS: u64 = 10_000_000;
/// Those that linger are looked at this often while they are few.
pub(super) const LOOK_AGAIN_NS: u64 = 500_000_000;
/// And at least this often, because TIME_WAIT lasts 60 s.
pub(super) const LOOK_AGAIN_MAX_NS: u64 = 50_000_000_000;
/// Looks a second in the long run, whatever lingers: at 1.4 us each a third of a percent of a core.
pub(super) const LOOKS_A_SECOND: u64 = 2_000;
/// A timewait socket's timer fires late, by up to an eighth of its time (the kernel's timer wheel).
pub(super) const EXPIRY_GRACE_NS: u64 = 50_000_000;
/// A socket that was there this short a time before its timer expired, and then was not, ended by its timer.
pub(super) const LAST_LOOK_NS: u64 = 150_000_000;
/// A socket that was not found is looked for once more after this time, before its end counts as lost:
/// `tcp_set_state()` takes it out of the table a moment before the event tells, and a virtual CPU may lose its turn in
/// between.
pub(super) const GONE_AGAIN_NS: u64 = 200_000_000;
/// Looks in vain for a socket's namespace, after which the socket is given up.
pub(super) const NO_NAMESPACE_MAX: u8 = 3;
/// Between looks at one whose timer is overdue.
pub(super) const OVERDUE_NS: u64 = 250_000_000;
/// The kernel's tick at its longest (CONFIG_HZ=100), twice: timers are rounded at both ends.
pub(super) const TICK_NS: u64 = 20_000_000;
/// Questions that wait to be taken; what finds no room is asked again, or done without.
pub(super) const WANTS_MAX: usize = 1 << 17;
/// An answer that has not come by then will not come.
pub(super) const LOOK_PATIENCE_NS: u64 = 10_000_000_000;
/// Whether a finding still stands is looked up this often while there are few.
pub(super) const RECHECK_NS: u64 = 5_000_000_000;
/// Between two audits, at least; and this many times what one costs, which keeps them below half a percent of a core.
pub(super) const AUDIT_INTERVAL_NS: u64 = 15_000_000_000;
pub(super) const AUDIT_COST_SHARE: u64 = 200;
/// After a loss, the stream is given this long to calm down.
pub(super) const AUDIT_AFTER_LOSS_NS: u64 = 500_000_000;
/// A dump that takes longer has failed.
pub(super) const AUDIT_PATIENCE_NS: u64 = 60_000_000_000;
/// Closes that end during one audit, remembered so that none of them is adopted; 8 bytes each.
pub(super) const ENDED_IN_AUDIT_MAX: usize = 1 << 17;
/// Network namespaces whose settings are remembered.
pub(super) const NAMESPACES_MAX: usize = 4096;
