use crate::diagnosis::{Signs, diagnose};
use crate::model::{GivesUp, NetnsFacts, NeverWhy, Snapshot, State, TcpDetail, Timer};

use super::{HELD, ends_in_ms, facts, fin_resent, fin_sent, look, zero_window};

/// What was measured, or computed with the kernel's formulas, and how far a prediction may be from it.
fn assert_near(predicted_ms: u64, really_ms: u64) {
    let (low, high) = (predicted_ms.min(really_ms), predicted_ms.max(really_ms));
    assert!(high * 20 <= low * 21, "predicted {predicted_ms} ms, really {really_ms} ms");
}

fn orphan_retries(retries: u32) -> NetnsFacts {
    NetnsFacts { orphan_retries: Some(retries), ..facts() }
}

#[test]
fn a_lost_fin_as_measured() {
    // 6.18, from 5 ms after close(): a loss probe at 0.21 s, then timeouts.
    assert_near(ends_in_ms(&fin_sent(), &orphan_retries(1)), 1_700);
    assert_near(ends_in_ms(&fin_sent(), &orphan_retries(2)), 3_330);
    assert_near(ends_in_ms(&fin_sent(), &orphan_retries(8)), 107_500);
    let held = Snapshot { inode: HELD, ..fin_sent() };
    assert_near(ends_in_ms(&held, &NetnsFacts { retries2: Some(3), ..facts() }), 6_730);
}

#[test]
fn no_retries_of_orphans_act_as_8() {
    for snapshot in [fin_sent(), fin_resent(3, 120_000_000)] {
        assert_eq!(ends_in_ms(&snapshot, &orphan_retries(0)), ends_in_ms(&snapshot, &orphan_retries(8)));
    }
    // Unless the timeout is at its maximum (`alive`): then any retry was one too many.
    let short = NetnsFacts { rto_max_ms: Some(1_000), ..orphan_retries(0) };
    assert_near(ends_in_ms(&fin_resent(3, 1_000_000), &short), 1_025);
    let short = NetnsFacts { rto_max_ms: Some(1_000), ..orphan_retries(8) };
    assert!(ends_in_ms(&fin_resent(3, 1_000_000), &short) > 4_000);
}

#[test]
fn the_loss_probe_is_told_by_what_was_sent_before() {
    let due = ends_in_ms(&fin_sent(), &orphan_retries(1));
    let mut probed = fin_sent();
    probed.info.as_mut().unwrap().total_retrans = 1;
    let over = ends_in_ms(&probed, &orphan_retries(1));
    assert_near(due - over, 209);
    for (sent, failed) in [(1, 0), (0, 1)] {
        let signs = Signs { sent, failed, orphan: None };
        let told = diagnose(&fin_sent(), Some(&orphan_retries(1)), signs).gives_up;
        assert!(matches!(told, GivesUp::In(ns) if ns / 1_000_000 == over), "{told:?}");
    }
}

#[test]
fn each_look_at_one_socket_gives_the_same_end() {
    for limits in [orphan_retries(1), orphan_retries(2), orphan_retries(5), facts()] {
        let end = ends_in_ms(&fin_sent(), &limits);
        let mut now = 200 + 204;
        for times in 1.. {
            let snapshot = fin_resent(times, 120_000_000);
            if now >= end {
                break;
            }
            let left = ends_in_ms(&snapshot, &limits);
            assert!((now + left).abs_diff(end) * 20 < end, "{now} + {left} is not {end}");
            if left <= u64::from(snapshot.expires_ms) * 21 / 20 {
                break;
            }
            now += u64::from(snapshot.expires_ms);
        }
    }
}

#[test]
fn the_model_knows_the_maximum_and_not_the_minimum() {
    // `retransmits_timed_out()`: 204.6 s of doublings and 6 times 120 s; tcp_retries2's 924.6 s.
    let held = Snapshot { inode: HELD, ..fin_resent(15, 120_000_000) };
    assert_near(ends_in_ms(&held, &facts()), 120_000 + 3_000);
    let held = Snapshot { inode: HELD, ..fin_resent(1, 120_000_000) };
    assert_near(ends_in_ms(&held, &facts()), 924_600 + 23_000);
    // 6.18: tcp_rto_min_us 20000 and 1 retry of an orphan: 600 ms count all the same.
    let mut quick = fin_sent();
    quick.expires_ms = 8;
    let info = quick.info.as_mut().unwrap();
    (info.rto_us, info.total_retrans) = (24_000, 1);
    let limits = NetnsFacts { rto_min_us: Some(20_000), ..orphan_retries(1) };
    assert_near(ends_in_ms(&quick, &limits), 755);
}

