use crate::diagnosis::{Signs, diagnose};
use crate::model::{Mptcp, MptcpDetail, Snapshot, State, StuckCause, TcpDetail, Timer};

use super::{HELD, fin_resent, fin_sent, look, zero_window};

fn cause_of(snapshot: Snapshot, change: impl FnOnce(&mut TcpDetail)) -> StuckCause {
    let mut snapshot = snapshot;
    change(snapshot.info.as_mut().unwrap());
    look(&snapshot).cause
}

#[test]
fn a_window_that_has_room_is_no_reason() {
    let fin = || {
        let mut snapshot = zero_window(1, 0);
        snapshot.send_queue_bytes = 1;
        snapshot.info.as_mut().unwrap().notsent_bytes = 1;
        snapshot
    };
    assert_eq!(cause_of(fin(), |info| info.snd_wnd_bytes = Some(0)), StuckCause::ZeroWindow);
    assert_eq!(cause_of(fin(), |info| info.snd_wnd_bytes = Some(1)), StuckCause::LocalDrop);
    // Of more data than a segment holds, one segment has to fit.
    assert_eq!(cause_of(zero_window(1, 0), |info| info.snd_wnd_bytes = Some(32_767)), StuckCause::ZeroWindow);
    assert_eq!(cause_of(zero_window(1, 0), |info| info.snd_wnd_bytes = Some(32_768)), StuckCause::LocalDrop);
}

#[test]
fn a_window_that_the_kernel_does_not_tell_is_known_by_answers() {
    let unknown = |backoff, probes| cause_of(zero_window(backoff, probes), |info| info.snd_wnd_bytes = None);
    assert_eq!(unknown(2, 1), StuckCause::ZeroWindow);
    assert_eq!(unknown(2, 2), StuckCause::Unknown);
    assert_eq!(unknown(0, 0), StuckCause::Unknown);
}

#[test]
fn retransmissions_that_all_fail_are_dropped_here() {
    let with = |sent, failed| diagnose(&fin_resent(2, 120_000_000), None, Signs { sent, failed, orphan: None }).cause;
    assert_eq!(with(0, 2), StuckCause::LocalDrop);
    assert_eq!(with(1, 2), StuckCause::FinUnacked);
    assert_eq!(with(0, 0), StuckCause::FinUnacked);
    let counted = |total| cause_of(fin_resent(2, 120_000_000), |info| info.total_retrans = total);
    assert_eq!(counted(1), StuckCause::LocalDrop);
    assert_eq!(counted(2), StuckCause::FinUnacked);
}

#[test]
fn what_is_in_flight_tells_whether_the_fin_is() {
    assert_eq!(look(&fin_sent()).cause, StuckCause::FinUnacked);
    assert_eq!(cause_of(fin_sent(), |info| info.notsent_bytes = 1), StuckCause::UnsentData);
    assert_eq!(cause_of(fin_sent(), |info| info.snd_wnd_bytes = Some(0)), StuckCause::ZeroWindow);
    for state in [State::Closing, State::LastAck] {
        assert_eq!(look(&Snapshot { state, ..fin_sent() }).cause, StuckCause::FinUnacked);
    }
    for other in [
        Snapshot { state: State::CloseWait, ..fin_sent() },
        Snapshot { timer: Timer::None, ..fin_sent() },
        Snapshot { timer: Timer::Keepalive, ..fin_sent() },
        Snapshot { info: None, ..fin_sent() },
    ] {
        assert_eq!(look(&other).cause, StuckCause::Unknown, "{other:?}");
    }
}

#[test]
fn fin_wait2_is_the_peers_doing_once_nobody_holds_it() {
    let held = Snapshot { state: State::FinWait2, inode: HELD, ..fin_sent() };
    assert_eq!(look(&held).cause, StuckCause::Unknown);
    let seen = Signs { orphan: Some(true), ..Signs::default() };
    assert_eq!(diagnose(&held, None, seen).cause, StuckCause::PeerOpen);
    assert_eq!(look(&Snapshot { inode: 0, ..held }).cause, StuckCause::PeerOpen);
    let timewait = Snapshot { timewait: true, inode: 0, timer: Timer::TimeWait, info: None, ..held };
    assert_eq!(look(&timewait).cause, StuckCause::PeerOpen);
}

#[test]
fn the_fin_is_no_byte() {
    let told = |snapshot: Snapshot| {
        let diagnosis = look(&snapshot);
        (diagnosis.unsent_bytes, diagnosis.unacked_bytes)
    };
    assert_eq!(told(fin_sent()), (Some(0), Some(0)));
    assert_eq!(told(Snapshot { send_queue_bytes: 101, ..fin_sent() }), (Some(0), Some(100)));
    assert_eq!(told(zero_window(1, 0)), (Some(100_000), Some(0)));
    assert_eq!(told(Snapshot { send_queue_bytes: 100_501, ..zero_window(1, 0) }), (Some(100_000), Some(500)));
    // No FIN is queued before these states.
    assert_eq!(told(Snapshot { state: State::CloseWait, ..zero_window(1, 0) }), (Some(100_001), Some(0)));
    assert_eq!(told(Snapshot { info: None, ..fin_sent() }), (None, None));
}

#[test]
fn the_next_attempt_is_the_timers() {
    assert_eq!(look(&fin_sent()).next_attempt_in_ns, Some(200_000_000));
    assert_eq!(look(&zero_window(1, 0)).next_attempt_in_ns, Some(408_000_000));
    for timer in [Timer::None, Timer::Keepalive, Timer::TimeWait] {
        assert_eq!(look(&Snapshot { timer, ..fin_sent() }).next_attempt_in_ns, None);
    }
}

#[test]
fn mptcp_connections() {
    let with = |unacked_bytes, state| Snapshot {
        state,
        info: None,
        mptcp: Mptcp::Connection(MptcpDetail { unacked_bytes, ..MptcpDetail::default() }),
        ..fin_sent()
    };
    let told = |snapshot: Snapshot| (look(&snapshot).cause, look(&snapshot).unacked_bytes);
    assert_eq!(told(with(Some(1), State::FinWait1)), (StuckCause::FinUnacked, Some(0)));
    assert_eq!(told(with(Some(501), State::LastAck)), (StuckCause::Unknown, Some(500)));
    assert_eq!(told(with(None, State::Closing)), (StuckCause::Unknown, None));
    assert_eq!(told(with(Some(0), State::FinWait2)), (StuckCause::PeerOpen, Some(0)));
}
