//! How a close ends, as far as events have told.

use crate::model::{ResetReason, State, Totals};

/// How it ends, as far as seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fate {
    /// `tcp_reset()` ran.
    pub(super) reset_received_ns: Option<u64>,
    pub(super) reset_sent_ns: Option<u64>,
    /// It was sent for a live socket, before `-> CLOSE`.
    pub(super) reset_sent_before: bool,
    pub(super) reset_reason: Option<ResetReason>,
    pub(super) end: Option<End>,
    /// When an orphan was handed over to a timewait socket, nanoseconds.
    pub(super) closed_ns: u64,
    /// When the peer, on this host, sent a reset to the timewait socket.
    pub(super) peer_reset_ns: Option<u64>,
    /// When its timewait socket met the peer's FIN, if the kernel side said so before the hand-over.
    pub(super) time_wait_ns: Option<u64>,
}

/// The `-> CLOSE` event.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) old: State,
    pub(super) sk_err: u16,
    /// `sk_err` at the event before: what is left over from then ended nothing.
    pub(super) err_before: u16,
    /// Attempts that nothing has answered; see [`crate::model::EventKind::Transition`].
    pub(super) retries: Option<u16>,
    pub(super) totals: Option<Totals>,
    pub(super) segs_in: Option<u32>,
    /// Nobody had accepted the connection.
    pub(super) unaccepted: bool,
    /// Nothing has arrived since CLOSING or LAST_ACK began, so not the acknowledgement of the FIN either.
    pub(super) quiet: Option<bool>,
    /// Events were lost meanwhile, which may be those that would tell the cause.
    pub(super) lost: bool,
}
