//! What one look of sock_diag tells: why a socket is stuck or leaked, how long it has been, and when the kernel gives
//! it up. Pure: the kernel's timers are computed forward from a snapshot and the namespace's sysctls.
//!
//! Not visible in a snapshot, and so not counted in: TCP_USER_TIMEOUT and TCP_RTO_MAX_MS of a socket, SO_KEEPALIVE,
//! and `tcp_out_of_resources()`, which kills orphans early when the host has too many.

mod age;
mod cause;
mod end;
mod leak;
mod limits;
mod probe;
mod retransmit;
#[cfg(test)]
mod tests;

pub use age::{age_lower_bound_ns, mptcp_orphan_ns, orphan_age_ns, since_fin_at_most_ns};
pub use cause::stuck_advice;
pub use leak::{advice, leak_cause};
pub use limits::modelled_timeout_us;

use crate::model::{Diagnosis, Mptcp, NetnsFacts, Snapshot, State, Timer};

const NS_PER_MS: u64 = 1_000_000;

/// What events add to a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Segments with FIN that were sent again.
    pub sent: u32,
    /// Segments with FIN that should have been sent again and did not leave (the tracepoint's `err`, 6.17 and later).
    pub failed: u32,
    /// No program holds the socket; `None` where events do not tell.
    pub orphan: Option<bool>,
}

/// Why a socket is stuck, and what the kernel will do about it. Without `facts`, only an end that no sysctl moves is
/// told.
#[must_use]
pub fn diagnose(snapshot: &Snapshot, facts: Option<&NetnsFacts>, signs: Signs) -> Diagnosis {
    let (unsent_bytes, unacked_bytes) = queues(snapshot);
    let cause = cause::stuck(snapshot, signs);
    Diagnosis {
        cause,
        gives_up: end::gives_up(snapshot, facts, signs, cause),
        next_attempt_in_ns: matches!(snapshot.timer, Timer::Retransmit | Timer::Probe)
            .then(|| u64::from(snapshot.expires_ms).saturating_mul(NS_PER_MS)),
        unsent_bytes,
        unacked_bytes,
    }
}

/// Whether a FIN is among what is unsent or unacknowledged: `tcp_send_fin()` queues it as these states begin.
const fn fin_is_queued(state: State) -> bool {
    matches!(state, State::FinWait1 | State::Closing | State::LastAck)
}

/// Whether no program holds it. In these states inode 0 says so: `sock_orphan()` takes the inode away. Before them, a
/// socket without inode may still wait for `accept()`, and the kernel does not treat it as an orphan.
fn is_orphan(snapshot: &Snapshot, signs: Signs) -> bool {
    let left = fin_is_queued(snapshot.state) || matches!(snapshot.state, State::FinWait2 | State::TimeWait);
    // An orphan is never held again, so an event that is older than the look holds true.
    left && (snapshot.timewait || snapshot.inode == 0 || signs.orphan == Some(true))
}

/// Bytes unsent and unacknowledged, without the FIN: `notsent` is `write_seq - snd_nxt`, the queue `write_seq -
/// snd_una`, and the FIN takes the last number of both.
fn queues(snapshot: &Snapshot) -> (Option<u32>, Option<u32>) {
    let fin = u32::from(fin_is_queued(snapshot.state));
    if let Mptcp::Connection(detail) = snapshot.mptcp {
        // Sent or not, only its subflows know.
        return (None, detail.unacked_bytes.map(|bytes| bytes.saturating_sub(fin)));
    }
    let Some(info) = snapshot.info else {
        return (None, None);
    };
    let sent = snapshot.send_queue_bytes.saturating_sub(info.notsent_bytes);
    if info.notsent_bytes > 0 {
        (Some(info.notsent_bytes.saturating_sub(fin)), Some(sent))
    } else {
        (Some(0), Some(sent.saturating_sub(fin)))
    }
}