#[test]
fn a_capped_series_is_counted_from_where_it_must_have_begun() {
    // 0.2, 0.4, 0.8 s and then 1 s each; 5 retries model 1.4 + 3 * 1 s.
    let limits = NetnsFacts { rto_max_ms: Some(1_000), ..orphan_retries(5) };
    // 0.4 + 0.8 + 3 * 1 s have been tried when the fifth wait is over, which is not enough.
    assert_near(ends_in_ms(&fin_resent(5, 1_000_000), &limits), 2_050);
    assert_near(ends_in_ms(&fin_resent(4, 1_000_000), &limits), 3_075);
}

#[test]
fn refused_by_the_local_queue_is_tried_twice_a_second() {
    let mut refused = fin_resent(1, 120_000_000);
    refused.expires_ms = 500;
    let info = refused.info.as_mut().unwrap();
    (info.rto_us, info.backoff) = (204_000, 0);
    // 600 ms after the first one, that is at the second expiry.
    assert_near(ends_in_ms(&refused, &orphan_retries(1)), 500 + 512);
}

#[test]
fn without_a_route_time_runs_from_the_first_transmission() {
    // 6.18: no route after the FIN left, 2 retries: 1.47 s in all.
    let mut snapshot = fin_resent(1, 120_000_000);
    snapshot.info.as_mut().unwrap().total_retrans = 0;
    assert_near(ends_in_ms(&snapshot, &orphan_retries(2)), 408 + 816);
    assert_near(ends_in_ms(&fin_resent(1, 120_000_000), &orphan_retries(2)), 408 + 816 + 1632);
}

#[test]
fn an_orphans_answered_probes_end_with_the_timeouts_maximum() {
    // 6.18, tcp_rto_max_ms 1000, 2 retries; seen 5 ms after close(), 36 ms after the first probe.
    let limits = NetnsFacts { rto_max_ms: Some(1_000), ..orphan_retries(2) };
    let mut snapshot = zero_window(1, 0);
    snapshot.expires_ms = 376;
    snapshot.info.as_mut().unwrap().last_ack_recv_ms = 36;
    assert_near(ends_in_ms(&snapshot, &limits), 2_270);
    // 204 ms doubled 10 times are more than 120 s.
    assert_near(ends_in_ms(&zero_window(9, 0), &facts()), 104_448 + 3_000 + 123_000);
}

#[test]
fn one_retry_does_not_outlive_the_pause_between_answers() {
    let mut snapshot = zero_window(1, 0);
    snapshot.expires_ms = 380;
    snapshot.info.as_mut().unwrap().last_ack_recv_ms = 36;
    assert_near(ends_in_ms(&snapshot, &orphan_retries(1)), 1_270);
}

#[test]
fn unanswered_probes_are_counted() {
    assert_near(ends_in_ms(&zero_window(2, 2), &orphan_retries(2)), 816);
    assert_near(ends_in_ms(&zero_window(2, 2), &orphan_retries(3)), 816 + 1_632);
    let held = Snapshot { inode: HELD, ..zero_window(2, 2) };
    assert_near(ends_in_ms(&held, &NetnsFacts { retries2: Some(2), ..facts() }), 816);
}

#[test]
fn whether_one_probe_is_answered_shows_later() {
    let held = |backoff, since_ms| {
        let mut snapshot = Snapshot { inode: HELD, ..zero_window(backoff, 1) };
        snapshot.expires_ms -= since_ms;
        look(&snapshot).gives_up
    };
    assert_eq!(held(4, 49), GivesUp::Unknown);
    assert!(matches!(held(4, 51), GivesUp::In(_)));
    // The probe before was less than 500 ms earlier: a Linux peer does not answer this one.
    assert_eq!(held(2, 300), GivesUp::Unknown);
    assert!(matches!(held(3, 300), GivesUp::In(_)));
    assert_eq!(look(&Snapshot { inode: HELD, ..zero_window(0, 0) }).gives_up, GivesUp::Unknown);
}

#[test]
fn answered_probes_of_a_held_socket_never_end() {
    let held = Snapshot { inode: HELD, ..zero_window(3, 0) };
    assert_eq!(look(&held).gives_up, GivesUp::Never(NeverWhy::ProbesAnswered));
    // An orphan's neither, where tcp_retries2 ends the doubling before the maximum is reached.
    let few = NetnsFacts { retries2: Some(9), ..facts() };
    let told = diagnose(&zero_window(3, 0), Some(&few), Signs::default()).gives_up;
    assert_eq!(told, GivesUp::Never(NeverWhy::ProbesAnswered));
    let enough = NetnsFacts { retries2: Some(10), ..facts() };
    assert!(ends_in_ms(&zero_window(3, 0), &enough) > 200_000);
}

#[test]
fn what_this_host_drops_is_not_answered() {
    // 6.18: a FIN that never left, 2 retries; seen 19 ms after close().
    let mut dropped = zero_window(0, 0);
    dropped.expires_ms = 188;
    dropped.send_queue_bytes = 1;
    let info = dropped.info.as_mut().unwrap();
    (info.notsent_bytes, info.snd_wnd_bytes) = (1, Some(65_483));
    assert_near(ends_in_ms(&dropped, &orphan_retries(2)), 1_470);
    // The queue refuses: twice a second.
    let info = dropped.info.as_mut().unwrap();
    info.probes = 1;
    assert_near(ends_in_ms(&dropped, &orphan_retries(2)), 188 + 510);
}

