//! How young a socket can be told to be, from one look at it.

use crate::model::{NetnsFacts, Snapshot, State, Timer};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

/// A socket has been in its state for no longer than this, nanoseconds; `None` where a look cannot tell.
///
/// After the peer's FIN nothing more of its data can come, so a CLOSE_WAIT is younger than the last data, or the
/// connection (`lrcvtime` begins there).
pub(super) fn upper_bound_ns(snapshot: &Snapshot) -> Option<u64> {
    match (snapshot.state, snapshot.info) {
        (State::CloseWait, Some(info)) => Some(u64::from(info.last_data_recv_ms).saturating_mul(MILLISECOND)),
        _ => None,
    }
}

/// How old it is most likely, where that can be told: good for leaving young sockets out, not for printing.
///
/// The peer's FIN acknowledges, too, and where this side has sent nothing since, nothing but a keep-alive or a change
/// of the peer's window brings another ACK. An orphan's FIN_WAIT2 lasts `tcp_fin_timeout`; less with TCP_LINGER2, and
/// more where 3.5 timeouts of retransmission are longer (`tcp_fin_time()`).
pub(super) fn likely_ns(snapshot: &Snapshot, facts: Option<&NetnsFacts>) -> Option<u64> {
    match (snapshot.state, snapshot.info) {
        (State::CloseWait, Some(info)) => {
            let answered = info.last_data_sent_ms > info.last_ack_recv_ms && snapshot.timer != Timer::Keepalive;
            answered.then(|| u64::from(info.last_ack_recv_ms).saturating_mul(MILLISECOND))
        }
        (State::FinWait2, None) if snapshot.timewait => {
            let timeout_ns = u64::from(facts?.fin_timeout_s?).saturating_mul(SECOND);
            timeout_ns.checked_sub(u64::from(snapshot.expires_ms).saturating_mul(MILLISECOND))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::snapshot;
    use super::*;
    use crate::model::TcpDetail;

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

    #[test]
    fn fin_wait2_of_an_orphan() {
        let seen = Snapshot { info: None, timewait: true, expires_ms: 53_000, ..snapshot(1, State::FinWait2) };
        let facts = NetnsFacts { fin_timeout_s: Some(60), ..NetnsFacts::default() };
        assert_eq!(upper_bound_ns(&seen), None);
        assert_eq!(likely_ns(&seen, Some(&facts)), Some(7 * SECOND));
        assert_eq!(likely_ns(&seen, None), None);
        let short = NetnsFacts { fin_timeout_s: Some(50), ..facts };
        assert_eq!(likely_ns(&seen, Some(&short)), None, "longer than it can last");
    }
}
