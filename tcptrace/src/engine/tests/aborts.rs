//! Ends without an exchange of FINs: resets in either order, timeouts, kills, listeners.

use super::support::{ECONNABORTED, ECONNRESET, EHOSTUNREACH, EPIPE, ETIMEDOUT, Rig, close_of, ms, rst, sock};
use crate::model::{
    Outcome, Phase, Reason, RetransmitKind, Role,
    State::{
        self, Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv, SynSent, TimeWait,
    },
};

#[test]
fn a_reset_received_is_an_abort() {
    for old in [Established, SynRecv] {
        let close = close_of([sock(7).at(1).receives_reset(old), sock(7).at(1).err(ECONNRESET).moves(old, Close)]);
        assert_eq!((close.role, close.outcome), (Role::Abort, Outcome::ResetReceived));
        assert_eq!((close.close_ns, close.complete), (Some(0), true));
        assert_eq!(close.phases, Default::default());
    }
}

/// In CLOSE_WAIT the error is EPIPE; the peer had sent its FIN, ours never went.
#[test]
fn a_reset_received_in_close_wait_is_an_abort() {
    let close = close_of([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(9).done().receives_reset(CloseWait),
        sock(7).at(9).done().err(EPIPE).moves(CloseWait, Close),
    ]);
    assert_eq!((close.role, close.outcome), (Role::Abort, Outcome::ResetReceived));
    assert_eq!(close.phases.local_app_ns(), Some(ms(9)));
    assert!(close.complete);
}

#[test]
fn a_reset_received_while_closing_keeps_the_role() {
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(9).orphan().receives_reset(FinWait1),
        sock(7).at(9).orphan().err(ECONNRESET).moves(FinWait1, Close),
    ]);
    assert_eq!((close.role, close.outcome), (Role::Active, Outcome::ResetReceived));
    assert_eq!(close.phases.get(Phase::FinWait1), Some(ms(9)));
    assert_eq!(close.close_ns, Some(ms(9)));
}

/// Its timewait socket answers data: too late to change how the full socket went.
#[test]
fn a_reset_of_a_timewait_socket_is_not_the_end() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(1).closed().orphan().moves(FinWait1, FinWait2),
        sock(7).at(1).closed().orphan().moves(FinWait2, Close),
        sock(7).at(2).orphan().sends_reset(TimeWait, rst::STATE),
    ]);
    let close = rig.finish().close();
    assert_eq!((close.outcome, close.reason), (Outcome::Unknown, Some(Reason::OrphanFinWait2)));
    assert_eq!((close.phases.get(Phase::FinWait2), rig.anomalies().stray_events), (None, 1));
}

/// `close()` that aborts: `-> CLOSE` first, then the reset.
#[test]
fn a_reset_sent_after_the_end_names_its_reason() {
    let reasons = [
        (rst::ABORT_ON_CLOSE, Some(Reason::UnreadData)),
        (rst::STATE, Some(Reason::Linger0)),
        (rst::DISCONNECT_WITH_DATA, Some(Reason::Linger0)),
        (rst::NOT_SPECIFIED, Some(Reason::Kernel("not_specified"))),
        (9999, Some(Reason::Kernel("reason_9999"))),
    ];
    for (number, reason) in reasons {
        for old in [Established, CloseWait] {
            let mut rig = Rig::new();
            rig.events([sock(7).at(0).done().closed().moves(old, Close)]);
            assert!(rig.said().is_empty(), "judged before the reset could come");
            let close = rig.events([sock(7).at(1).closed().sends_reset(Close, number)]).close();
            assert_eq!((close.role, close.outcome, close.reason), (Role::Abort, Outcome::ResetSent, reason));
        }
    }
}

/// `connect(AF_UNSPEC)` sends the same reset as linger 0, but the socket was not shut down.
#[test]
fn a_disconnect_is_no_linger() {
    let close = close_of([sock(7).at(0).moves(Established, Close), sock(7).at(0).sends_reset(Close, rst::STATE)]);
    assert_eq!((close.outcome, close.reason), (Outcome::ResetSent, Some(Reason::Disconnect)));
}

