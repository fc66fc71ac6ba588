//! The verdict on an end: a pure function of what was seen.

use super::{
    closing::{Closing, End, Fate},
    config::RESET_WINDOW_NS,
};
use crate::model::{Close, Flags, Outcome, Phase, Reason, ResetReason, Role, State};

/// Positive errnos of `sk_err` (asm-generic).
mod errno {
    pub(super) const EPIPE: u16 = 32;
    pub(super) const ENETUNREACH: u16 = 101;
    pub(super) const ECONNABORTED: u16 = 103;
    pub(super) const ECONNRESET: u16 = 104;
    pub(super) const ETIMEDOUT: u16 = 110;
    pub(super) const ECONNREFUSED: u16 = 111;
    pub(super) const EHOSTDOWN: u16 = 112;
    pub(super) const EHOSTUNREACH: u16 = 113;
}

/// How it ended and why.
pub(super) type Verdict = (Outcome, Option<Reason>);

/// Judges an end at `end_ns`; `None` while an event that would change the verdict may still come, unless
/// this is the `last` chance.
pub(super) fn judge(fate: &Fate, flags: Flags, end_ns: u64, last: bool) -> Option<Verdict> {
    let end = fate.end?;
    let reset_sent = fate.reset_sent_ns.is_some_and(|sent_ns| end_ns.saturating_sub(sent_ns) <= RESET_WINDOW_NS);
    // Nobody had accepted it, and nothing came from the peer: `inet_csk_listen_stop()` -> `inet_child_forget()` ->
    // `tcp_disconnect()`, which sends its reset after `-> CLOSE` (MPTCP's fast close before).
    if end.unaccepted && end.sk_err == 0 {
        let outcome = if reset_sent { Outcome::ResetSent } else { Outcome::Unknown };
        return (reset_sent || last).then_some((outcome, Some(Reason::ListenerClosed)));
    }
    match end.sk_err {
        errno::ETIMEDOUT => {
            let keepalive = reset_sent && fate.reset_reason == Some(ResetReason::KeepaliveTimeout);
            Some((Outcome::Timeout, keepalive.then_some(Reason::Keepalive)))
        }
        // `tcp_write_err()` prefers the last ICMP error to ETIMEDOUT.
        errno::EHOSTUNREACH | errno::ENETUNREACH | errno::EHOSTDOWN | errno::ECONNREFUSED => {
            Some((Outcome::Timeout, Some(Reason::Unreachable)))
        }
        errno::ECONNABORTED => Some((Outcome::Killed, None)),
        // `tcp_reset()` also runs when we answer data after close() with a reset of our own.
        errno::ECONNRESET | errno::EPIPE if !reset_sent => last.then_some((Outcome::ResetReceived, None)),
        _ if reset_sent => Some((Outcome::ResetSent, reset_reason(fate.reset_reason, flags))),
        0 => without_error(&end, flags, last),
        _ => last.then_some((Outcome::Unknown, None)),
    }
}

/// No error and no reset of ours so far.
fn without_error(end: &End, flags: Flags, last: bool) -> Option<Verdict> {
    let closed = flags.rcv_shutdown && flags.send_shutdown;
    match end.old {
        // `tcp_fin()` sets SOCK_DONE: the peer's FIN is here, so this is TIME_WAIT.
        State::FinWait2 | State::Closing if flags.done => Some((Outcome::Fin, None)),
        // Without it: an orphan handed to a timewait socket (`tcp_time_wait(sk, TCP_FIN_WAIT2, ..)`).
        State::FinWait2 => last.then_some((Outcome::Unknown, is_orphan(flags).then_some(Reason::OrphanFinWait2))),
        // `__tcp_close()` gives up what exceeds `tcp_max_orphans` or `tcp_mem`, and sends its reset afterwards.
        State::LastAck if end.unanswered => last.then_some((Outcome::Unknown, None)),
        // Otherwise only close() of a socket held until now can send a reset after this.
        State::LastAck if flags.orphan || !closed || last => Some((Outcome::Fin, None)),
        _ => last.then_some((Outcome::Unknown, None)),
    }
}

/// No program holds the socket, or the one that did is in `__tcp_close()`.
pub(super) const fn is_orphan(flags: Flags) -> bool {
    flags.orphan || (flags.rcv_shutdown && flags.send_shutdown)
}

