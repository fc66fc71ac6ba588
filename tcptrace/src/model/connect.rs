//! A `connect()` that came to nothing.

use super::{Identity, Owner};

/// Why a `connect()` failed: what `sk_err` says as the socket leaves SYN_SENT for CLOSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnectFailure {
    /// A reset answered the SYN (`tcp_reset()` in SYN_SENT), or an ICMP message that nobody listens (ECONNREFUSED).
    Refused,
    /// Nothing answered: `tcp_write_err()` after `tcp_syn_retries`, or TCP_USER_TIMEOUT.
    TimedOut,
    /// An ICMP error (`tcp_v4_err()`, `tcp_v6_err()`), or no neighbour.
    Unreachable,
    /// ECONNRESET.
    Reset,
    /// An administrator ended it (`ss -K`, `tcp_abort()`).
    Killed,
    /// No local port was free (`inet_hash_connect()`, EADDRNOTAVAIL).
    NoLocalPort,
    /// The program closed the socket before anything answered.
    Abandoned,
    /// Any other error; its errno tells.
    Other,
}

/// Positive errnos of `sk_err` (asm-generic), as `icmp_err_convert` and `tcp_reset()` set them.
mod errno {
    pub(super) const EACCES: u16 = 13;
    pub(super) const ENONET: u16 = 64;
    pub(super) const EPROTO: u16 = 71;
    pub(super) const ENOPROTOOPT: u16 = 92;
    pub(super) const EOPNOTSUPP: u16 = 95;
    pub(super) const ENETUNREACH: u16 = 101;
    pub(super) const ECONNABORTED: u16 = 103;
    pub(super) const ECONNRESET: u16 = 104;
    pub(super) const ETIMEDOUT: u16 = 110;
    pub(super) const ECONNREFUSED: u16 = 111;
    pub(super) const EHOSTDOWN: u16 = 112;
    pub(super) const EHOSTUNREACH: u16 = 113;
}

impl ConnectFailure {
    /// All failures, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::TimedOut,
        Self::Unreachable,
        Self::Reset,
        Self::Killed,
        Self::NoLocalPort,
        Self::Abandoned,
        Self::Other,
    ];

    /// From `sk_err` at `SYN_SENT -> CLOSE`; 0 where the call itself failed or the program closed.
    #[must_use]
    pub const fn of(sk_err: u16, local_port: u16) -> Self {
        match sk_err {
            0 if local_port == 0 => Self::NoLocalPort,
            0 => Self::Abandoned,
            errno::ECONNREFUSED => Self::Refused,
            errno::ETIMEDOUT => Self::TimedOut,
            errno::ECONNRESET => Self::Reset,
            errno::ECONNABORTED => Self::Killed,
            errno::EHOSTUNREACH
            | errno::ENETUNREACH
            | errno::EHOSTDOWN
            | errno::ENONET
            | errno::ENOPROTOOPT
            | errno::EOPNOTSUPP
            | errno::EPROTO
            | errno::EACCES => Self::Unreachable,
            _ => Self::Other,
        }
    }

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Killed => "killed",
            Self::NoLocalPort => "no_local_port",
            Self::Abandoned => "abandoned",
            Self::Other => "other",
        }
    }
}

/// A `connect()` that failed after the kernel had begun to connect. One that fails before (no route to the network)
/// makes no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedConnect {
    /// When it failed, CLOCK_MONOTONIC nanoseconds.
    pub time_ns: u64,
    /// The socket; its local port is 0 where none was found.
    pub socket: Identity,
    /// Why.
    pub failure: ConnectFailure,
    /// `sk_err`: a positive errno, or 0.
    pub errno: u16,
    /// Who called `connect()`, where that was seen.
    pub owner: Option<Owner>,
    /// From `connect()` to the failure, nanoseconds; `None` where the connect was not seen.
    pub took_ns: Option<u64>,
    /// A subflow of an MPTCP connection.
    pub mptcp: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_words() {
        let words =
            |errors: &[u16]| errors.iter().map(|errno| ConnectFailure::of(*errno, 1).as_str()).collect::<Vec<_>>();
        assert_eq!(
            words(&[111, 110, 113, 101, 104, 103]),
            ["refused", "timed_out", "unreachable", "unreachable", "reset", "killed"]
        );
        assert_eq!(words(&[0, 12, u16::MAX]), ["abandoned", "other", "other"]);
        assert_eq!(ConnectFailure::of(0, 0).as_str(), "no_local_port");
        assert_eq!(ConnectFailure::of(111, 0).as_str(), "refused");
        assert_eq!(ConnectFailure::ALL.map(|failure| failure as usize), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