/// Too many orphans at `close()` after the peer's: no segment came in LAST_ACK, and the reset follows `-> CLOSE`.
#[test]
fn a_last_ack_that_nobody_answered() {
    let passive = [
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(9).closed().moves_with(CloseWait, LastAck, Some(3)),
    ];
    let ends = |segs_in| sock(7).at(9).orphan().done().moves_with(LastAck, Close, segs_in);
    let mut rig = Rig::new();
    rig.events(passive).events([ends(Some(3))]);
    assert!(rig.said().is_empty(), "the reset may be on its way");
    rig.events([sock(7).at(9).orphan().sends_reset(Close, rst::ABORT_ON_MEMORY)]);
    let close = rig.close();
    assert_eq!(
        (close.role, close.outcome, close.reason),
        (Role::Passive, Outcome::ResetSent, Some(Reason::OrphanMemory))
    );
    // The namespace goes away: no reset either.
    let mut rig = Rig::new();
    rig.events(passive).events([ends(Some(3))]);
    assert_eq!(rig.tick(200).close().outcome, Outcome::Unknown);
    // The acknowledgement came; and a record of an older version, which does not say.
    for segs_in in [Some(4), None] {
        let mut rig = Rig::new();
        assert_eq!(rig.events(passive).events([ends(segs_in)]).close().outcome, Outcome::Fin);
    }
}

/// A listener's answers to strays come of no close, whatever its key becomes.
#[test]
fn a_reset_of_a_listener_is_nobodys() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).sends_reset(Listen, rst::STATE), sock(7).at(1).moves(Established, CloseWait)]);
    rig.events([sock(7).at(2).closed().moves(CloseWait, LastAck), sock(7).at(3).orphan().moves(LastAck, Close)]);
    assert_eq!(rig.close().outcome, Outcome::Fin);
    assert_eq!(rig.anomalies().stray_events, 0);
}

/// Out of memory for orphans: the reset goes out before `-> CLOSE`.
#[test]
fn a_reset_sent_before_the_end_counts() {
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(5).orphan().sends_reset(FinWait1, rst::ABORT_ON_MEMORY),
        sock(7).at(5).orphan().moves(FinWait1, Close),
    ]);
    assert_eq!((close.outcome, close.reason), (Outcome::ResetSent, Some(Reason::OrphanMemory)));
    let close = close_of([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(1).half_closed().moves(FinWait1, FinWait2),
        sock(7).at(9).closed().sends_reset(FinWait2, rst::ABORT_ON_LINGER),
        sock(7).at(9).closed().moves(FinWait2, Close),
    ]);
    assert_eq!((close.outcome, close.reason), (Outcome::ResetSent, Some(Reason::Linger2)));
    assert_eq!(close.phases.get(Phase::FinWait2), Some(ms(8)), "it ended here and nowhere else");
    assert!(close.complete);
}

/// A reset that answered a stray segment long ago did not end this.
#[test]
fn an_old_reset_is_not_the_reason() {
    let close = close_of([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(5).half_closed().sends_reset(FinWait1, 9999),
        sock(7).at(900).half_closed().moves(FinWait1, FinWait2),
        sock(7).at(901).half_closed().done().moves(FinWait2, Close),
    ]);
    assert_eq!((close.outcome, close.reason), (Outcome::Fin, None));
}

/// Data after `close()`: the kernel runs `tcp_reset()` on itself, then answers with a reset of its own.
#[test]
fn data_after_close_is_a_reset_of_ours() {
    let close = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(5).orphan().receives_reset(FinWait1),
        sock(7).at(5).orphan().err(ECONNRESET).moves(FinWait1, Close),
        sock(7).at(5).orphan().sends_reset(Close, rst::ABORT_ON_DATA),
    ]);
    assert_eq!((close.outcome, close.reason), (Outcome::ResetSent, Some(Reason::DataAfterClose)));
    assert_eq!(close.phases.get(Phase::FinWait1), Some(ms(5)));
}

/// `ss -K`: the reset first, while the connection lives, then ECONNABORTED.
#[test]
fn a_kill_is_no_reset() {
    let close = close_of([
        sock(7).at(5).sends_reset(Established, rst::STATE),
        sock(7).at(5).err(ECONNABORTED).moves(Established, Close),
    ]);
    assert_eq!((close.role, close.outcome, close.reason), (Role::Abort, Outcome::Killed, None));
}

#[test]
fn timeouts_are_told_apart() {
    let orphan = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(200).orphan().retransmits(FinWait1, RetransmitKind::Tlp),
        sock(7).at(107_500).orphan().err(ETIMEDOUT).moves(FinWait1, Close),
    ]);
    assert_eq!((orphan.outcome, orphan.reason), (Outcome::Timeout, None));
    assert_eq!(orphan.close_ns, Some(ms(107_500)));
    let last_ack = close_of([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(1).done().closed().moves(CloseWait, LastAck),
        sock(7).at(900).done().orphan().err(ETIMEDOUT).moves(LastAck, Close),
    ]);
    assert_eq!((last_ack.role, last_ack.outcome), (Role::Passive, Outcome::Timeout));
    let keepalive = close_of([
        sock(7).at(5).sends_reset(Established, rst::KEEPALIVE),
        sock(7).at(5).err(ETIMEDOUT).moves(Established, Close),
    ]);
    assert_eq!((keepalive.outcome, keepalive.reason), (Outcome::Timeout, Some(Reason::Keepalive)));
    let unreachable = close_of([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(900).orphan().err(EHOSTUNREACH).moves(FinWait1, Close),
    ]);
    assert_eq!((unreachable.outcome, unreachable.reason), (Outcome::Timeout, Some(Reason::Unreachable)));
}

