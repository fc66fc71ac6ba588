//! What records tell since wire version 2: subflows of MPTCP, connections that nobody had accepted, and closes by
//! kernel threads; and connects that failed.

use super::super::Config;
use super::support::{ECONNABORTED, ECONNRESET, ETIMEDOUT, Rig, close_of, ms, rst, sock};
use crate::model::{
    Close as Record, ConnectFailure, Event, FailedConnect, Outcome, Output, OwnerSource, Phase, Reason, Role,
    State::{Close, CloseWait, Established, FinWait1, FinWait2, LastAck, SynSent},
};

fn unaccepted(mut event: Event) -> Event {
    event.flags.unaccepted = true;
    event
}

fn subflow(mut event: Event) -> Event {
    event.flags.mptcp = true;
    event
}

fn why(close: &Record) -> (Outcome, Option<Reason>) {
    (close.outcome, close.reason)
}

#[test]
fn a_queue_is_reset_by_who_closes_the_listener() {
    for old in [Established, CloseWait] {
        let mut rig = Rig::new();
        if old == CloseWait {
            rig.events([sock(7).at(0).done().moves(Established, CloseWait)]);
        }
        rig.events([
            unaccepted(sock(7).at(9).owner(42, OwnerSource::Close).moves(old, Close)),
            sock(7).at(9).err(0).sends_reset(Close, rst::STATE),
        ]);
        let close = rig.close();
        assert_eq!(why(&close), (Outcome::ResetSent, Some(Reason::ListenerClosed)));
        assert_eq!((close.role, close.owner.map(|owner| owner.pid)), (Role::Abort, Some(42)));
        assert_eq!(close.phases.local_app_ns(), (old == CloseWait).then_some(ms(9)));
    }
}

/// Before 6.10 the kernel gives no reason; a lost reset leaves the cause, and not how it was told to the peer.
#[test]
fn a_queue_needs_no_reason_of_the_kernels() {
    let end = || unaccepted(sock(7).at(9).owner(42, OwnerSource::Close).moves(Established, Close));
    let close = close_of([end(), sock(7).at(9).sends_reset(Close, u32::MAX)]);
    assert_eq!(why(&close), (Outcome::ResetSent, Some(Reason::ListenerClosed)));
    let close = Rig::new().events([end()]).finish().close();
    assert_eq!(why(&close), (Outcome::Unknown, Some(Reason::ListenerClosed)));
}

/// What comes from the peer, a timer or an administrator is no listener's doing.
#[test]
fn other_ends_of_a_queued_connection_stay_what_they_are() {
    for (errno, outcome) in
        [(ECONNRESET, Outcome::ResetReceived), (ETIMEDOUT, Outcome::Timeout), (ECONNABORTED, Outcome::Killed)]
    {
        let end = unaccepted(sock(7).at(9).err(errno).moves(Established, Close));
        let mut rig = Rig::new();
        if errno == ECONNRESET {
            rig.events([sock(7).at(9).receives_reset(Established)]);
        }
        let close = rig.events([end]).finish().close();
        assert_eq!(why(&close), (outcome, None));
    }
}

/// A program that dissolves its connection holds it.
#[test]
fn a_disconnect_is_no_closed_listener() {
    let close =
        close_of([sock(7).at(9).moves(Established, Close), sock(7).at(9).err(104).sends_reset(Close, rst::STATE)]);
    assert_eq!(why(&close), (Outcome::ResetSent, Some(Reason::Disconnect)));
}

#[test]
fn a_subflow_hides_what_its_connection_knows() {
    let active = close_of([
        subflow(sock(7).at(0).closed().moves(Established, FinWait1)),
        subflow(sock(7).at(1).closed().orphan().moves(FinWait1, FinWait2)),
        subflow(sock(7).at(2).closed().orphan().done().moves(FinWait2, Close)),
    ]);
    assert!(active.mptcp && !active.complete);
    assert_eq!((active.phases.get(Phase::FinWait1), active.phases.get(Phase::FinWait2)), (Some(ms(1)), None));
    let passive = close_of([
        subflow(sock(7).at(0).done().moves(Established, CloseWait)),
        subflow(sock(7).at(1).closed().orphan().done().moves(CloseWait, LastAck)),
        subflow(sock(7).at(3).closed().orphan().done().moves(LastAck, Close)),
    ]);
    assert_eq!((passive.phases.get(Phase::CloseWait), passive.phases.get(Phase::LastAck)), (None, Some(ms(2))));
    assert_eq!((active.close_ns, passive.close_ns), (None, None));
}

/// The reset goes first, and the kernel gives unread data as its reason whatever made it; kernels before that close
/// the subflow with SO_LINGER 0.
#[test]
fn a_fast_close_is_told_as_that() {
    for reason in [rst::ABORT_ON_CLOSE, rst::STATE, rst::DISCONNECT_WITH_DATA] {
        let close = close_of([
            subflow(sock(7).at(1).sends_reset(Established, reason)),
            subflow(sock(7).at(1).closed().moves(Established, Close)),
        ]);
        assert_eq!(why(&close), (Outcome::ResetSent, Some(Reason::MptcpFastclose)));
        assert_eq!((close.close_ns, close.complete), (Some(0), true));
    }
}

/// `SOCK_DEAD` is set a moment after `close()`, also where a kernel thread makes it, which is no owner.
#[test]
fn a_close_by_a_kernel_thread_is_a_close() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).owner(42, OwnerSource::Connect).moves(Close, SynSent),
        sock(7).at(1).closed().moves(Established, FinWait1),
    ]);
    let found = rig.tick(5_001).finding();
    assert_eq!((found.orphan, found.owner.map(|owner| owner.pid)), (None, Some(42)));
}

fn asking() -> Rig {
    Rig::with(Config { failed_connects: true, ..Config::default() })
}

fn failed(rig: &mut Rig) -> Vec<FailedConnect> {
    let said = rig.said().into_iter();
    said.map(|output| if let Output::FailedConnect(failed) = output { failed } else { panic!("{output:?}") }).collect()
}

#[test]
fn a_connect_that_fails_says_whose_it_is_and_how_long_it_took() {
    let mut rig = asking();
    rig.events([
        sock(7).at(0).owner(42, OwnerSource::Connect).moves(Close, SynSent),
        sock(7).at(8).err(111).moves(SynSent, Close),
        // The same event again, and one whose connect nobody saw.
        sock(7).at(8).err(111).moves(SynSent, Close),
        sock(8).at(9).err(ETIMEDOUT).moves(SynSent, Close),
    ]);
    let told = failed(&mut rig);
    let [first, second] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((first.failure, first.errno, first.took_ns), (ConnectFailure::Refused, 111, Some(ms(8))));
    assert_eq!(first.owner.map(|owner| owner.pid), Some(42));
    assert_eq!((second.failure, second.owner, second.took_ns), (ConnectFailure::TimedOut, None, None));
    assert_eq!(rig.anomalies().duplicates, 1);
}

/// A socket may try again at once: that is no event that came twice.
#[test]
fn a_second_try_counts_again() {
    let mut rig = asking();
    for at in [0, 1] {
        rig.events([
            sock(7).at(at).owner(42, OwnerSource::Connect).moves(Close, SynSent),
            sock(7).at(at).err(111).moves(SynSent, Close),
        ]);
    }
    assert_eq!(failed(&mut rig).len(), 2);
}

#[test]
fn nobody_is_told_who_did_not_ask() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).owner(42, OwnerSource::Connect).moves(Close, SynSent),
        sock(7).at(8).err(111).moves(SynSent, Close),
    ]);
    assert!(rig.finish().said().is_empty());
}
