//! Looks at sockets as Linux 6.18 showed them, and what became of them.

use crate::{
    diagnosis::{Signs, age_lower_bound_ns, diagnose},
    model::{
        Endpoint, GivesUp, Identity, NetnsFacts, NeverWhy, Snapshot, SocketKey, State, StuckCause, TcpDetail, Timer,
    },
};

const MS_NS: u64 = 1_000_000;

fn look(state: State, timer: Timer, expires_ms: u32, inode: u32, info: TcpDetail) -> Snapshot {
    let end = |port| Endpoint::from_bytes([127; 16], false, port);
    Snapshot {
        time_ns: 1,
        socket: Identity { key: SocketKey(7), netns: 1, local: end(1), remote: end(2) },
        bound_if: 0,
        state,
        timewait: false,
        timer,
        expires_ms,
        inode,
        recv_queue_bytes: 0,
        send_queue_bytes: 1,
        mptcp: crate::model::Mptcp::No,
        info: Some(info),
    }
}

fn facts(orphan_retries: u32, retries2: u32, rto_max_ms: u32) -> NetnsFacts {
    NetnsFacts {
        orphan_retries: Some(orphan_retries),
        retries2: Some(retries2),
        fin_timeout_s: Some(62),
        rto_max_ms: Some(rto_max_ms),
        ..NetnsFacts::default()
    }
}

/// A FIN in flight.
fn in_flight(retransmits: u8, rto_ms: u32, total_retrans: u32) -> TcpDetail {
    TcpDetail {
        retransmits,
        backoff: retransmits,
        rto_us: rto_ms * 1000,
        unacked_segments: 1,
        snd_wnd_bytes: Some(65_483),
        snd_mss_bytes: 32_741,
        retrans_out: u32::from(retransmits > 0),
        total_retrans,
        ..TcpDetail::default()
    }
}

/// Data and a FIN that wait for the window.
fn waiting(backoff: u8, probes: u8, last_ack_ms: u32, window: u32) -> TcpDetail {
    TcpDetail {
        backoff,
        probes,
        rto_us: 208_000,
        notsent_bytes: 3_782_145,
        snd_wnd_bytes: Some(window),
        snd_mss_bytes: 32_741,
        last_ack_recv_ms: last_ack_ms,
        ..TcpDetail::default()
    }
}

/// Within a factor of 1.25 of what then happened.
fn near(gives_up: GivesUp, real_ms: u64) -> bool {
    let GivesUp::In(ns) = gives_up else { return false };
    let (told, real) = (ns / MS_NS * 100, real_ms * 100);
    told <= real / 100 * 125 && told >= real / 125 * 100
}

fn orphan_fate(timer: Timer, expires_ms: u32, info: TcpDetail, facts: &NetnsFacts) -> GivesUp {
    diagnose(&look(State::FinWait1, timer, expires_ms, 0, info), Some(facts), Signs::default()).gives_up
}

/// `tcp_orphan_retries` 1 and 2, `tcp_retries2` 3, a smaller least timeout: when each look was made, and when it ended.
#[test]
fn lost_fins_end_as_measured() {
    let cases = [
        (1, 120_000, 172, 0, 204, 0, 1_671),
        (1, 120_000, 200, 0, 204, 1, 1_509),
        (1, 120_000, 384, 1, 408, 2, 1_278),
        (1, 120_000, 808, 2, 816, 3, 855),
        (2, 120_000, 156, 0, 204, 0, 3_291),
        (2, 120_000, 408, 1, 408, 2, 2_925),
        (2, 120_000, 1_632, 3, 1_632, 4, 1_672),
        (1, 120_000, 8, 0, 24, 1, 755),
        (1, 120_000, 84, 2, 96, 3, 668),
        (1, 120_000, 372, 4, 384, 5, 389),
    ];
    for (retries, rto_max_ms, expires_ms, retransmits, rto_ms, total, real_ms) in cases {
        let facts = facts(retries, 15, rto_max_ms);
        let told = orphan_fate(Timer::Retransmit, expires_ms, in_flight(retransmits, rto_ms, total), &facts);
        assert!(near(told, real_ms), "{retries} {expires_ms} {retransmits}: {told:?}, really {real_ms} ms");
    }
}