/// No error, no reset, no FIN of the peer: nobody knows.
#[test]
fn what_is_not_known_is_unknown() {
    for old in [Established, FinWait1, Closing] {
        let close = close_of([sock(7).at(0).moves(old, Close)]);
        assert_eq!((close.outcome, close.reason), (Outcome::Unknown, None), "{old:?}");
    }
    let close = close_of([sock(7).at(0).err(71).moves(Established, Close)]);
    assert_eq!((close.outcome, close.reason), (Outcome::Unknown, None), "an errno of no rule");
}

/// `finish()` is the last chance of those that still wait for a reset.
#[test]
fn settling_ones_are_judged_at_the_end() {
    let mut rig = Rig::new();
    rig.events([
        sock(1).at(0).receives_reset(Established),
        sock(1).at(0).err(ECONNRESET).moves(Established, Close),
        sock(2).at(0).closed().moves(Established, Close),
        sock(3).at(0).closed().moves(Established, FinWait1),
    ]);
    assert!(rig.said().is_empty());
    let outcomes: Vec<Outcome> = rig.finish().closes().iter().map(|close| close.outcome).collect();
    assert_eq!(outcomes, [Outcome::ResetReceived, Outcome::Unknown], "the third is open, not closed");
    assert_eq!(rig.open(), [1, 0, 0, 0, 0]);
    assert!(rig.finish().said().is_empty(), "once is enough");
}

/// A tick is enough, and it says when the close ended, not when it was judged.
#[test]
fn settling_ends_in_time() {
    let mut rig = Rig::new();
    rig.events([sock(1).at(0).receives_reset(Established), sock(1).at(0).err(ECONNRESET).moves(Established, Close)]);
    assert!(rig.tick(99).said().is_empty());
    let close = rig.tick(100).close();
    assert_eq!(close.end_ns, super::support::at(0));
    assert_eq!(rig.engine.table.len(), 0);
}

/// A listener that closes ends no connection, and neither does `close()` of a dead socket.
#[test]
fn what_ends_no_connection_is_no_close() {
    for old in [Listen, Close, State::TimeWait, State::NewSynRecv] {
        let mut rig = Rig::new();
        rig.events([sock(7).at(0).closed().moves(old, Close)]).finish();
        assert!(rig.said().is_empty(), "{old:?}");
        assert_eq!(rig.anomalies().impossible_transitions, 1, "the kernel side does not send these");
        assert_eq!(rig.engine.table.len(), 0);
    }
}

/// FIN_WAIT2 without SOCK_DONE of a socket that nobody closed: not an orphan, so not known.
#[test]
fn a_held_fin_wait2_that_vanishes_is_unknown() {
    let close = close_of([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(1).half_closed().moves(FinWait1, FinWait2),
        sock(7).at(2).half_closed().moves(FinWait2, Close),
    ]);
    assert_eq!((close.outcome, close.reason), (Outcome::Unknown, None));
    assert_eq!(close.phases.get(Phase::FinWait2), Some(ms(1)));
}

#[test]
fn a_reset_that_ends_nothing_says_nothing() {
    let mut rig = Rig::new();
    rig.events([sock(7).at(0).sends_reset(Established, 9999), sock(7).at(0).receives_reset(Established)]);
    assert!(rig.finish().said().is_empty());
    assert_eq!(rig.engine.table.len(), 0);
    let close = close_of([
        sock(7).at(0).done().moves(Established, CloseWait),
        sock(7).at(3).done().closed().moves(CloseWait, LastAck),
        sock(7).at(4).done().orphan().receives_reset(LastAck),
        sock(7).at(4).done().orphan().err(EPIPE).moves(LastAck, Close),
    ]);
    assert_eq!(close.outcome, Outcome::ResetReceived);
}

/// A reset that refused a `connect()` is no evidence about the connection that the socket has just afterwards.
#[test]
fn a_refused_connect_is_no_reset_of_a_later_connection() {
    let close = close_of([
        sock(7).at(1).receives_reset(SynSent),
        sock(7).at(2).closed().moves(Established, FinWait1),
        sock(7).at(3).closed().orphan().moves(FinWait1, FinWait2),
        sock(7).at(4).closed().orphan().done().moves(FinWait2, Close),
    ]);
    assert_eq!((close.outcome, close.reason), (Outcome::Fin, None));
}
