//! When the kernel gives a socket up.

use super::limits::{Limits, us_from_ms};
use super::{Signs, fin_is_queued, is_orphan, probe, retransmit};
use crate::model::{GivesUp, Mptcp, NetnsFacts, NeverWhy, Snapshot, State, StuckCause, TcpDetail, Timer};

const NS_PER_US: u64 = 1000;
const US_PER_S: u64 = 1_000_000;
/// `TCP_TIMEWAIT_LEN`: only what `tcp_fin_timeout` has beyond it is waited for with a full socket.
const TIMEWAIT_US: u64 = 60 * US_PER_S;

pub(super) fn gives_up(snapshot: &Snapshot, facts: Option<&NetnsFacts>, signs: Signs, cause: StuckCause) -> GivesUp {
    let left_us = us_from_ms(snapshot.expires_ms);
    if snapshot.timewait {
        return within(left_us);
    }
    let orphan = is_orphan(snapshot, signs);
    match snapshot.state {
        // `mptcp_worker()` ends an orphan when the timer of `mptcp_start_tout_timer()` has run out.
        _ if orphan && matches!(snapshot.mptcp, Mptcp::Connection(_)) => match snapshot.timer {
            Timer::Keepalive => within(left_us),
            _ => GivesUp::Unknown,
        },
        State::FinWait2 if orphan => facts.map_or(GivesUp::Unknown, |facts| fin_wait2(snapshot, facts)),
        State::FinWait2 => GivesUp::Never(NeverWhy::HeldInFinWait2),
        // Data of its own that the peer does not take may end it, whatever its program does.
        State::CloseWait if !matches!(snapshot.timer, Timer::Retransmit | Timer::Probe) => {
            GivesUp::Never(NeverWhy::WaitsForProgram)
        }
        state if state == State::CloseWait || fin_is_queued(state) => {
            let limits = facts.and_then(|facts| Limits::of(facts, orphan));
            match (snapshot.info, limits) {
                (Some(info), Some(limits)) => sending(snapshot.timer, left_us, &info, &limits, signs, cause),
                _ => GivesUp::Unknown,
            }
        }
        _ => GivesUp::Unknown,
    }
}

fn sending(timer: Timer, left_us: u64, info: &TcpDetail, limits: &Limits, signs: Signs, cause: StuckCause) -> GivesUp {
    match timer {
        Timer::Retransmit if info.snd_wnd_bytes == Some(0) && !limits.orphan => shrunk(left_us, info),
        Timer::Retransmit => retransmit::ends_in_us(left_us, info, limits, signs).map_or(GivesUp::Unknown, within),
        Timer::Probe => probe::gives_up(left_us, info, limits, cause == StuckCause::LocalDrop),
        Timer::None | Timer::Keepalive | Timer::TimeWait => GivesUp::Unknown,
    }
}

/// A window that the peer took back, of a socket that is held: `tcp_retransmit_timer()` then never gives up as long as
/// the peer answers. How long it waits without an answer differs among kernels (`tcp_rtx_probe0_timed_out()`).
fn shrunk(left_us: u64, info: &TcpDetail) -> GivesUp {
    let since_sent = u64::from(info.rto_us).saturating_sub(left_us);
    if info.retransmits > 0 && us_from_ms(info.last_ack_recv_ms) <= since_sent {
        GivesUp::Never(NeverWhy::ProbesAnswered)
    } else {
        GivesUp::Unknown
    }
}

/// A full orphan: `tcp_keepalive_timer()` hands it to a timewait socket, which lasts as long as what was waited for:
/// `tcp_fin_time()` less `TCP_TIMEWAIT_LEN`, twice.
fn fin_wait2(snapshot: &Snapshot, facts: &NetnsFacts) -> GivesUp {
    let (Timer::Keepalive, Some(fin_timeout_s)) = (snapshot.timer, facts.fin_timeout_s) else {
        return GivesUp::Unknown;
    };
    let rto_us = snapshot.info.map_or(0, |info| u64::from(info.rto_us));
    // `(rto << 2) - (rto >> 1)`
    let least_us = rto_us.saturating_mul(4).saturating_sub(rto_us / 2);
    let fin_time_us = u64::from(fin_timeout_s).saturating_mul(US_PER_S).max(least_us);
    within(us_from_ms(snapshot.expires_ms).saturating_add(fin_time_us.saturating_sub(TIMEWAIT_US)))
}

pub(super) const fn within(us: u64) -> GivesUp {
    GivesUp::In(us.saturating_mul(NS_PER_US))
}