fn reset_reason(reason: Option<ResetReason>, flags: Flags) -> Option<Reason> {
    let closed = flags.rcv_shutdown && flags.send_shutdown;
    match reason? {
        // `mptcp_do_fastclose()` gives one reason for all that makes it, or has `tcp_disconnect()` give its own.
        ResetReason::UnreadData | ResetReason::Disconnect | ResetReason::DisconnectWithData if flags.mptcp => {
            Some(Reason::MptcpFastclose)
        }
        ResetReason::UnreadData => Some(Reason::UnreadData),
        // `__tcp_close()` has set both bits of `sk_shutdown` before it calls `tcp_disconnect()`.
        ResetReason::Disconnect | ResetReason::DisconnectWithData if closed => Some(Reason::Linger0),
        ResetReason::Disconnect | ResetReason::DisconnectWithData => Some(Reason::Disconnect),
        ResetReason::Linger2 => Some(Reason::Linger2),
        ResetReason::OrphanMemory => Some(Reason::OrphanMemory),
        ResetReason::DataAfterClose => Some(Reason::DataAfterClose),
        ResetReason::KeepaliveTimeout => Some(Reason::Keepalive),
        ResetReason::Other => None,
    }
}

/// The record of a close that ended at `closing.since_ns`; `losses` is the engine's count of them by now.
pub(super) fn conclude(mut closing: Closing, fate: &Fate, (outcome, reason): Verdict, losses: u32) -> Close {
    let hidden = reason.is_some_and(Reason::hides_fin_wait2);
    let mptcp = closing.flags.mptcp;
    if hidden || mptcp {
        closing.phases.forget(Phase::FinWait2);
    }
    if mptcp {
        // MPTCP closes its subflows once its connection is over: their time says nothing of either program.
        closing.phases.forget(Phase::CloseWait);
    }
    let close_known = !mptcp || closing.phases.is_empty();
    // A timewait socket's end is seen by a look.
    let end_seen = fate.end.is_some() || (closing.handed_over && outcome != Outcome::Unknown);
    let end_known = end_seen && !hidden;
    let lifetime_start_ns = closing.connect_ns.filter(|_| end_known);
    // No FIN of ours: whatever the peer did, this is an abort.
    let aborted = fate.end.is_some_and(|end| matches!(end.old, State::Established | State::SynRecv | State::CloseWait));
    Close {
        end_ns: closing.since_ns,
        socket: closing.socket,
        role: if aborted { Role::Abort } else { closing.role() },
        outcome,
        reason,
        owner: closing.owner,
        phases: closing.phases.known(),
        close_ns: (end_known && close_known && closing.begun_known())
            .then(|| closing.since_ns.saturating_sub(closing.begun_ns)),
        // `close()` that resets: SOCK_DEAD is set after `-> CLOSE`.
        orphan: closing.flags.orphan
            || ((aborted || outcome == Outcome::ResetSent) && by_close(fate, closing.flags.into())),
        mptcp,
        three_way: three_way(&closing, fate, outcome),
        // Where events were lost meanwhile, a retransmit may be among them.
        complete: end_seen && closing.phases_known() && closing.losses == losses,
        retransmits: closing.rare.retransmits(),
        totals: fate.end.and_then(|end| end.totals),
        lifetime_ns: lifetime_start_ns.map(|at| closing.since_ns.saturating_sub(at.get())),
    }
}

/// `-> CLOSE` by `__tcp_close()`, which sets both bits of `sk_shutdown` first; resets and timeouts have an error.
fn by_close(fate: &Fate, flags: Flags) -> bool {
    flags.rcv_shutdown && flags.send_shutdown && fate.end.is_some_and(|end| end.sk_err == 0)
}

/// The peer's FIN came with the acknowledgement of ours when no other segment arrived in FIN_WAIT2.
fn three_way(closing: &Closing, fate: &Fate, outcome: Outcome) -> Option<bool> {
    let end = fate.end?;
    let orderly = outcome == Outcome::Fin && Phase::of(end.old) == Some(Phase::FinWait2);
    if !orderly || closing.role() != Role::Active {
        return None;
    }
    // With the FIN in the acknowledging segment there is no hand-over (`tcp_rcv_state_process()`, `th->fin`).
    if closing.handed_over {
        return Some(false);
    }
    closing.was_quiet(end.segs_in)
}