#[test]
fn a_window_taken_back_is_no_end_while_the_peer_answers() {
    let shrunk = |last_ack_recv_ms| {
        let mut snapshot = Snapshot { inode: HELD, expires_ms: 300, ..fin_resent(2, 120_000_000) };
        let info = snapshot.info.as_mut().unwrap();
        (info.snd_wnd_bytes, info.last_ack_recv_ms) = (Some(0), last_ack_recv_ms);
        look(&snapshot).gives_up
    };
    assert_eq!(shrunk(516), GivesUp::Never(NeverWhy::ProbesAnswered));
    assert_eq!(shrunk(517), GivesUp::Unknown);
}

#[test]
fn fin_wait2_ends_for_orphans_only() {
    let held = Snapshot { state: State::FinWait2, inode: HELD, timer: Timer::None, ..fin_sent() };
    assert_eq!(look(&held).gives_up, GivesUp::Never(NeverWhy::HeldInFinWait2));
    let orphan = Snapshot { inode: 0, timer: Timer::Keepalive, expires_ms: 2_000, ..held };
    let long = NetnsFacts { fin_timeout_s: Some(62), ..facts() };
    assert_eq!(ends_in_ms(&orphan, &long), 4_000);
    assert_eq!(ends_in_ms(&orphan, &facts()), 2_000);
    // `tcp_fin_time()`: 3.5 timeouts at least.
    let slow = Snapshot { info: Some(TcpDetail { rto_us: 20_000_000, ..TcpDetail::default() }), ..orphan };
    assert_eq!(ends_in_ms(&slow, &facts()), 12_000);
    assert_eq!(diagnose(&orphan, None, Signs::default()).gives_up, GivesUp::Unknown);
    let timewait = Snapshot { timewait: true, timer: Timer::TimeWait, info: None, ..orphan };
    assert_eq!(diagnose(&timewait, None, Signs::default()).gives_up, GivesUp::In(2_000_000_000));
}

#[test]
fn close_wait_is_its_programs() {
    let idle = Snapshot { state: State::CloseWait, timer: Timer::None, inode: HELD, ..fin_sent() };
    assert_eq!(diagnose(&idle, None, Signs::default()).gives_up, GivesUp::Never(NeverWhy::WaitsForProgram));
    // Never accepted, and no orphan all the same: the long limit.
    let unacked = Snapshot { timer: Timer::Retransmit, inode: 0, ..idle };
    assert!(ends_in_ms(&unacked, &orphan_retries(1)) > 900_000);
}

#[test]
fn what_was_not_read_is_not_guessed() {
    for snapshot in [fin_sent(), zero_window(3, 0)] {
        assert_eq!(diagnose(&snapshot, None, Signs::default()).gives_up, GivesUp::Unknown);
        let told = |facts: NetnsFacts| diagnose(&snapshot, Some(&facts), Signs::default()).gives_up;
        assert_eq!(told(NetnsFacts { orphan_retries: None, ..facts() }), GivesUp::Unknown);
        assert_eq!(told(NetnsFacts { rto_min_us: None, rto_max_ms: None, ..facts() }), told(facts()));
        let held = Snapshot { inode: HELD, ..snapshot };
        let few = NetnsFacts { retries2: None, ..facts() };
        assert_eq!(diagnose(&held, Some(&few), Signs::default()).gives_up, GivesUp::Unknown);
        assert_eq!(look(&Snapshot { info: None, ..snapshot }).gives_up, GivesUp::Unknown);
    }
}

#[test]
fn numbers_that_no_kernel_has_are_survived() {
    let wild = TcpDetail {
        retransmits: 255,
        probes: 255,
        backoff: 255,
        rto_us: u32::MAX,
        notsent_bytes: u32::MAX,
        ..TcpDetail::default()
    };
    for rto_us in [0, u32::MAX] {
        for (retransmits, backoff) in [(255, 255), (255, 0), (0, 255)] {
            for timer in [Timer::Retransmit, Timer::Probe] {
                let info = Some(TcpDetail { rto_us, retransmits, backoff, ..wild });
                let snapshot = Snapshot { info, timer, expires_ms: u32::MAX, send_queue_bytes: 0, ..fin_sent() };
                for limit in [0, u32::MAX] {
                    let facts = NetnsFacts {
                        orphan_retries: Some(limit),
                        retries2: Some(limit),
                        rto_max_ms: Some(limit),
                        rto_min_us: Some(limit),
                        ..facts()
                    };
                    let _ = diagnose(&snapshot, Some(&facts), Signs::default());
                    let _ = look(&Snapshot { inode: HELD, ..snapshot });
                }
            }
        }
    }
}
