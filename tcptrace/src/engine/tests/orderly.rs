//! Closes by exchange of FINs.

use super::support::{Rig, at, close_of, ms, sock};
use crate::model::{
    Event, Outcome, Phase, Phases, Reason, RetransmitKind, Retransmits, Role,
    State::{Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynRecv},
    Totals,
};

fn phases<const N: usize>(known: [(Phase, u64); N]) -> Phases {
    let mut phases = Phases::default();
    for (phase, ns) in known {
        phases.set(phase, Some(ns));
    }
    phases
}

/// Our FIN first, by `close()`, and the peer's FIN after `hold_ms`.
fn active(hold_ms: u64) -> [Event; 3] {
    [
        sock(7).at(10).closed().moves(Established, FinWait1),
        sock(7).at(12).orphan().moves(FinWait1, FinWait2),
        sock(7).at(12 + hold_ms).orphan().done().moves(FinWait2, Close),
    ]
}

#[test]
fn an_active_close_is_exact() {
    let close = close_of(active(30));
    assert_eq!((close.role, close.outcome, close.reason), (Role::Active, Outcome::Fin, None));
    assert_eq!(close.phases, phases([(Phase::FinWait1, ms(2)), (Phase::FinWait2, ms(30))]));
    assert_eq!(close.close_ns, Some(ms(32)));
    assert_eq!(close.end_ns, at(42));
    assert!(close.complete && close.orphan);
    assert_eq!(close.totals, Some(Totals { srtt_us: 24, bytes_sent: 1, bytes_received: 2 }));
    assert_eq!(close.lifetime_ns, None, "nobody saw a connect");
}

/// SOCK_DONE is what tells TIME_WAIT: no wait is needed for the verdict.
#[test]
fn time_wait_is_judged_at_once() {
    let mut rig = Rig::new();
    rig.events(active(30));
    assert_eq!(rig.close().outcome, Outcome::Fin);
}

/// The kernel hands an orphan to a timewait socket in FIN_WAIT2 at once: the 22 us it shows are no phase.
#[test]
fn an_orphan_in_fin_wait2_has_no_length() {
    let close = close_of([
        sock(7).at(1).closed().moves(Established, FinWait1),
        sock(7).at(3).orphan().moves(FinWait1, FinWait2),
        sock(7).at(4).orphan().moves(FinWait2, Close),
    ]);
    assert_eq!((close.outcome, close.reason), (Outcome::Unknown, Some(Reason::OrphanFinWait2)));
    assert_eq!(close.role, Role::Active);
    assert_eq!(close.phases, phases([(Phase::FinWait1, ms(2))]));
    assert!(!close.complete);
    assert_eq!((close.close_ns, close.lifetime_ns, close.three_way), (None, None, None));
}

/// The same after a half close: `close()` shows as a self transition at which SOCK_DEAD is still 0.
#[test]
fn an_orphan_made_in_fin_wait2_has_no_length() {
    let close = close_of([
        sock(7).at(1).half_closed().moves(Established, FinWait1),
        sock(7).at(3).half_closed().moves(FinWait1, FinWait2),
        sock(7).at(500).closed().moves(FinWait2, FinWait2),
        sock(7).at(500).closed().moves(FinWait2, Close),
    ]);
    assert_eq!((close.outcome, close.reason), (Outcome::Unknown, Some(Reason::OrphanFinWait2)));
    assert_eq!(close.phases, phases([(Phase::FinWait1, ms(2))]));
    assert!(!close.complete);
}

/// A held socket shows the peer's time as it was, 2 s here.
#[test]
fn a_held_fin_wait2_is_exact() {
    let close = close_of([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(1).half_closed().moves(FinWait1, FinWait2),
        sock(7).at(2001).half_closed().done().moves(FinWait2, Close),
    ]);
    assert_eq!(close.outcome, Outcome::Fin);
    assert_eq!(close.phases.remote_app_ns(), Some(ms(2000)));
    assert!(close.complete && !close.orphan);
}

