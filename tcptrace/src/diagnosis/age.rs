//! How long a socket has been in its state at least, where nobody saw it enter.

use super::{MS_NS, settings::rto_base_ms};
use crate::model::{Snapshot, State, TIME_WAIT_NS, TcpDetail, Timer};

/// A lower bound, nanoseconds; 0 where a look says nothing.
///
/// CLOSE_WAIT, FIN_WAIT2 and CLOSING begin with a segment that carries an ACK, which sets `rcv_tstamp`; later segments only
/// make the time since shorter. FIN_WAIT1 and LAST_ACK begin with a call of the program: where nothing but one segment is
/// unacknowledged, it holds the FIN, and every expiry of its timer came after.
#[must_use]
pub fn age_lower_bound_ns(snapshot: &Snapshot) -> u64 {
    if snapshot.timewait {
        let left_ns = u64::from(snapshot.expires_ms) * MS_NS;
        return if snapshot.state == State::TimeWait { TIME_WAIT_NS.saturating_sub(left_ns) } else { 0 };
    }
    let Some(info) = snapshot.info else { return 0 };
    let age_ms = match snapshot.state {
        State::CloseWait | State::FinWait2 | State::Closing => u64::from(info.last_ack_recv_ms),
        State::FinWait1 | State::LastAck if snapshot.timer == Timer::Retransmit => expired_ms(&info, snapshot),
        _ => 0,
    };
    age_ms * MS_NS
}

/// Timeouts that ran out, and the part of the present one that has passed.
fn expired_ms(info: &TcpDetail, snapshot: &Snapshot) -> u64 {
    let fin_alone = info.unacked_segments == 1 && info.notsent_bytes == 0;
    if !fin_alone || info.retransmits == 0 {
        return 0;
    }
    let rto_ms = u64::from(info.rto_us) / 1000;
    // The timeout before the first expiry is left out: it may have begun with data that is acknowledged by now.
    let past = (1..u32::from(info.retransmits)).map(|doublings| (rto_ms >> doublings.min(63)).max(rto_base_ms(info)));
    let past_ms = past.fold(0, u64::saturating_add);
    past_ms.saturating_add(rto_ms.saturating_sub(u64::from(snapshot.expires_ms)))
}
