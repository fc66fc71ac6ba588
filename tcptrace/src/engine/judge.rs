//! The verdict on an end: a pure function of what was seen.

use super::{
    closing::Closing,
    config::RESET_WINDOW_NS,
    fate::{End, Fate},
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

/// What a socket's way to CLOSE is put down to. Each needs evidence of its own, for `sk_err` alone may be left over:
/// the ICMP errors of IP_RECVERR (`tcp_v4_err()`) and failed sends of sockmap (`sk_psock_backlog()`) stay until
/// somebody reads them. docs/kernel-facts.md has the table of all ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// `inet_csk_listen_stop()`: the listener was closed before anybody accepted the connection.
    ListenerClosed { reset: bool },
    /// This side sent a reset.
    OurReset,
    /// `tcp_reset()` ran.
    PeersReset,
    /// `tcp_abort()`.
    Killed,
    /// `tcp_write_err()`: a timer has given up.
    GaveUp(Option<Reason>),
    /// A new error, and nothing that tells whether what sets it also ended the socket: the event of a reset is missing.
    Unclear,
    /// Nothing but the states: an exchange of FINs, or what leaves no trace.
    States,
}

/// Judges an end at `end_ns`; `None` while an event that would change the verdict may still come, unless
/// this is the `last` chance.
pub(super) fn judge(fate: &Fate, flags: Flags, end_ns: u64, last: bool) -> Option<Verdict> {
    let end = fate.end?;
    match cause(fate, &end, flags, end_ns) {
        Cause::ListenerClosed { reset } => {
            let outcome = if reset { Outcome::ResetSent } else { Outcome::Unknown };
            (reset || last).then_some((outcome, Some(Reason::ListenerClosed)))
        }
        Cause::OurReset => Some((Outcome::ResetSent, reset_reason(fate, flags))),
        // `tcp_reset()` also runs where data comes after close(), which a reset of ours then answers.
        Cause::PeersReset => last.then_some((Outcome::ResetReceived, None)),
        Cause::Killed => Some((Outcome::Killed, None)),
        // `connect(AF_UNSPEC)` sends its reset afterwards; only a program that holds the socket can call it.
        Cause::GaveUp(reason) => {
            let certain = flags.orphan || reason != Some(Reason::Unreachable);
            (certain || last).then_some((Outcome::Timeout, reason))
        }
        Cause::Unclear => last.then_some((Outcome::Unknown, end.lost.then_some(Reason::CauseLost))),
        Cause::States => by_states(&end, flags, last),
    }
}

/// An orphan in FIN_WAIT2 that ended only to go on as a timewait socket (`tcp_time_wait(sk, TCP_FIN_WAIT2, ..)`).
pub(super) fn goes_on(fate: &Fate, flags: Flags, end_ns: u64) -> bool {
    let waits = |end: &End| end.old == State::FinWait2 && !flags.done && is_orphan(flags);
    fate.end.filter(waits).is_some_and(|end| cause(fate, &end, flags, end_ns) == Cause::States)
}

/// Resets of ours are asked first, then those of the peer: both have events. An error counts if it is a new one.
fn cause(fate: &Fate, end: &End, flags: Flags, end_ns: u64) -> Cause {
    let recent = |at_ns: Option<u64>| at_ns.is_some_and(|at_ns| end_ns.saturating_sub(at_ns) <= RESET_WINDOW_NS);
    let new_err = if end.sk_err == end.err_before { 0 } else { end.sk_err };
    // Nobody had accepted it, and nothing came from the peer: `inet_child_forget()` -> `tcp_disconnect()`, which sends
    // its reset after `-> CLOSE`.
    if end.unaccepted && new_err == 0 && !recent(fate.reset_received_ns) {
        return Cause::ListenerClosed { reset: recent(fate.reset_sent_ns) };
    }
    let before = fate.reset_sent_before;
    let answered = before && matches!(fate.reset_reason, Some(ResetReason::Other(_)));
    if recent(fate.reset_sent_ns) && !answered {
        return match (fate.reset_reason, new_err) {
            // `tcp_abort()` resets first.
            (_, errno::ECONNABORTED) if before => Cause::Killed,
            (Some(ResetReason::KeepaliveTimeout), _) if before => Cause::GaveUp(Some(Reason::Keepalive)),
            // The same on kernels that name no reason: `tcp_keepalive_timer()` alone resets and then gives up.
            (None, errno::ETIMEDOUT) if before => Cause::GaveUp(Some(Reason::Keepalive)),
            _ => Cause::OurReset,
        };
    }
    if recent(fate.reset_received_ns) {
        return Cause::PeersReset;
    }
    let cause = without_resets(end, flags, new_err);
    // A live socket has answered a segment with a reset (`tcp_check_req()` of Fast Open, for one), which closes nothing
    // by itself; but where nothing else tells, it was that.
    let hands_over = end.old == State::FinWait2 && is_orphan(flags);
    let explained =
        cause != Cause::States || hands_over || by_states(end, flags, true).is_some_and(|(how, _)| how == Outcome::Fin);
    if answered && recent(fate.reset_sent_ns) && !explained { Cause::OurReset } else { cause }
}

