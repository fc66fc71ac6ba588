//! Why a FIN does not get through.

use super::{Signs, fin_is_queued, is_orphan};
use crate::model::{Mptcp, Snapshot, State, StuckCause, TcpDetail, Timer};

/// Why this socket is stuck, as far as one look can tell.
pub(super) fn stuck(snapshot: &Snapshot, signs: Signs) -> StuckCause {
    if snapshot.state == State::FinWait2 && is_orphan(snapshot, signs) {
        return StuckCause::PeerOpen;
    }
    if !fin_is_queued(snapshot.state) {
        return StuckCause::Unknown;
    }
    if let Mptcp::Connection(detail) = snapshot.mptcp {
        // Which of its data has been sent, and in which window, only its subflows know.
        return if detail.unacked_bytes == Some(1) { StuckCause::FinUnacked } else { StuckCause::Unknown };
    }
    let Some(info) = &snapshot.info else {
        return StuckCause::Unknown;
    };
    match snapshot.timer {
        Timer::Probe => probing(info, signs),
        Timer::Retransmit => retransmitting(info, signs),
        Timer::None | Timer::Keepalive | Timer::TimeWait => StuckCause::Unknown,
    }
}

/// Nothing is in flight (`tcp_check_probe_timer()`), so either the window keeps the FIN back, or it should have left
/// and this host did not let it: `tcp_write_xmit()` then leaves it at the head of the queue and starts the same timer.
fn probing(info: &TcpDetail, signs: Signs) -> StuckCause {
    match info.snd_wnd_bytes {
        // `tcp_snd_wnd_test()`: one segment, or all there is, fits.
        Some(window) if window >= info.snd_mss_bytes.min(info.notsent_bytes) => StuckCause::LocalDrop,
        Some(_) => StuckCause::ZeroWindow,
        None if nothing_leaves(info, signs) => StuckCause::LocalDrop,
        // Each probe counts as unanswered until `tcp_ack()` sets that to 0, and as a doubling until the window opens:
        // fewer of those than of these, so the peer answers, so what is sent does leave.
        None if info.probes < info.backoff => StuckCause::ZeroWindow,
        None => StuckCause::Unknown,
    }
}

fn retransmitting(info: &TcpDetail, signs: Signs) -> StuckCause {
    if nothing_leaves(info, signs) {
        StuckCause::LocalDrop
    } else if info.snd_wnd_bytes == Some(0) {
        // The peer took its window back; `tcp_retransmit_timer()` probes with what is in flight.
        StuckCause::ZeroWindow
    } else if info.notsent_bytes > 0 {
        StuckCause::UnsentData
    } else {
        StuckCause::FinUnacked
    }
}

/// Every attempt to send again failed. `__tcp_retransmit_skb()` counts a segment once it has a route, and only then;
/// what a firewall drops behind that is not in flight again (`retrans_out`).
fn nothing_leaves(info: &TcpDetail, signs: Signs) -> bool {
    let all_failed = signs.failed > 0 && signs.sent == 0;
    let none_in_flight = info.retransmits > 0 && info.retrans_out == 0;
    all_failed || none_in_flight || u32::from(info.retransmits) > info.total_retrans
}

/// What to look for, where sockets are stuck for a reason. `mptcp`: all of them belong to MPTCP connections.
#[must_use]
pub const fn stuck_advice(cause: StuckCause, mptcp: bool) -> &'static str {
    match cause {
        StuckCause::PeerOpen if mptcp => {
            "the peer has not closed its side: look there; net.mptcp.close_timeout limits how long an orphan waits"
        }
        StuckCause::FinUnacked => {
            "the peer does not acknowledge the FIN: check that the peer is up and that no firewall drops it"
        }
        StuckCause::UnsentData => {
            "the connection still sends data ahead of the FIN: check for loss on the way (ss -ti)"
        }
        StuckCause::ZeroWindow => {
            "the peer's program does not read: look there; tcp_orphan_retries limits how long an orphan waits"
        }
        StuckCause::LocalDrop => {
            "this host drops what it sends: look at firewall rules for output, the route and the interface's queue"
        }
        StuckCause::PeerOpen => {
            "the peer has not closed its side: look there; tcp_fin_timeout limits how long an orphan waits"
        }
        StuckCause::Unknown => "look at the sockets with `ss -tieon`, and with --watch at how they change",
    }
}
