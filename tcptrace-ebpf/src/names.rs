//! Names of maps, programs and globals, so that neither side spells them twice.

/// Ring buffer of [`crate::record::Record`].
pub const MAP_EVENTS: &str = "EVENTS";
/// Per-CPU array of one [`crate::counters::Counters`].
pub const MAP_COUNTERS: &str = "COUNTERS";
/// Read-only global of type [`crate::layout::Layout`].
pub const GLOBAL_LAYOUT: &str = "LAYOUT";

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