/// No event tells.
fn without_resets(end: &End, flags: Flags, new_err: u16) -> Cause {
    match new_err {
        errno::ECONNABORTED => Cause::Killed,
        // Nothing else sets it.
        errno::ETIMEDOUT => Cause::GaveUp(None),
        // `__tcp_close()` has both bits set before it changes the state.
        _ if aborted_by_close(end.old, flags) => Cause::States,
        errno::EPIPE if end.old == State::CloseWait => Cause::Unclear,
        // What goes on in FIN_WAIT2 a look tells; what has the peer's FIN ended by it.
        errno::ECONNRESET if end.old != State::FinWait2 => Cause::Unclear,
        0 | errno::EPIPE | errno::ECONNRESET => Cause::States,
        err => soft_error(end, err),
    }
}

/// A new error of another kind: `tcp_write_err()` prefers the last ICMP error or that of the route (`sk_err_soft`) to
/// ETIMEDOUT; or it has come and passed.
fn soft_error(end: &End, err: u16) -> Cause {
    const KNOWN: [u16; 4] = [errno::EHOSTUNREACH, errno::ENETUNREACH, errno::EHOSTDOWN, errno::ECONNREFUSED];
    match end.retries {
        // Only keep-alive gives up there, and it sends a reset.
        _ if end.old == State::FinWait2 => Cause::States,
        Some(0) => Cause::States,
        Some(_) => Cause::GaveUp(Some(Reason::Unreachable)),
        // A record of before retries were recorded. What has arrived may be the acknowledgement.
        None if KNOWN.contains(&err) && end.quiet != Some(false) => Cause::GaveUp(Some(Reason::Unreachable)),
        None => Cause::Unclear,
    }
}

/// No event tells, and no error: the states do.
fn by_states(end: &End, flags: Flags, last: bool) -> Option<Verdict> {
    let closed = flags.rcv_shutdown && flags.send_shutdown;
    match end.old {
        // `tcp_fin()` sets SOCK_DONE: the peer's FIN is here, so this is TIME_WAIT.
        State::FinWait2 if flags.done => Some((Outcome::Fin, None)),
        // Without it: an orphan handed to a timewait socket.
        State::FinWait2 => last.then_some((Outcome::Unknown, is_orphan(flags).then_some(Reason::OrphanFinWait2))),
        State::Closing if !flags.done => last.then_some((Outcome::Unknown, None)),
        // `__tcp_close()` gives up what exceeds `tcp_max_orphans` or `tcp_mem`, and sends its reset afterwards.
        State::LastAck | State::Closing if end.quiet == Some(true) => last.then_some((Outcome::Unknown, None)),
        // A record of before segments were counted there.
        State::Closing if end.quiet.is_none() => Some((Outcome::Fin, None)),
        // Otherwise only close() of a socket held until now can send a reset after this.
        State::LastAck | State::Closing if flags.orphan || !closed || last => Some((Outcome::Fin, None)),
        _ => last.then_some((Outcome::Unknown, None)),
    }
}

/// `-> CLOSE` by `__tcp_close()`: in these states `sk_shutdown` has both bits only there, because SEND_SHUTDOWN leads
/// out of them. `tcp_done()` sets the bits after the state.
const fn aborted_by_close(old: State, flags: Flags) -> bool {
    matches!(old, State::Established | State::SynRecv | State::CloseWait) && flags.rcv_shutdown && flags.send_shutdown
}

/// No program holds the socket, or the one that did is in `__tcp_close()`.
const fn is_orphan(flags: Flags) -> bool {
    flags.orphan || (flags.rcv_shutdown && flags.send_shutdown)
}

fn reset_reason(fate: &Fate, flags: Flags) -> Option<Reason> {
    let closed = flags.rcv_shutdown && flags.send_shutdown;
    Some(match fate.reset_reason? {
        // `mptcp_do_fastclose()` gives one reason for all that makes it, or has `tcp_disconnect()` give its own.
        ResetReason::UnreadData | ResetReason::Disconnect | ResetReason::DisconnectWithData if flags.mptcp => {
            Reason::MptcpFastclose
        }
        ResetReason::UnreadData => Reason::UnreadData,
        // `tcp_keepalive_timer()` of an orphan in FIN_WAIT2, where `tcp_fin_timeout` was lowered or TCP_LINGER2 is
        // below 0.
        ResetReason::Disconnect if fate.reset_sent_before => Reason::Kernel("tcp_state"),
        // `__tcp_close()` has set both bits of `sk_shutdown` before it calls `tcp_disconnect()`.
        ResetReason::Disconnect | ResetReason::DisconnectWithData if closed => Reason::Linger0,
        ResetReason::Disconnect | ResetReason::DisconnectWithData => Reason::Disconnect,
        ResetReason::Linger2 => Reason::Linger2,
        ResetReason::OrphanMemory => Reason::OrphanMemory,
        ResetReason::DataAfterClose => Reason::DataAfterClose,
        ResetReason::KeepaliveTimeout => Reason::Keepalive,
        ResetReason::Other(name) => Reason::Kernel(name),
    })
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
        bound_if: closing.bound_to(),
        lifetime_ns: lifetime_start_ns.map(|at| closing.since_ns.saturating_sub(at.get())),
    }
}

/// `-> CLOSE` by `__tcp_close()`, which sets both bits of `sk_shutdown` first. `tcp_reset()` may find them set, too.
fn by_close(fate: &Fate, flags: Flags) -> bool {
    flags.rcv_shutdown && flags.send_shutdown && fate.end.is_some() && fate.reset_received_ns.is_none()
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
