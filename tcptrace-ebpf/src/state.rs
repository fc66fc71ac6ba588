//! TCP states as the kernel numbers them (`include/net/tcp_states.h`), and which transitions cross.

/// `TCP_ESTABLISHED`.
pub const ESTABLISHED: u8 = 1;
/// `TCP_SYN_SENT`.
pub const SYN_SENT: u8 = 2;
/// `TCP_SYN_RECV`.
pub const SYN_RECV: u8 = 3;
/// `TCP_FIN_WAIT1`.
pub const FIN_WAIT1: u8 = 4;
/// `TCP_FIN_WAIT2`.
pub const FIN_WAIT2: u8 = 5;
/// `TCP_TIME_WAIT`: never a new state of the tracepoint, see `tcp_time_wait()`.
pub const TIME_WAIT: u8 = 6;
/// `TCP_CLOSE`.
pub const CLOSE: u8 = 7;
/// `TCP_CLOSE_WAIT`.
pub const CLOSE_WAIT: u8 = 8;
/// `TCP_LAST_ACK`.
pub const LAST_ACK: u8 = 9;
/// `TCP_LISTEN`.
pub const LISTEN: u8 = 10;
/// `TCP_CLOSING`.
pub const CLOSING: u8 = 11;
/// `TCP_NEW_SYN_RECV`: request sockets, which emit no transitions.
pub const NEW_SYN_RECV: u8 = 12;

/// Set of states, as a bit for each, that a connection is in only while it closes.
const TEARDOWN: u32 = bit(FIN_WAIT1) | bit(FIN_WAIT2) | bit(CLOSE_WAIT) | bit(LAST_ACK) | bit(CLOSING);

const fn bit(state: u8) -> u32 {
    1 << state
}

/// Whether `old -> new` is of interest to user space: a step of a teardown, the end of a
/// connection, or the `connect()` that names an owner.
///
/// `LISTEN -> CLOSE` ends no connection and `CLOSE -> CLOSE` is `close()` of a dead socket. `SYN_RECV -> CLOSE` is a
/// socket that nobody ever had: the last segments of a handshake, handled on two CPUs at once, make a socket each, and
/// `inet_ehash_nolisten()` closes the one that comes second. The other one is the connection.
#[inline(always)]
#[must_use]
pub const fn crosses(old: u8, new: u8) -> bool {
    if old > NEW_SYN_RECV || new > NEW_SYN_RECV {
        return false;
    }
    match new {
        CLOSE => bit(old) & (bit(LISTEN) | bit(SYN_RECV) | bit(CLOSE)) == 0,
        SYN_SENT => old == CLOSE,
        _ => bit(new) & TEARDOWN != 0,
    }
}

/// Whether the current task at `old -> new` is the one that acts on the socket.
///
/// True for `connect()` and for the calls that reach `tcp_close_state()`: the move from
/// ESTABLISHED to FIN_WAIT1, the move to LAST_ACK, and self transitions, which only `close()`
/// makes. SYN_RECV -> FIN_WAIT1 may be softirq (`tcp_rcv_state_process()`), so it is not.
#[inline(always)]
#[must_use]
pub const fn in_owner_context(old: u8, new: u8) -> bool {
    match new {
        SYN_SENT => old == CLOSE,
        FIN_WAIT1 => old == ESTABLISHED || old == FIN_WAIT1,
        LAST_ACK => old == CLOSE_WAIT || old == LAST_ACK,
        FIN_WAIT2 | CLOSING => old == new,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_teardown_and_connect_cross() {
        assert!(crosses(ESTABLISHED, FIN_WAIT1));
        assert!(crosses(FIN_WAIT1, FIN_WAIT1));
        assert!(crosses(SYN_SENT, CLOSE));
        assert!(crosses(CLOSE, SYN_SENT));
        assert!(!crosses(LISTEN, CLOSE));
        assert!(!crosses(SYN_RECV, CLOSE));
        assert!(!crosses(CLOSE, CLOSE));
        assert!(!crosses(LISTEN, SYN_RECV));
        assert!(!crosses(SYN_RECV, ESTABLISHED));
        assert!(!crosses(CLOSE, LISTEN));
        assert!(!crosses(40, CLOSE));
    }

    #[test]
    fn softirq_moves_name_no_owner() {
        assert!(in_owner_context(CLOSE, SYN_SENT));
        assert!(in_owner_context(CLOSE_WAIT, LAST_ACK));
        assert!(!in_owner_context(SYN_RECV, FIN_WAIT1));
        assert!(!in_owner_context(FIN_WAIT1, FIN_WAIT2));
        assert!(!in_owner_context(ESTABLISHED, CLOSE_WAIT));
        assert!(!in_owner_context(ESTABLISHED, CLOSE));
    }
}
