//! Every way to CLOSE: the table of docs/kernel-facts.md, row by row. What a row does not name is as in the row of an
//! orderly close.

use super::support::{ECONNABORTED, ECONNRESET, EHOSTUNREACH, EPIPE, ETIMEDOUT, Rig, Sock, at, ms, rst, sock};
use crate::model::{
    Close, Outcome, Phase, Reason,
    State::{self, Close as Closed, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck},
};

/// Who holds the socket, and what `sk_shutdown` says.
#[derive(Clone, Copy)]
enum Held {
    /// A program that has not closed.
    Open,
    /// A program that has called `shutdown(SHUT_WR)`.
    Half,
    /// A program that has called `shutdown(SHUT_RDWR)`, or is inside `__tcp_close()`.
    Both,
    /// Nobody.
    Orphan,
}
use Held::{Both, Half, Open, Orphan};

/// A reset of ours: before `-> CLOSE` or after it.
#[derive(Clone, Copy)]
enum Sent {
    Before(u32),
    After(u32),
}
use Sent::{After, Before};

#[derive(Clone, Copy)]
struct Way {
    /// Function of the kernel, and what led there.
    name: &'static str,
    old: State,
    held: Held,
    /// `sk_err` at the event before.
    before: u16,
    /// `sk_err` at `-> CLOSE`.
    err: u16,
    received: bool,
    sent: Option<Sent>,
    retries: Option<u16>,
    /// A segment has arrived in the last state.
    answered: bool,
    outcome: Outcome,
    reason: Option<Reason>,
}

const fn way(name: &'static str, old: State, held: Held, outcome: Outcome) -> Way {
    Way {
        name,
        old,
        held,
        before: 0,
        err: 0,
        received: false,
        sent: None,
        retries: Some(0),
        answered: true,
        outcome,
        reason: None,
    }
}

impl Way {
    const fn err(self, before: u16, err: u16) -> Self {
        Self { before, err, ..self }
    }

    /// An error that came after the event before, and is not why it ended.
    const fn left_over(self, err: u16) -> Self {
        self.err(0, err)
    }

    const fn received(self) -> Self {
        Self { received: true, ..self }
    }

    const fn sent(self, sent: Sent, reason: Option<Reason>) -> Self {
        Self { sent: Some(sent), reason, ..self }
    }

    const fn retries(self, retries: u16) -> Self {
        Self { retries: Some(retries), ..self }
    }

