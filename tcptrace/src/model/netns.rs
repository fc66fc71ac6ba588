//! What a network namespace says of itself: settings that decide about closes, and counters.

use serde::{Deserialize, Serialize};

/// The word by which a user names a network namespace, told before the first event of it, and when it has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetnsName {
    /// Inode of the namespace.
    pub netns: u32,
    /// What `--netns` takes for it: a name of `ip netns`, a path, or the id of a process in it. Empty where nothing
    /// leads there any more: the inode may be another namespace's.
    pub name: String,
}

/// Settings (`/proc/sys/net/ipv4/`) and counters (`/proc/net/netstat`) of one namespace; `None` where the kernel
/// lacks one or it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetnsFacts {
    /// When they were read, CLOCK_MONOTONIC nanoseconds.
    pub time_ns: u64,
    /// Inode of the namespace.
    pub netns: u32,
    /// `tcp_orphan_retries`; 0 acts as 8 (`tcp_orphan_retries()`).
    pub orphan_retries: Option<u32>,
    /// `tcp_retries2`.
    pub retries2: Option<u32>,
    /// `tcp_fin_timeout`, seconds.
    pub fin_timeout_s: Option<u32>,
    /// `tcp_rto_min_us`, microseconds (6.11 and later).
    pub rto_min_us: Option<u32>,
    /// `tcp_rto_max_ms`, milliseconds (6.15 and later).
    pub rto_max_ms: Option<u32>,
    /// `tcp_max_tw_buckets`.
    pub max_tw_buckets: Option<u32>,
    /// `tcp_tw_reuse`.
    pub tw_reuse: Option<u32>,
    /// `TCPTimeWaitOverflow`: timewait sockets that were refused.
    pub timewait_overflow: Option<u64>,
    /// `TWRecycled`: timewait sockets that `tcp_tw_reuse` gave to a new connection.
    pub timewait_recycled: Option<u64>,
    /// `tcp_tw_reuse_delay`, milliseconds (6.14 and later). This and all below are in captures since `doctor` is there.
    pub tw_reuse_delay_ms: Option<u32>,
    /// `tcp_timestamps`.
    pub timestamps: Option<u32>,
    /// `tcp_syncookies`.
    pub syncookies: Option<u32>,
    /// `tcp_max_orphans`, of the whole host; told by its first namespace alone.
    pub max_orphans: Option<u32>,
    /// The first of `ip_local_port_range`.
    pub port_low: Option<u16>,
    /// The last of `ip_local_port_range`.
    pub port_high: Option<u16>,
    /// Orphans of the whole host (`/proc/net/sockstat`).
    pub orphans: Option<u64>,
    /// `TCPAbortOnMemory`: orphans that were reset because there were too many, or no memory.
    pub abort_on_memory: Option<u64>,
    /// `ListenOverflows`: connections that a full accept queue turned away.
    pub listen_overflows: Option<u64>,
    /// `ListenDrops`: connections that a listener turned away for any reason.
    pub listen_drops: Option<u64>,
    /// `ActiveOpens`: connections that this side opened.
    pub active_opens: Option<u64>,
    /// Ports of the range that `ip_local_reserved_ports` keeps from `connect()`. This and all below came last.
    pub reserved_in_range: Option<u32>,
    /// `tcp_keepalive_time`, seconds.
    pub keepalive_time_s: Option<u32>,
    /// `tcp_keepalive_intvl`, seconds.
    pub keepalive_interval_s: Option<u32>,
    /// `tcp_keepalive_probes`.
    pub keepalive_probes: Option<u32>,
    /// Pages that all TCP sockets of the host take (`/proc/net/sockstat`).
    pub mem_pages: Option<u64>,
    /// The second of `tcp_mem`, pages; told by the host's first namespace alone.
    pub mem_pressure_pages: Option<u64>,
    /// The third of `tcp_mem`, pages.
    pub mem_limit_pages: Option<u64>,
    /// `net.mptcp.close_timeout`, seconds (6.12 and later; before, `TCP_TIMEWAIT_LEN`).
    #[serde(skip)]
    pub mptcp_close_timeout_s: Option<u32>,
}
