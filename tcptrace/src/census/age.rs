//! How young a socket can be told to be, from one look at it.

use crate::{
    diagnosis,
    model::{Mptcp, NetnsFacts, Snapshot, State, Timer},
};

const MILLISECOND: u64 = 1_000_000;

/// A socket has been in its state for no longer than this, nanoseconds; `None` where a look cannot tell.
///
/// After the peer's FIN nothing more of its data can come, so a CLOSE_WAIT is younger than the last data, or the
/// connection (`lrcvtime` begins there).
pub(super) fn upper_bound_ns(snapshot: &Snapshot) -> Option<u64> {
    let last_data_recv_ms = match (snapshot.mptcp, snapshot.info) {
        _ if snapshot.state != State::CloseWait => None,
        (Mptcp::Connection(detail), _) => detail.last_data_recv_ms,
        (_, info) => info.map(|info| info.last_data_recv_ms),
    };
    last_data_recv_ms.map(|ms| u64::from(ms).saturating_mul(MILLISECOND))
}

/// How old it is most likely, where that can be told: good for leaving young sockets out, not for printing.
///
/// The peer's FIN acknowledges, too, and where this side has sent nothing since, nothing but a keep-alive or a change
/// of the peer's window brings another ACK. A FIN that is alone in flight left as its state began, unless data held it
/// back.
pub(super) fn likely_ns(snapshot: &Snapshot, facts: Option<&NetnsFacts>) -> Option<u64> {
    match (snapshot.state, snapshot.info) {
        (State::CloseWait, Some(info)) => {
            let answered = info.last_data_sent_ms > info.last_ack_recv_ms && snapshot.timer != Timer::Keepalive;
            answered.then(|| u64::from(info.last_ack_recv_ms).saturating_mul(MILLISECOND))
        }
        (State::FinWait1 | State::Closing | State::LastAck, _) => diagnosis::since_fin_at_most_ns(snapshot, facts),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::snapshot;
    use super::*;
    use crate::model::TcpDetail;

    const SECOND: u64 = 1_000 * MILLISECOND;

    #[test]
    fn close_wait() {
        let info = TcpDetail {
            last_data_recv_ms: 90_000,
            last_data_sent_ms: 80_000,
            last_ack_recv_ms: 70_000,
            ..TcpDetail::default()
        };
        let mut seen = Snapshot { info: Some(info), ..snapshot(1, State::CloseWait) };
        assert_eq!(upper_bound_ns(&seen), Some(90 * SECOND));
        assert_eq!(likely_ns(&seen, None), Some(70 * SECOND));
        seen.timer = Timer::Keepalive;
        assert_eq!(likely_ns(&seen, None), None);
        seen.timer = Timer::None;
        seen.info = Some(TcpDetail { last_data_sent_ms: 60_000, ..info });
        assert_eq!(likely_ns(&seen, None), None);
    }
}
