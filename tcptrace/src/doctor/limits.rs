//! Where verdicts change, and how much is remembered. docs/doctor.md repeats the first part for readers.

/// Orphans whose FIN is not acknowledged: from here on they are watched.
pub const WAITING_ORPHANS_WATCH: u64 = 100;
/// From here on something is to be done about them, or from a tenth of `tcp_max_orphans`.
pub const WAITING_ORPHANS_ACT: u64 = 1000;
/// Retries below which a lost FIN and two lost repetitions end in a reset of a healthy close.
pub const FEW_RETRIES: u32 = 3;
/// FINs that cannot leave: from here on something is to be done.
pub const UNSENDABLE_ACT: u64 = 100;
/// The same, by the bytes that they hold.
pub const UNSENDABLE_ACT_BYTES: u64 = 64 << 20;
/// Orphans in FIN_WAIT2 that are worth an eye.
pub const FIN_WAIT2_ORPHANS_WATCH: u64 = 1000;
/// Held sockets in FIN_WAIT2 that are worth an eye.
pub const FIN_WAIT2_HELD_WATCH: u64 = 100;
/// Of `tcp_max_tw_buckets`, percent.
pub const BUCKETS_WATCH_PERCENT: u64 = 80;
/// A limit below this overflows at 68 closes a second: somebody followed bad advice.
pub const LOW_BUCKETS: u64 = 4096;
/// Of the usable ports to one place, percent.
pub const PORTS_WATCH_PERCENT: u64 = 50;
/// The same.
pub const PORTS_ACT_PERCENT: u64 = 80;
/// A connection that did not live longer is short, nanoseconds.
pub const SHORT_NS: u64 = 1_000_000_000;
/// Short connections of one process to one place, a second, in tenths: worth an eye.
pub const SHORT_WATCH_TENTHS: u64 = 10;
/// The same: a tenth of the ceiling of the default port range (470 a second).
pub const SHORT_ACT_TENTHS: u64 = 470;
/// Closes to one place in the last minute below which nobody can have made many short connections.
pub const FEW_CLOSES: u64 = 60;
/// Leaked sockets: from here on something is to be done.
pub const LEAKS_ACT: u64 = 100;
/// Idle sockets without keep-alive: from here on something is to be done.
pub const IDLE_ACT: u64 = 1000;

/// Tuples of source, destination and destination port that are counted in a namespace. A million sockets of a host
/// rarely have more; each takes about 150 bytes.
pub const TUPLES_MAX: usize = 1 << 16;
/// Source addresses whose local ports are counted in a namespace: with all 65,536 ports, each takes 24 KiB.
pub const SOURCES_MAX: usize = 256;
/// Ports that are listened at and remembered in a namespace: all that there are.
pub const LISTENERS_MAX: usize = 1 << 16;
/// Sockets whose holders are searched for, in each namespace and for each row: 4 bytes each until the search, some 200
/// after it.
pub const INODES_MAX: usize = 1 << 17;
/// The same, of all namespaces and rows together.
pub const INODES_IN_ALL_MAX: usize = 1 << 18;
/// Listeners with full queues whose numbers are remembered; more are counted.
pub const FULL_QUEUES_MAX: usize = 4096;
/// Programs and ends of connections that are told apart in a namespace while closes are watched.
pub const CLOSERS_MAX: usize = 4096;
/// Of the usable ports, percent, that nothing but `bind()` explains: from here on it counts that ports are taken from
/// all places at once.
pub const BOUND_PERCENT: u64 = 5;
/// Entries of a list in an object of evidence.
pub const LISTED_MAX: usize = 5;
/// Bytes that are read of one sysctl file.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Sysctl files that are read.
pub const FILES_MAX: usize = 1024;
