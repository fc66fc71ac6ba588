//! One close in progress.

use std::num::NonZeroU64;

use super::{
    lanes::Link,
    looks::BOUND_IF_UNKNOWN,
    watch::{Asked, Watch},
};
use crate::{
    diagnosis::age_lower_bound_ns,
    model::{
        Event, Finding, FindingKind, FindingReason, FindingStatus, Flags, Identity, LeakCause, Owner, OwnerSource,
        Phase, Phases, ResetReason, Retransmits, Role, Snapshot, State, StuckCause, Totals,
    },
};

/// What is known of a close so far. Kept small: there may be a million.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) socket: Identity,
    pub(super) link: Link,
    /// State now; CLOSE while it waits for its judgement.
    pub(super) state: State,
    /// When `state` began, or was first seen.
    pub(super) since_ns: u64,
    /// The beginning of `state` was seen.
    pub(super) since_known: bool,
    /// When the close began; see `begun_known`.
    pub(super) begun_ns: u64,
    pub(super) begun_known: bool,
    pub(super) role: Role,
    phase_ns: [u64; 5],
    /// Bit for each phase that was entered, and for each whose whole length was seen.
    entered: u8,
    known: u8,
    pub(super) flags: Flags,
    pub(super) owner: Option<Owner>,
    pub(super) connect_ns: Option<NonZeroU64>,
    pub(super) retransmits: Retransmits,
    pub(super) segs_in_fin_wait2: Option<u32>,
    pub(super) raised: Option<FindingKind>,
    /// The last event was the program's own act.
    pub(super) acted: bool,
    /// The engine's count of losses when the close was first seen.
    pub(super) losses: u32,
    /// Its timewait socket goes on in FIN_WAIT2, without events.
    pub(super) handed_over: bool,
    /// The look that is under way.
    pub(super) asked: Option<Asked>,
    /// Interface that it is bound to, or `BOUND_IF_UNKNOWN`.
    pub(super) bound_if: u32,
    pub(super) watch: Option<Box<Watch>>,
    /// Resets and the end: rare enough, or short enough, to live elsewhere.
    pub(super) fate: Option<Box<Fate>>,
}

/// How it ends, as far as seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fate {
    pub(super) reset_sent_ns: Option<u64>,
    pub(super) reset_reason: Option<ResetReason>,
    pub(super) end: Option<End>,
    /// When an orphan was handed over to a timewait socket, nanoseconds.
    pub(super) closed_ns: u64,
}

/// The `-> CLOSE` event.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) old: State,
    pub(super) sk_err: u16,
    pub(super) totals: Option<Totals>,
    pub(super) segs_in: Option<u32>,
}

/// The phase that a state is.
pub(super) const fn phase_of(state: State) -> Option<Phase> {
    match state {
        State::FinWait1 => Some(Phase::FinWait1),
        State::FinWait2 => Some(Phase::FinWait2),
        State::Closing => Some(Phase::Closing),
        State::CloseWait => Some(Phase::CloseWait),
        State::LastAck => Some(Phase::LastAck),
        _ => None,
    }
}

const fn bit(phase: Phase) -> u8 {
    1 << phase as u8
}

impl Closing {
    /// A close of which `event` is the first that was seen; `old` is the state that it leaves.
    pub(super) fn new(event: &Event, old: State, losses: u32) -> Self {
        let begins = matches!(old, State::Established | State::SynRecv);
        let mut closing = Self {
            socket: event.socket,
            link: Link::default(),
            state: old,
            since_ns: event.time_ns,
            since_known: false,
            begun_ns: event.time_ns,
            begun_known: begins,
            role: role_of(old),
            phase_ns: [0; 5],
            entered: 0,
            known: 0,
            flags: event.flags,
            owner: None,
            connect_ns: None,
            retransmits: Retransmits::default(),
            segs_in_fin_wait2: None,
            raised: None,
            acted: event.owner.is_some(),
            losses,
            handed_over: false,
            asked: None,
            bound_if: BOUND_IF_UNKNOWN,
            watch: None,
            fate: None,
        };
        if let Some(phase) = phase_of(old) {
            closing.entered |= bit(phase);
        }
        closing
    }

    /// A close that was under way when a look showed it: its age is a lower bound.
    pub(super) fn of_snapshot(snapshot: &Snapshot, losses: u32) -> Self {
        let since_ns = snapshot.time_ns.saturating_sub(age_lower_bound_ns(snapshot));
        let orphan = snapshot.inode == 0 && snapshot.state != State::CloseWait;
        Self {
            socket: snapshot.socket,
            link: Link::default(),
            state: snapshot.state,
            since_ns,
            since_known: false,
            begun_ns: since_ns,
            begun_known: false,
            role: role_of(snapshot.state),
            phase_ns: [0; 5],
            entered: phase_of(snapshot.state).map_or(0, bit),
            known: 0,
            flags: Flags { orphan, ..Flags::default() },
            owner: None,
            connect_ns: None,
            retransmits: Retransmits::default(),
            segs_in_fin_wait2: None,
            raised: None,
            acted: false,
            losses,
            handed_over: snapshot.timewait,
            asked: None,
            bound_if: snapshot.bound_if,
            watch: None,
            fate: None,
        }
    }

