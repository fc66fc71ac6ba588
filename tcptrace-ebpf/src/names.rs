//! Names of maps, programs and globals, so that neither side spells them twice.

/// Ring buffer of [`crate::record::Record`].
pub const MAP_EVENTS: &str = "EVENTS";
/// Per-CPU array of one [`crate::counters::Counters`].
pub const MAP_COUNTERS: &str = "COUNTERS";
/// Read-only global of type [`crate::layout::Layout`].
pub const GLOBAL_LAYOUT: &str = "LAYOUT";
/// Read-only global of type [`crate::filter::Filter`].
pub const GLOBAL_FILTER: &str = "FILTER";

/// Array of words: the bits of all lists of ports, see [`crate::filter::port_place`].
pub const MAP_PORTS: &str = "PORTS";
/// LPM trie of [`crate::filter::PrefixData`].
pub const MAP_PREFIXES: &str = "PREFIXES";
/// Set of inodes of network namespaces.
pub const MAP_NETNS: &str = "NETNS";
/// Set of process ids.
pub const MAP_PIDS: &str = "PIDS";
/// Set of [`crate::filter::comm_key`].
pub const MAP_COMMS: &str = "COMMS";
/// By key, the record of a close that waits for its owner.
pub const MAP_HELD: &str = "HELD";
/// By key, sockets that owners refused.
pub const MAP_REFUSED: &str = "REFUSED";
/// By key, the record of a `connect()` that waits for its local port.
pub const MAP_CONNECTS: &str = "CONNECTS";

/// On `sock:inet_sock_set_state`.
pub const PROGRAM_SET_STATE: &str = "inet_sock_set_state";
/// After it, on the same tracepoint: events that the first was kept from.
pub const PROGRAM_SET_STATE_NESTED: &str = "set_state_nested";
/// On `tcp:tcp_retransmit_skb`.
pub const PROGRAM_RETRANSMIT: &str = "tcp_retransmit_skb";
/// On `tcp:tcp_receive_reset`.
pub const PROGRAM_RECEIVE_RESET: &str = "tcp_receive_reset";
/// On `tcp:tcp_send_reset`.
pub const PROGRAM_SEND_RESET: &str = "tcp_send_reset";

/// On the exit of that function, where the kernel lets fexit attach; see [`crate::record::KIND_TIME_WAIT`].
pub const PROGRAM_TIME_WAIT: &str = "tcp_timewait_state_process";

/// On the first tracepoint, in benchmarks alone.
pub const PROGRAM_IDLE: &str = "idle";

/// The tracepoints, each named as its main program.
pub const TRACEPOINTS: [&str; 4] = [PROGRAM_SET_STATE, PROGRAM_RETRANSMIT, PROGRAM_RECEIVE_RESET, PROGRAM_SEND_RESET];

/// All programs that a run needs, each with its tracepoint, in the order in which they must be attached.
pub const PROGRAMS: [(&str, &str); 5] = [
    (PROGRAM_SET_STATE, PROGRAM_SET_STATE),
    (PROGRAM_SET_STATE_NESTED, PROGRAM_SET_STATE),
    (PROGRAM_RETRANSMIT, PROGRAM_RETRANSMIT),
    (PROGRAM_RECEIVE_RESET, PROGRAM_RECEIVE_RESET),
    (PROGRAM_SEND_RESET, PROGRAM_SEND_RESET),
];
