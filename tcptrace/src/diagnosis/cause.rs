//! Why a FIN is not acknowledged.

use super::{Signs, owes_fin};
use crate::model::{Snapshot, State, StuckCause, TcpDetail, Timer};

pub(super) fn cause(snapshot: &Snapshot, signs: Signs, orphan: bool) -> StuckCause {
    if snapshot.state == State::FinWait2 && orphan {
        return StuckCause::PeerOpen;
    }
    let Some(info) = snapshot.info.filter(|_| owes_fin(snapshot.state)) else { return StuckCause::Unknown };
    match snapshot.timer {
        // Nothing is in flight. Where the peer would take it, this host did not let it out: a segment that the local
        // stack refuses stays at the head of the queue, and the probe timer runs (`tcp_check_probe_timer()`).
        Timer::Probe => match info.snd_wnd_bytes {
            Some(window) if window >= smallest_send(&info) => StuckCause::LocalDrop,
            Some(_) => StuckCause::ZeroWindow,
            None => StuckCause::Unknown,
        },
        Timer::Retransmit if fails_here(&info, signs) => StuckCause::LocalDrop,
        Timer::Retransmit | Timer::None | Timer::Keepalive if info.notsent_bytes > 0 => StuckCause::UnsentData,
        Timer::Retransmit => StuckCause::FinUnacked,
        _ if info.unacked_segments > 0 => StuckCause::FinUnacked,
        _ => StuckCause::Unknown,
    }
}

/// What a window must admit for a segment to leave: less is not sent for fear of the silly window (RFC 9293, 3.8.6.2.1).
fn smallest_send(info: &TcpDetail) -> u32 {
    info.notsent_bytes.min(info.snd_mss_bytes).max(1)
}

/// The timer ran out, and what was to be sent again did not leave: the kernel counts what is in flight again
/// (`retrans_out`) only where sending worked.
fn fails_here(info: &TcpDetail, signs: Signs) -> bool {
    let all_failed = signs.fin_failed > 0 && signs.fin_sent_again == 0;
    all_failed || (info.retransmits > 0 && info.retrans_out == 0)
}