    /// Time in the state so far; a step back in time counts as none.
    pub(super) fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.since_ns)
    }

    /// Leaves the present state: its length is known if its beginning was seen.
    pub(super) fn leave(&mut self, now_ns: u64) {
        let age_ns = self.age_ns(now_ns);
        let Some(phase) = phase_of(self.state) else { return };
        if let Some(ns) = self.phase_ns.get_mut(phase as usize) {
            *ns = ns.saturating_add(age_ns);
        }
        if self.since_known {
            self.known |= bit(phase);
        }
    }

    /// Enters a state at a moment that was seen.
    pub(super) fn enter(&mut self, state: State, now_ns: u64) {
        self.state = state;
        self.since_ns = now_ns;
        self.since_known = true;
        if let Some(phase) = phase_of(state) {
            self.entered |= bit(phase);
        }
        if self.role == Role::Abort || state == State::Closing {
            self.role = role_of(state);
        }
    }

    /// The socket is in `state` without having been seen going there: what lies between was lost.
    pub(super) fn jump(&mut self, state: State, now_ns: u64) {
        if let Some(phase) = phase_of(self.state) {
            self.known &= !bit(phase);
        }
        self.enter(state, now_ns);
        self.since_known = false;
        if matches!(state, State::CloseWait | State::LastAck | State::FinWait1 | State::FinWait2) {
            self.role = role_of(state);
        }
    }

    /// A phase's length turned out to be no length of that phase.
    pub(super) fn forget_phase(&mut self, phase: Phase) {
        self.known &= !bit(phase);
    }

    /// Every phase that was entered was seen from start to end.
    pub(super) fn phases_known(&self) -> bool {
        self.begun_known && self.entered == self.known
    }

    /// Phases whose length is known.
    pub(super) fn phases(&self) -> Phases {
        let mut phases = Phases::default();
        for phase in crate::model::PHASES {
            let known = self.known & bit(phase) != 0;
            let ns = self.phase_ns.get(phase as usize).copied();
            phases.set(phase, ns.filter(|_| known));
        }
        phases
    }

    /// The first that acts counts; who closes outranks who connected, and both outrank who merely holds it.
    pub(super) fn take_owner(&mut self, owner: Option<Owner>) {
        let rank = |owner: &Owner| match owner.source {
            OwnerSource::Fd => 0,
            OwnerSource::Connect => 1,
            OwnerSource::Close => 2,
        };
        match (&self.owner, &owner) {
            (_, None) => {}
            (None, Some(_)) => self.owner = owner,
            (Some(old), Some(new)) => {
                if rank(old) < rank(new) {
                    self.owner = owner;
                }
            }
        }
    }

    fn orphan(&self) -> Option<bool> {
        let Flags { rcv_shutdown, send_shutdown, orphan, .. } = self.flags;
        let closing_call = self.acted && rcv_shutdown && send_shutdown;
        if closing_call && !orphan { None } else { Some(orphan) }
    }

    /// The finding of this socket's phase, as of `time_ns`.
    pub(super) fn finding(&self, kind: FindingKind, status: FindingStatus, time_ns: u64) -> Finding {
        let watch = self.watch.as_deref();
        let diagnosis = watch.and_then(|watch| watch.diagnosis);
        let reason = match (kind, diagnosis) {
            (FindingKind::LeakCloseWait, _) => {
                FindingReason::Leak(watch.and_then(|watch| watch.leak_cause).unwrap_or(LeakCause::Unknown))
            }
            (_, Some(diagnosis)) => FindingReason::Stuck(diagnosis.cause),
            _ if self.retransmits.sent() > 0 => FindingReason::Stuck(StuckCause::FinUnacked),
            _ => FindingReason::Stuck(StuckCause::Unknown),
        };
        // At the end, the phase that the finding speaks of is over.
        let phase = kind.phase();
        let (age_ns, since_known) = if phase_of(self.state) == Some(phase) {
            (self.age_ns(time_ns), self.since_known)
        } else {
            let ns = self.phase_ns.get(phase as usize).copied().unwrap_or(0);
            (ns, self.known & bit(phase) != 0)
        };
        Finding {
            time_ns,
            socket: self.socket,
            kind,
            reason,
            status,
            age_ns,
            age_is_lower_bound: !since_known,
            may_be_over: false,
            retransmits: self.retransmits,
            orphan: self.orphan(),
            owner: self.owner,
            diagnosis: diagnosis.filter(|_| status == FindingStatus::Raised),
            holders: watch.and_then(|watch| watch.holders.clone()),
        }
    }
}

/// Who closed first, told by any state of the close.
const fn role_of(state: State) -> Role {
    match state {
        State::FinWait1 | State::FinWait2 => Role::Active,
        State::CloseWait | State::LastAck => Role::Passive,
        State::Closing => Role::Simultaneous,
        _ => Role::Abort,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Option<Closing>>() <= 232, "{}", size_of::<Option<Closing>>());
    }
}