    const fn because(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    const fn unanswered(self) -> Self {
        Self { answered: false, ..self }
    }

    /// Recorded before retries were.
    const fn old_capture(self) -> Self {
        Self { retries: None, ..self }
    }

    fn socket(&self) -> Sock {
        let socket = match self.held {
            Open => sock(7),
            Half => sock(7).half_closed(),
            Both => sock(7).closed(),
            Orphan => sock(7).orphan(),
        };
        if matches!(self.old, CloseWait | Closing | LastAck) { socket.done() } else { socket }
    }

    /// Its only close, which begins at 0 and ends at 9 ms.
    fn close(&self) -> Close {
        let mut rig = Rig::new();
        let socket = self.socket().err(self.before);
        let enters = |old, new| socket.at(3).moves_with(old, new, Some(5));
        match self.old {
            FinWait1 => rig.events([socket.at(0).moves(Established, FinWait1)]),
            CloseWait => rig.events([socket.at(0).moves(Established, CloseWait)]),
            FinWait2 => rig.events([socket.at(0).moves(Established, FinWait1), enters(FinWait1, FinWait2)]),
            Closing => rig.events([socket.at(0).moves(Established, FinWait1), enters(FinWait1, Closing)]),
            LastAck => rig.events([socket.at(0).moves(Established, CloseWait), enters(CloseWait, LastAck)]),
            _ => &mut rig,
        };
        if let Some(Before(reason)) = self.sent {
            rig.events([socket.at(9).sends_reset(self.old, reason)]);
        }
        if self.received {
            rig.events([socket.at(9).receives_reset(self.old)]);
        }
        // `tcp_fin()` tells in FIN_WAIT2.
        let socket = if self.old == FinWait2 && self.outcome == Outcome::Fin { socket.done() } else { socket };
        let segs_in = Some(5 + u32::from(self.answered));
        rig.events([socket.at(9).err(self.err).ends(self.old, segs_in, self.retries)]);
        if let Some(After(reason)) = self.sent {
            rig.events([socket.at(9).sends_reset(Closed, reason)]);
        }
        rig.finish().close()
    }
}

const NOT_SPECIFIED: Reason = Reason::Kernel("not_specified");

#[rustfmt::skip]
fn ways() -> Vec<Way> {
    use Outcome::{Fin, Killed, ResetReceived, ResetSent, Timeout, Unknown};
    use Reason::{DataAfterClose, Disconnect, Keepalive, Linger0, Linger2, OrphanFinWait2, OrphanMemory, Unreachable,
        UnreadData};
    let mut all = vec![
        // An exchange of FINs, and errors that are left over.
        way("tcp_fin() -> tcp_time_wait(TIME_WAIT)", FinWait2, Half, Fin),
        way("tcp_fin(), an error older than FIN_WAIT2", FinWait2, Half, Fin).err(EHOSTUNREACH, EHOSTUNREACH),
        way("tcp_fin(), an error since", FinWait2, Orphan, Fin).left_over(EHOSTUNREACH),
        way("tcp_fin(), sk_psock_backlog()", FinWait2, Half, Fin).left_over(EPIPE),
        way("tcp_time_wait(FIN_WAIT2)", FinWait2, Orphan, Unknown).because(OrphanFinWait2),
        way("tcp_time_wait(FIN_WAIT2), left over", FinWait2, Orphan, Unknown).err(EPIPE, EPIPE).because(OrphanFinWait2),
        way("tcp_time_wait(FIN_WAIT2), probes", FinWait2, Orphan, Unknown).left_over(EHOSTUNREACH).retries(2)
            .because(OrphanFinWait2),
        way("tcp_time_wait(TIME_WAIT)", Closing, Orphan, Fin),
        way("tcp_time_wait(TIME_WAIT), held", Closing, Both, Fin),
        way("tcp_time_wait(TIME_WAIT), left over", Closing, Orphan, Fin).left_over(EHOSTUNREACH),
        way("the ACK of the last FIN", LastAck, Orphan, Fin),
        way("the ACK of the last FIN, held", LastAck, Both, Fin),
        way("the ACK, an error since", LastAck, Orphan, Fin).left_over(EHOSTUNREACH),
        way("the ACK, an error before", LastAck, Orphan, Fin).err(EHOSTUNREACH, EHOSTUNREACH),
        way("the ACK, an error of no rule", LastAck, Orphan, Fin).left_over(71),
        way("the ACK, sk_psock_backlog()", LastAck, Orphan, Fin).left_over(EPIPE),
        // Timers give up: tcp_write_err() sets the error.
        way("tcp_write_err(), data", Established, Open, Timeout).left_over(ETIMEDOUT).retries(9),
        way("tcp_write_err(), data, ICMP", Established, Open, Timeout).left_over(EHOSTUNREACH).retries(9)
            .because(Unreachable),
        way("tcp_write_err(), ICMP parameter problem", Established, Open, Timeout).left_over(71).retries(9)
            .because(Unreachable),
        way("tcp_write_err(), no capture of retries", Established, Open, Timeout).left_over(EHOSTUNREACH).old_capture()
            .because(Unreachable),
        way("tcp_write_err(), IP_RECVERR", FinWait1, Orphan, Timeout).err(EHOSTUNREACH, ETIMEDOUT).retries(3),
        way("tcp_write_err(), closing", Closing, Orphan, Timeout).left_over(ETIMEDOUT).retries(3),
        way("tcp_write_err(), the last FIN", LastAck, Orphan, Timeout).left_over(ETIMEDOUT).retries(3).unanswered(),
        way("tcp_write_err(), the last FIN, ICMP", LastAck, Orphan, Timeout).left_over(EHOSTUNREACH).retries(3)
            .because(Unreachable),
        way("tcp_keepalive_timer()", Established, Open, Timeout).left_over(ETIMEDOUT).retries(3)
            .sent(Before(rst::KEEPALIVE), Some(Keepalive)),
        way("tcp_keepalive_timer(), ICMP", Established, Open, Timeout).left_over(EHOSTUNREACH).retries(3)
            .sent(Before(rst::KEEPALIVE), Some(Keepalive)),
        way("tcp_keepalive_timer(), FIN_WAIT2", FinWait2, Half, Timeout).left_over(ETIMEDOUT).retries(3)
            .sent(Before(rst::KEEPALIVE), Some(Keepalive)),
        // Somebody kills it.
        way("tcp_abort()", Established, Open, Killed).left_over(ECONNABORTED).sent(Before(rst::STATE), None),
        way("tcp_abort(), an error before", FinWait1, Orphan, Killed).err(EHOSTUNREACH, ECONNABORTED)
            .sent(Before(rst::STATE), None),
        way("tcp_abort(), no reset", LastAck, Orphan, Killed).left_over(ECONNABORTED),
        way("tcp_abort(), no reset", Closing, Half, Killed).left_over(ECONNABORTED),
        // No room for orphans.
        way("tcp_out_of_resources()", FinWait1, Orphan, ResetSent).retries(2)
            .sent(Before(rst::ABORT_ON_MEMORY), Some(OrphanMemory)),
        way("tcp_out_of_resources(), left over", FinWait1, Orphan, ResetSent).left_over(EHOSTUNREACH).retries(2)
            .sent(Before(rst::ABORT_ON_MEMORY), Some(OrphanMemory)),
        way("tcp_check_oom()", LastAck, Orphan, ResetSent).unanswered()
            .sent(After(rst::ABORT_ON_MEMORY), Some(OrphanMemory)),
        way("check_net(): the namespace is gone", LastAck, Orphan, Unknown).unanswered(),
        way("check_net(): the namespace is gone", FinWait1, Orphan, Unknown).err(EHOSTUNREACH, EHOSTUNREACH).retries(2),
        // TCP_LINGER2, data after close().
        way("tcp_keepalive_timer(), linger2", FinWait2, Orphan, ResetSent)
            .sent(Before(rst::STATE), Some(Reason::Kernel("tcp_state"))),
        way("__tcp_close(), linger2", FinWait2, Orphan, ResetSent).left_over(EPIPE)
            .sent(After(rst::ABORT_ON_LINGER), Some(Linger2)),
        way("tcp_rcv_state_process(), data after close()", FinWait1, Orphan, ResetSent).received()
            .left_over(ECONNRESET).sent(After(rst::ABORT_ON_DATA), Some(DataAfterClose)),
        // An answer to a segment: nobody calls `tcp_done()`, so what else tells counts more.
        way("tcp_check_req(), and nothing else", FinWait1, Orphan, ResetSent)
            .sent(Before(rst::NOT_SPECIFIED), Some(NOT_SPECIFIED)),
        way("tcp_check_req(), and the ACK", LastAck, Orphan, Fin).sent(Before(rst::NOT_SPECIFIED), None),
        way("tcp_check_req(), and a reset", FinWait1, Orphan, ResetReceived).sent(Before(rst::NOT_SPECIFIED), None)
            .received().left_over(ECONNRESET),
        way("tcp_check_req(), and tcp_write_err()", FinWait1, Orphan, Timeout).sent(Before(rst::NOT_SPECIFIED), None)
            .left_over(ETIMEDOUT).retries(2),
        // Nothing tells.
        way("the event of a reset is missing", LastAck, Orphan, Unknown).left_over(ECONNRESET),
        way("the event of a reset is missing", Established, Open, Unknown).left_over(ECONNRESET),
        way("the event of a reset is missing", CloseWait, Open, Unknown).left_over(EPIPE),
        way("ICMP in a capture that does not say", LastAck, Orphan, Unknown).left_over(EHOSTUNREACH).old_capture(),
        way("TCP_REPAIR: no reset at all", Established, Both, Unknown).left_over(EHOSTUNREACH),
        way("a reason without a name of ours", FinWait1, Half, ResetSent)
            .sent(After(rst::NOT_SPECIFIED), Some(NOT_SPECIFIED)),
    ];
    // tcp_reset(), whatever error was there before.
    let all_states = [
        (Established, Open), (FinWait1, Half), (FinWait1, Orphan), (FinWait2, Half), (Closing, Orphan),
        (CloseWait, Open), (LastAck, Orphan),
    ];
    for (old, held) in all_states {
        let err = if old == CloseWait { EPIPE } else { ECONNRESET };
        for before in [0, EHOSTUNREACH, err] {
            all.push(way("tcp_reset()", old, held, ResetReceived).err(before, err).received());
        }
    }
    // Resets of close() and connect(AF_UNSPEC), after the state, whatever error is left over.
    for old in [Established, CloseWait, FinWait1] {
        for err in [0, EHOSTUNREACH, EPIPE, ECONNRESET, 71] {
            for way in [
                way("__tcp_close(), unread data", old, Both, ResetSent)
            .sent(After(rst::ABORT_ON_CLOSE), Some(UnreadData)),
                way("__tcp_close(), SO_LINGER 0", old, Both, ResetSent).sent(After(rst::STATE), Some(Linger0)),
                way("connect(AF_UNSPEC)", old, Half, ResetSent).sent(After(rst::STATE), Some(Disconnect)),
            ] {
                all.extend([way.left_over(err), way.err(err, err), way.left_over(err).retries(4)]);
            }
        }
    }
    all
}

#[test]
fn every_way_has_its_own_evidence() {
    for way in ways() {
        let close = way.close();
        let Way { name, old, before, err, retries, .. } = way;
        let row = format!("{name}: {old:?}, error {before} then {err}, retries {retries:?}");
        assert_eq!((close.outcome, close.reason), (way.outcome, way.reason), "{row}");
        // No phase stops at what is no end.
        if way.reason == Some(Reason::OrphanFinWait2) {
            assert_eq!(
                (close.phases.get(Phase::FinWait2), close.close_ns, close.complete),
                (None, None, false),
                "{row}"
            );
        } else {
            assert_eq!((close.end_ns, close.complete), (at(9), true), "{row}");
            let whole = if old == Established { 0 } else { ms(9) };
            assert_eq!(close.close_ns, Some(whole), "{row}");
        }
    }
}

/// An orphan goes on as a timewait socket, whatever error it has, unless the event of a reset is there.
#[test]
fn an_error_does_not_keep_an_orphan_from_going_on() {
    for (before, err) in [(0, 0), (EHOSTUNREACH, EHOSTUNREACH), (0, EHOSTUNREACH), (EPIPE, EPIPE), (0, ECONNRESET)] {
        let mut rig = Rig::looking();
        rig.events([
            sock(7).at(0).closed().err(before).moves(Established, FinWait1),
            sock(7).at(1).orphan().err(err).moves(FinWait1, FinWait2),
            sock(7).at(1).orphan().err(err).ends(FinWait2, Some(3), Some(1)),
        ]);
        assert_eq!(rig.engine.status().orphans_waiting, 1, "{before}, {err}");
    }
    let mut rig = Rig::looking();
    rig.events([
        sock(7).at(0).closed().moves(Established, FinWait1),
        sock(7).at(1).orphan().moves(FinWait1, FinWait2),
        sock(7).at(2).orphan().receives_reset(FinWait2),
        sock(7).at(2).orphan().err(ECONNRESET).ends(FinWait2, Some(3), Some(0)),
    ]);
    assert_eq!(rig.tick(200).close().outcome, Outcome::ResetReceived);
}

/// Where events were lost just before, a reset that has no event is said to be lost.
#[test]
fn a_reset_whose_event_was_lost_is_unknown() {
    let mut rig = Rig::new();
    let mut end = sock(7).at(9).err(ECONNRESET).ends(Established, Some(3), Some(0));
    end.loss_mark = 1;
    let close = rig.events([sock(8).at(1).moves(Established, FinWait1), end]).finish().close();
    assert_eq!((close.outcome, close.reason), (Outcome::Unknown, Some(Reason::CauseLost)));
}

/// FIN retransmits say which error was there before the last one went out.
#[test]
fn an_error_seen_at_a_retransmit_is_left_over() {
    let mut rig = Rig::new();
    rig.events([
        sock(7).at(0).half_closed().moves(Established, FinWait1),
        sock(7).at(3).half_closed().err(EHOSTUNREACH).retransmits(FinWait1, crate::model::RetransmitKind::Rto),
        sock(7).at(4).half_closed().done().err(EHOSTUNREACH).moves_with(FinWait1, Closing, Some(4)),
        sock(7).at(9).half_closed().done().err(EHOSTUNREACH).ends(Closing, Some(5), None),
    ]);
    assert_eq!(rig.finish().close().outcome, Outcome::Fin);
}