/// `close()` after `shutdown()`: the phase goes on, whichever it is.
#[test]
fn self_transitions_do_not_restart_a_phase() {
    let close = close_of([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(40).closed().moves(FinWait1, FinWait1),
        sock(7).at(100).orphan().moves(FinWait1, FinWait2),
        sock(7).at(130).orphan().done().moves(FinWait2, Close),
    ]);
    assert_eq!(close.phases, phases([(Phase::FinWait1, ms(100)), (Phase::FinWait2, ms(30))]));
    assert!(close.complete);
    let close = close_of([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(1).half_closed().done().moves(FinWait1, Closing),
        sock(7).at(50).closed().done().moves(Closing, Closing),
        sock(7).at(80).orphan().done().moves(Closing, Close),
    ]);
    assert_eq!(close.phases.get(Phase::Closing), Some(ms(79)));
    let close = close_of([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(1).half_closed().done().moves(CloseWait, LastAck),
        sock(7).at(50).closed().done().moves(LastAck, LastAck),
        sock(7).at(80).orphan().done().moves(LastAck, Close),
    ]);
    assert_eq!(close.phases.get(Phase::LastAck), Some(ms(79)));
    assert!(close.complete);
}

#[test]
fn a_passive_close_is_exact() {
    let close = close_of([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(700).closed().done().moves(CloseWait, LastAck),
        sock(7).at(703).orphan().done().moves(LastAck, Close),
    ]);
    assert_eq!((close.role, close.outcome), (Role::Passive, Outcome::Fin));
    assert_eq!(close.phases, phases([(Phase::CloseWait, ms(700)), (Phase::LastAck, ms(3))]));
    assert_eq!(close.phases.network_ns(), Some(ms(3)));
    assert_eq!(close.close_ns, Some(ms(703)));
    assert_eq!(close.three_way, None);
    assert!(close.complete);
}

#[test]
fn a_simultaneous_close_is_exact() {
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(4).orphan().done().moves(FinWait1, Closing),
        sock(7).at(9).orphan().done().moves(Closing, Close),
    ]);
    assert_eq!((close.role, close.outcome), (Role::Simultaneous, Outcome::Fin));
    assert_eq!(close.phases, phases([(Phase::FinWait1, ms(4)), (Phase::Closing, ms(5))]));
    assert_eq!(close.three_way, None);
    assert!(close.complete);
}

/// A child that closes before its handshake is done begins in SYN_RECV.
#[test]
fn a_close_may_begin_in_syn_recv() {
    let close = close_of([
        sock(7).at(0).closed().moves(SynRecv, FinWait1),
        sock(7).at(2).orphan().moves(FinWait1, FinWait2),
        sock(7).at(5).orphan().done().moves(FinWait2, Close),
    ]);
    assert_eq!((close.role, close.close_ns, close.complete), (Role::Active, Some(ms(5)), true));
}

fn three_way(in_fin_wait2: Option<u32>, at_end: Option<u32>) -> Option<bool> {
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(1).orphan().moves_with(FinWait1, FinWait2, in_fin_wait2),
        sock(7).at(1).orphan().done().moves_with(FinWait2, Close, at_end),
    ]);
    assert!(close.complete);
    assert_eq!(close.phases.get(Phase::FinWait2), Some(0));
    close.three_way
}

/// FIN and ACK in one segment: no other came in between. Time alone would not tell.
#[test]
fn three_way_is_told_by_segments() {
    assert_eq!(three_way(Some(5), Some(5)), Some(true));
    assert_eq!(three_way(Some(5), Some(6)), Some(false));
    assert_eq!(three_way(None, Some(6)), None);
    assert_eq!(three_way(Some(5), None), None);
}

#[test]
fn retransmits_are_counted_by_kind() {
    let again = |kind| sock(7).at(500).orphan().retransmits(FinWait1, kind);
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        again(RetransmitKind::Tlp),
        again(RetransmitKind::Rto),
        again(RetransmitKind::Rto),
        again(RetransmitKind::Fast),
        again(RetransmitKind::Failed(16)),
        sock(7).at(900).orphan().moves(FinWait1, FinWait2),
        sock(7).at(901).orphan().done().moves(FinWait2, Close),
    ]);
    assert_eq!(close.retransmits, Retransmits { tlp: 1, rto: 2, fast: 1, failed: 1 });
    assert_eq!(close.retransmits.sent(), 4, "a failed one did not leave");
    assert_eq!(close.phases.get(Phase::FinWait1), Some(ms(900)), "a retransmit restarts nothing");
}
