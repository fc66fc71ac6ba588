use crate::diagnosis::{age_lower_bound_ns, mptcp_orphan_ns, orphan_age_ns, since_fin_at_most_ns};
use crate::model::{Mptcp, MptcpDetail, NetnsFacts, Snapshot, State, TcpDetail, Timer};

use super::{HELD, facts, fin_resent, fin_sent, zero_window};

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

#[test]
fn an_orphans_fin_wait2_by_its_timer() {
    let timewait = |expires_ms| Snapshot {
        state: State::FinWait2,
        timewait: true,
        timer: Timer::TimeWait,
        expires_ms,
        info: None,
        ..fin_sent()
    };
    let full = |expires_ms| Snapshot { timewait: false, timer: Timer::Keepalive, ..timewait(expires_ms) };
    let after = |seconds| NetnsFacts { fin_timeout_s: Some(seconds), ..facts() };
    for (snapshot, fin_timeout_s, age_ms) in [
        (timewait(53_700), 60, Some(6_290)),
        (timewait(3_000), 5, Some(1_990)),
        (timewait(60_000), 60, Some(0)),
        (timewait(53_700), 50, None),
        // 30 s on the full socket, and 30 s more on the timewait socket.
        (full(20_000), 90, Some(9_990)),
        (timewait(20_000), 90, Some(39_990)),
        (full(20_000), 60, Some(39_990)),
        (Snapshot { timer: Timer::None, ..full(0) }, 60, None),
        (Snapshot { inode: HELD, ..full(20_000) }, 60, None),
        (Snapshot { state: State::TimeWait, ..timewait(20_000) }, 60, None),
    ] {
        let age = orphan_age_ns(&snapshot, &after(fin_timeout_s));
        assert_eq!(age, age_ms.map(|ms: u64| ms * MS), "{fin_timeout_s} {snapshot:?}");
    }
    let unknown = NetnsFacts { fin_timeout_s: None, ..facts() };
    assert_eq!(orphan_age_ns(&timewait(1), &unknown), None);
}

#[test]
fn mptcp_by_the_timer_of_close() {
    let detail = |last_ack_recv_ms| Mptcp::Connection(MptcpDetail { last_ack_recv_ms, ..MptcpDetail::default() });
    let orphan = Snapshot {
        state: State::FinWait2,
        timer: Timer::Keepalive,
        expires_ms: 50_000,
        info: None,
        mptcp: detail(Some(4_000)),
        ..fin_sent()
    };
    assert_eq!(mptcp_orphan_ns(&orphan, &facts()), Some(9_990 * MS));
    assert_eq!(orphan_age_ns(&orphan, &facts()), Some(3_990 * MS), "in FIN_WAIT2 after close()");
    assert_eq!(orphan_age_ns(&Snapshot { mptcp: detail(Some(99_000)), ..orphan }, &facts()), Some(9_990 * MS));
    assert_eq!(orphan_age_ns(&Snapshot { mptcp: detail(None), ..orphan }, &facts()), None, "before 6.10");
    let short = NetnsFacts { mptcp_close_timeout_s: Some(51), ..facts() };
    assert_eq!(mptcp_orphan_ns(&orphan, &short), Some(990 * MS));
    let shorter = NetnsFacts { mptcp_close_timeout_s: Some(49), ..facts() };
    assert_eq!(mptcp_orphan_ns(&orphan, &shorter), None);
    for other in [Snapshot { inode: HELD, ..orphan }, Snapshot { mptcp: Mptcp::Subflow, ..orphan }] {
        assert_eq!(mptcp_orphan_ns(&other, &facts()), None);
    }
}

/// Of what really passed, never less, and at most a quarter and a loss probe more.
#[test]
fn since_the_fin_left_at_most() {
    for (times, passed_ms) in [(0, 0), (1, 204), (2, 612), (4, 3_060), (6, 12_852)] {
        let fin = fin_resent(times, 120_000_000);
        let most_ms = since_fin_at_most_ns(&fin, Some(&facts())).unwrap() / MS;
        assert!(most_ms >= passed_ms && most_ms <= passed_ms * 5 / 4 + 300, "{times}: {most_ms} of {passed_ms}");
    }
    // Half of the present timeout has passed, too.
    let fin = fin_resent(3, 120_000_000);
    let later = Snapshot { expires_ms: fin.expires_ms / 2, ..fin };
    let more_ms = (since_fin_at_most_ns(&later, None).unwrap() - since_fin_at_most_ns(&fin, None).unwrap()) / MS;
    assert!((816..1_000).contains(&more_ms), "{more_ms}");
    // At the maximum nobody knows how many of them were as long.
    assert!(since_fin_at_most_ns(&fin_resent(12, 120_000_000), None).unwrap() >= 12 * 120_000 * MS);
    let short = NetnsFacts { rto_max_ms: Some(1_000), ..facts() };
    assert!(since_fin_at_most_ns(&fin_resent(5, 1_000_000), Some(&short)).unwrap() >= 3_428 * MS);
    for other in [zero_window(3, 0), Snapshot { send_queue_bytes: 2, ..fin }, Snapshot { timer: Timer::None, ..fin }] {
        assert_eq!(since_fin_at_most_ns(&other, None), None);
    }
}
