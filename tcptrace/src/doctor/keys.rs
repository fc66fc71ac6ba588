//! The settings and counters that rules ask for, by the names that sysctl(8) and `/proc` use.

/// Timeouts of orphans, host-wide limits, and the rest that rules read.
pub const ORPHAN_RETRIES: &str = "net.ipv4.tcp_orphan_retries";
/// Retries of a socket that a program holds.
pub const RETRIES2: &str = "net.ipv4.tcp_retries2";
/// Where the timeout stops doubling (6.15 and later).
pub const RTO_MAX_MS: &str = "net.ipv4.tcp_rto_max_ms";
/// Least timeout of real retransmissions (6.11 and later); the model of giving up does not use it.
pub const RTO_MIN_US: &str = "net.ipv4.tcp_rto_min_us";
/// Orphans at most, host-wide: only the first network namespace shows it.
pub const MAX_ORPHANS: &str = "net.ipv4.tcp_max_orphans";
/// Pages of memory of all TCP sockets: low, pressure, limit; host-wide.
pub const MEM: &str = "net.ipv4.tcp_mem";
/// FIN_WAIT2 of orphans.
pub const FIN_TIMEOUT: &str = "net.ipv4.tcp_fin_timeout";
/// Timewait sockets at most.
pub const MAX_TW_BUCKETS: &str = "net.ipv4.tcp_max_tw_buckets";
/// 0 never, 1 always, 2 on loopback alone.
pub const TW_REUSE: &str = "net.ipv4.tcp_tw_reuse";
/// After which a timewait socket may be used again (6.14 and later), milliseconds.
pub const TW_REUSE_DELAY: &str = "net.ipv4.tcp_tw_reuse_delay";
/// Gone since 4.12.
pub const TW_RECYCLE: &str = "net.ipv4.tcp_tw_recycle";
/// RFC 7323 timestamps.
pub const TIMESTAMPS: &str = "net.ipv4.tcp_timestamps";
/// First and last ephemeral port.
pub const PORT_RANGE: &str = "net.ipv4.ip_local_port_range";
/// Ports that are never given out.
pub const RESERVED_PORTS: &str = "net.ipv4.ip_local_reserved_ports";
/// Idle time before the first keep-alive probe.
pub const KEEPALIVE_TIME: &str = "net.ipv4.tcp_keepalive_time";
/// Between keep-alive probes.
pub const KEEPALIVE_INTVL: &str = "net.ipv4.tcp_keepalive_intvl";
/// Keep-alive probes.
pub const KEEPALIVE_PROBES: &str = "net.ipv4.tcp_keepalive_probes";
/// 0 off, 1 when the queue is full, 2 always.
pub const SYNCOOKIES: &str = "net.ipv4.tcp_syncookies";
/// Requests that wait for their handshake.
pub const MAX_SYN_BACKLOG: &str = "net.ipv4.tcp_max_syn_backlog";
/// Reset instead of silence when the accept queue is full.
pub const ABORT_ON_OVERFLOW: &str = "net.ipv4.tcp_abort_on_overflow";
/// A closing listener's queue goes to another one of its port (SO_REUSEPORT; 5.14 and later).
pub const MIGRATE_REQ: &str = "net.ipv4.tcp_migrate_req";
/// Most that `listen()` may ask for.
pub const SOMAXCONN: &str = "net.core.somaxconn";

/// Every setting that is read, and its default where that is the same on every host and kernel of the last years.
pub const SETTINGS: [(&str, Option<&str>); 22] = [
    (ORPHAN_RETRIES, Some("0")),
    (RETRIES2, Some("15")),
    (RTO_MAX_MS, Some("120000")),
    (RTO_MIN_US, Some("200000")),
    (MAX_ORPHANS, None),
    (MEM, None),
    (FIN_TIMEOUT, Some("60")),
    (MAX_TW_BUCKETS, None),
    (TW_REUSE, Some("2")),
    (TW_REUSE_DELAY, Some("1000")),
    (TW_RECYCLE, None),
    (TIMESTAMPS, Some("1")),
    (PORT_RANGE, Some("32768 60999")),
    (RESERVED_PORTS, Some("")),
    (KEEPALIVE_TIME, Some("7200")),
    (KEEPALIVE_INTVL, Some("75")),
    (KEEPALIVE_PROBES, Some("9")),
    (SYNCOOKIES, Some("1")),
    (MAX_SYN_BACKLOG, None),
    (ABORT_ON_OVERFLOW, Some("0")),
    (MIGRATE_REQ, Some("0")),
    (SOMAXCONN, None),
];

/// Timewait sockets that were refused.
pub const TW_OVERFLOW: &str = "TCPTimeWaitOverflow";
/// Timewait sockets that ran out.
pub const TW_ENDED: &str = "TW";
/// Timewait sockets that `tcp_tw_reuse` gave to a new connection.
pub const TW_RECYCLED: &str = "TWRecycled";
/// Orphans that were reset for want of memory, or because there were too many.
pub const ABORT_ON_MEMORY: &str = "TCPAbortOnMemory";
/// How often TCP came under memory pressure.
pub const MEMORY_PRESSURES: &str = "TCPMemoryPressures";
/// Connections that a full accept queue turned away.
pub const LISTEN_OVERFLOWS: &str = "ListenOverflows";
/// Connections that a listener turned away for any reason.
pub const LISTEN_DROPS: &str = "ListenDrops";
/// SYNs that a full queue of requests dropped.
pub const REQ_QUEUE_DROPS: &str = "TCPReqQFullDrop";
/// SYN cookies sent.
pub const COOKIES_SENT: &str = "SyncookiesSent";
/// Connections that this side opened.
pub const ACTIVE_OPENS: &str = "ActiveOpens";
/// Connections that this side accepted.
pub const PASSIVE_OPENS: &str = "PassiveOpens";

/// Counters of `TcpExt:` in `/proc/net/netstat`.
pub const NETSTAT: [&str; 9] = [
    TW_OVERFLOW,
    TW_ENDED,
    TW_RECYCLED,
    ABORT_ON_MEMORY,
    MEMORY_PRESSURES,
    LISTEN_OVERFLOWS,
    LISTEN_DROPS,
    REQ_QUEUE_DROPS,
    COOKIES_SENT,
];
/// Counters of `Tcp:` in `/proc/net/snmp`.
pub const SNMP: [&str; 2] = [ACTIVE_OPENS, PASSIVE_OPENS];