/// A socket that is only shut down lives on to `tcp_retries2`.
#[test]
fn held_sockets_have_their_own_limit() {
    let held = look(State::FinWait1, Timer::Retransmit, 388, 77, in_flight(1, 408, 2));
    let told = diagnose(&held, Some(&facts(1, 3, 120_000)), Signs::default());
    assert!(near(told.gives_up, 6_200), "{told:?}");
    assert_eq!(told.cause, StuckCause::FinUnacked);
}

#[test]
fn closed_windows_end_as_measured() {
    let cases = [
        (1, 120_000, 816, 2, 1, 460, 854),
        (2, 1_000, 376, 1, 0, 40, 2_304),
        (2, 1_000, 996, 3, 0, 4, 1_037),
        (2, 120_000, 1_644, 3, 2, 1_304, 1_687),
    ];
    for (retries, rto_max_ms, expires_ms, backoff, probes, last_ack_ms, real_ms) in cases {
        let info = waiting(backoff, probes, last_ack_ms, 0);
        let told = orphan_fate(Timer::Probe, expires_ms, info, &facts(retries, 15, rto_max_ms));
        assert!(near(told, real_ms), "{retries} {expires_ms} {backoff} {probes}: {told:?}, really {real_ms} ms");
    }
    let held = look(State::FinWait1, Timer::Probe, 376, 77, waiting(1, 0, 40, 0));
    let told = diagnose(&held, Some(&facts(2, 15, 120_000)), Signs::default());
    assert_eq!((told.cause, told.gives_up), (StuckCause::ZeroWindow, GivesUp::Never(NeverWhy::ProbesAnswered)));
}

#[test]
fn what_never_leaves_the_host() {
    let mut info = waiting(0, 0, 132, 65_483);
    (info.notsent_bytes, info.rto_us) = (1, 204_000);
    let told =
        diagnose(&look(State::FinWait1, Timer::Probe, 188, 0, info), Some(&facts(2, 15, 120_000)), Signs::default());
    assert_eq!((told.cause, told.unsent_bytes), (StuckCause::LocalDrop, Some(0)));
    assert!(near(told.gives_up, 1_470), "{told:?}");
    // It left once, and its retransmissions do not: a firewall rule, and no route.
    for (total_retrans, real_ms) in [(2, 2_950), (0, 1_280)] {
        let mut info = in_flight(1, 408, total_retrans);
        info.retrans_out = 0;
        let expires_ms = if total_retrans == 0 { 384 } else { 408 };
        let look = look(State::FinWait1, Timer::Retransmit, expires_ms, 0, info);
        let told = diagnose(&look, Some(&facts(2, 15, 120_000)), Signs::default());
        assert_eq!(told.cause, StuckCause::LocalDrop);
        assert!(near(told.gives_up, real_ms), "{told:?}, really {real_ms} ms");
    }
}

/// `tcp_fin_timeout` 62: two seconds as a full socket, two more as a timewait socket.
#[test]
fn orphans_in_fin_wait2() {
    let full = look(State::FinWait2, Timer::Keepalive, 1_992, 0, TcpDetail::default());
    let told = diagnose(&full, Some(&facts(0, 15, 120_000)), Signs::default());
    assert_eq!((told.cause, told.gives_up), (StuckCause::PeerOpen, GivesUp::In(3_992 * MS_NS)));
    let handed_over = Snapshot { timewait: true, timer: Timer::TimeWait, info: None, ..full };
    let told = diagnose(&handed_over, None, Signs::default());
    assert_eq!((told.cause, told.gives_up), (StuckCause::PeerOpen, GivesUp::In(1_992 * MS_NS)));
}

/// Never more than the true age: 0.444 s, 0.867 s and 1.69 s after `close()`.
#[test]
fn ages_are_lower_bounds() {
    for (retransmits, rto_ms, expires_ms, true_ms) in
        [(0, 204, 10, 200), (1, 408, 384, 444), (2, 816, 808, 867), (2, 816, 0, 1_690)]
    {
        let look = look(State::FinWait1, Timer::Retransmit, expires_ms, 0, in_flight(retransmits, rto_ms, 3));
        let age_ms = age_lower_bound_ns(&look) / MS_NS;
        assert!(age_ms <= true_ms && (retransmits < 2 || age_ms * 3 >= true_ms), "{age_ms} of {true_ms}");
    }
    // Data is in flight beside the FIN: its timer says nothing of the FIN.
    let mut info = in_flight(3, 1_632, 4);
    info.unacked_segments = 2;
    assert_eq!(age_lower_bound_ns(&look(State::FinWait1, Timer::Retransmit, 0, 0, info)), 0);
}
