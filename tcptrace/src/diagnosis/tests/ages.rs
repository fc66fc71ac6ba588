use crate::diagnosis::age_lower_bound_ns;
use crate::model::{Snapshot, State, TcpDetail, Timer};

use super::{fin_resent, fin_sent, zero_window};

const MS: u64 = 1_000_000;

#[test]
fn since_the_last_ack_less_a_tick_and_a_round_trip() {
    for (state, expected) in [
        (State::CloseWait, 969),
        (State::FinWait2, 969),
        (State::Closing, 969),
        (State::FinWait1, 0),
        (State::LastAck, 0),
        (State::Established, 0),
    ] {
        let info = TcpDetail { last_ack_recv_ms: 999, srtt_us: 20_000, ..TcpDetail::default() };
        let snapshot = Snapshot { state, info: Some(info), ..fin_sent() };
        assert_eq!(age_lower_bound_ns(&snapshot), expected * MS, "{state:?}");
        assert_eq!(age_lower_bound_ns(&Snapshot { info: None, ..snapshot }), 0);
    }
    let young = TcpDetail { last_ack_recv_ms: 29, srtt_us: 20_000, ..TcpDetail::default() };
    assert_eq!(age_lower_bound_ns(&Snapshot { state: State::FinWait2, info: Some(young), ..fin_sent() }), 0);
}

#[test]
fn timeouts_that_passed_for_the_fin_alone() {
    // 204 + 408 ms passed, less a tick.
    let fin = fin_resent(2, 120_000_000);
    assert_eq!(age_lower_bound_ns(&fin), 602 * MS);
    assert_eq!(age_lower_bound_ns(&Snapshot { state: State::LastAck, ..fin }), 602 * MS);
    assert_eq!(age_lower_bound_ns(&fin_sent()), 0);
    assert_eq!(age_lower_bound_ns(&Snapshot { timer: Timer::Probe, ..fin }), 0);
    assert_eq!(age_lower_bound_ns(&Snapshot { send_queue_bytes: 2, ..fin }), 0);
    for change in [|info: &mut TcpDetail| info.unacked_segments = 2, |info: &mut TcpDetail| info.notsent_bytes = 1] {
        let mut other = fin;
        change(other.info.as_mut().unwrap());
        assert_eq!(age_lower_bound_ns(&other), 0);
    }
    assert_eq!(age_lower_bound_ns(&zero_window(5, 0)), 0);
}

#[test]
fn a_backoff_that_survived_an_ack_is_not_counted() {
    let mut fin = fin_resent(4, 120_000_000);
    fin.info.as_mut().unwrap().retransmits = 1;
    assert_eq!(age_lower_bound_ns(&fin), (1632 - 10) * MS);
    let info = fin.info.as_mut().unwrap();
    (info.retransmits, info.backoff) = (5, 1);
    assert_eq!(age_lower_bound_ns(&fin), (1632 - 10) * MS);
    let info = fin.info.as_mut().unwrap();
    (info.retransmits, info.backoff) = (255, 255);
    assert!(age_lower_bound_ns(&fin) < 3264 * MS);
}

#[test]
fn time_wait_is_what_is_gone_of_its_minute() {
    let time_wait = |expires_ms| Snapshot {
        state: State::TimeWait,
        timewait: true,
        timer: Timer::TimeWait,
        expires_ms,
        info: None,
        ..fin_sent()
    };
    assert_eq!(age_lower_bound_ns(&time_wait(58_000)), 1990 * MS);
    assert_eq!(age_lower_bound_ns(&time_wait(60_000)), 0);
    assert_eq!(age_lower_bound_ns(&time_wait(61_000)), 0);
    let fin_wait2 = Snapshot { state: State::FinWait2, ..time_wait(58_000) };
    assert_eq!(age_lower_bound_ns(&fin_wait2), 0);
}
