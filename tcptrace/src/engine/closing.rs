//! One close in progress.

use std::num::{NonZeroU32, NonZeroU64};

use tcptrace_ebpf::state;

use super::{
    lanes::LaneKind,
    looks::BOUND_IF_UNKNOWN,
    packed::{Kept, Marks, PhaseTimes},
    rare::Rarely,
};
use crate::{
    diagnosis::age_lower_bound_ns,
    model::{
        Event, EventKind, Finding, FindingKind, FindingReason, FindingStatus, Flags, Identity, LeakCause, Owner,
        OwnerSource, Phase, Role, Snapshot, State, StuckCause,
    },
};

/// What is known of a close so far. Kept small, because there may be a million: what few closes have is in `rare`, and
/// what is yes or no, in `marks`. What every event reads comes first, and an entry lies in three cache lines.
#[derive(Debug)]
#[repr(C, align(32))]
pub(super) struct Closing {
    pub(super) socket: Identity,
    /// When `state` began, or was first seen; see `since_known`.
    pub(super) since_ns: u64,
    pub(super) rare: Rarely,
    /// Its place in `lane`.
    pub(super) place: u32,
    /// The engine's count of losses when the close was first seen.
    pub(super) losses: u32,
    /// Where it waits.
    pub(super) lane: Option<LaneKind>,
    /// State now; CLOSE while it waits for its judgement.
    pub(super) state: State,
    pub(super) flags: Kept,
    pub(super) raised: Option<FindingKind>,
    /// Its timewait socket goes on in FIN_WAIT2, without events.
    pub(super) handed_over: bool,
    pub(super) marks: Marks,
    pub(super) phases: PhaseTimes,
    /// Segments received before FIN_WAIT2, CLOSING or LAST_ACK began; one more, so that 0 can stand for none.
    segs_in_before: Option<NonZeroU32>,
    /// When the close began; see `begun_known`.
    pub(super) begun_ns: u64,
    pub(super) connect_ns: Option<NonZeroU64>,
    pub(super) owner: Option<Owner>,
}

impl Closing {
    /// A close of which `event` is the first that was seen; `old` is the state that it leaves.
    pub(super) fn new(event: &Event, old: State, losses: u32) -> Self {
        let mut closing = Self::bare(event.socket, old, event.time_ns, losses);
        closing.flags = event.flags.into();
        closing.marks.set(Marks::BEGUN_KNOWN, matches!(old, State::Established | State::SynRecv));
        closing.marks.set(Marks::ACTED, is_act(event));
        closing
    }

    /// A close that was under way when a look showed it: its age is a lower bound.
    /// `orphan_ns` is how long it has been an orphan in FIN_WAIT2 by its timer, 0 where that is not known.
    pub(super) fn of_snapshot(snapshot: &Snapshot, orphan_ns: u64, losses: u32) -> Self {
        // A program may have held it for most of FIN_WAIT2, which is no matter of the orphan's.
        let is_orphan = snapshot.state == State::FinWait2 && snapshot.inode == 0;
        let age_ns = if is_orphan { orphan_ns } else { age_lower_bound_ns(snapshot) };
        let since_ns = snapshot.time_ns.saturating_sub(age_ns);
        let mut closing = Self::bare(snapshot.socket, snapshot.state, since_ns, losses);
        closing.flags.orphan = snapshot.inode == 0 && snapshot.state != State::CloseWait;
        closing.handed_over = snapshot.timewait;
        closing.set_bound_if(snapshot.bound_if);
        closing
    }

    fn bare(socket: Identity, state: State, since_ns: u64, losses: u32) -> Self {
        let mut phases = PhaseTimes::default();
        if let Some(phase) = Phase::of(state) {
            phases.enter(phase);
        }
        Self {
            socket,
            owner: None,
            since_ns,
            begun_ns: since_ns,
            connect_ns: None,
            phases,
            rare: Rarely::default(),
            losses,
            place: 0,
            lane: None,
            state,
            flags: Kept::default(),
            raised: None,
            handed_over: false,
            marks: Marks::of(role_of(state)),
            segs_in_before: None,
        }
    }

    /// The beginning of the present state was seen.
    pub(super) fn since_known(&self) -> bool {
        self.marks.has(Marks::SINCE_KNOWN)
    }

    /// The beginning of the close was seen.
    pub(super) fn begun_known(&self) -> bool {
        self.marks.has(Marks::BEGUN_KNOWN)
    }

    /// Who closed first, as far as seen.
    pub(super) fn role(&self) -> Role {
        self.marks.role()
    }

    /// Whether no segment arrived in FIN_WAIT2, CLOSING or LAST_ACK, of which `segs_in` is the count at the end.
    pub(super) fn was_quiet(&self, segs_in: Option<u32>) -> Option<bool> {
        Some(self.segs_in_before?.get() - 1 == segs_in?)
    }

    /// The largest of counts is taken for none.
    pub(super) fn set_segs_in_before(&mut self, segs_in: Option<u32>) {
        self.segs_in_before = segs_in.and_then(|segs_in| NonZeroU32::new(segs_in.wrapping_add(1)));
    }

    /// Interface that it is bound to, or [`BOUND_IF_UNKNOWN`].
    pub(super) fn bound_if(&self) -> u32 {
        if self.marks.has(Marks::BOUND_KNOWN) { self.rare.bound_if() } else { BOUND_IF_UNKNOWN }
    }

    /// Interface that it is known to be bound to, or 0.
    pub(super) fn bound_to(&self) -> u32 {
        if self.bound_if() == BOUND_IF_UNKNOWN { 0 } else { self.bound_if() }
    }

    pub(super) fn set_bound_if(&mut self, bound_if: u32) {
        self.marks.set(Marks::BOUND_KNOWN, bound_if != BOUND_IF_UNKNOWN);
        self.rare.set_bound_if(bound_if);
    }

    /// When its present wait began.
    pub(super) fn waits_from_ns(&self) -> u64 {
        self.rare.wait_from_ns().unwrap_or(self.since_ns)
    }

    /// When it became an orphan in FIN_WAIT2: with the state, or when its program closed it.
    pub(super) fn orphan_since_ns(&self) -> u64 {
        self.since_ns.saturating_add(self.rare.held_ns().unwrap_or(0))
    }

    /// Time in the state so far; a step back in time counts as none.
    pub(super) fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.since_ns)
    }

    /// Leaves the present state: its length is known if its beginning was seen.
    pub(super) fn leave(&mut self, now_ns: u64) {
        let (age_ns, known) = (self.age_ns(now_ns), self.since_known());
        if let Some(phase) = Phase::of(self.state) {
            self.phases.add(phase, age_ns, known);
        }
    }

    /// Enters a state at a moment that was seen.
    pub(super) fn enter(&mut self, state: State, now_ns: u64) {
        self.state = state;
        self.since_ns = now_ns;
        self.marks.set(Marks::SINCE_KNOWN, true);
        if let Some(phase) = Phase::of(state) {
            self.phases.enter(phase);
        }
        if self.role() == Role::Abort || state == State::Closing {
            self.marks.set_role(role_of(state));
        }
    }

    /// The socket is in `state` without having been seen going there: what lies between was lost.
    pub(super) fn jump(&mut self, state: State, now_ns: u64) {
        if let Some(phase) = Phase::of(self.state) {
            self.phases.forget(phase);
        }
        self.enter(state, now_ns);
        self.marks.set(Marks::SINCE_KNOWN, false);
        if matches!(state, State::CloseWait | State::LastAck | State::FinWait1 | State::FinWait2) {
            self.marks.set_role(role_of(state));
        }
    }

    /// Every phase that was entered was seen from start to end.
    pub(super) fn phases_known(&self) -> bool {
        self.begun_known() && self.phases.all_known()
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

    pub(super) fn orphan(&self) -> Option<bool> {
        let Kept { rcv_shutdown, send_shutdown, orphan, .. } = self.flags;
        let closing_call = self.marks.has(Marks::ACTED) && rcv_shutdown && send_shutdown;
        if closing_call && !orphan { None } else { Some(orphan) }
    }

    /// The finding of this socket's phase, as of `time_ns`.
    pub(super) fn finding(&self, kind: FindingKind, status: FindingStatus, time_ns: u64) -> Finding {
        let watch = self.rare.watch();
        let retransmits = self.rare.retransmits();
        let diagnosis = watch.and_then(|watch| watch.diagnosis);
        let reason = match (kind, diagnosis) {
            (FindingKind::LeakCloseWait, _) => {
                FindingReason::Leak(watch.and_then(|watch| watch.leak_cause).unwrap_or(LeakCause::Unknown))
            }
            (_, Some(diagnosis)) => FindingReason::Stuck(diagnosis.cause),
            _ if retransmits.sent() > 0 => FindingReason::Stuck(StuckCause::FinUnacked),
            _ => FindingReason::Stuck(StuckCause::Unknown),
        };
        // At the end, the phase that the finding speaks of is over.
        let phase = kind.phase();
        let (age_ns, since_known) = if Phase::of(self.state) == Some(phase) {
            (self.age_ns(time_ns), self.since_known())
        } else {
            (self.phases.at_least_ns(phase), self.phases.known_ns(phase).is_some())
        };
        // Held by its program, it was no finding: the orphan's age counts, which begins with close().
        let held_ns = self.rare.held_ns().filter(|_| phase == Phase::FinWait2);
        let (age_ns, since_known) =
            held_ns.map_or((age_ns, since_known), |held_ns| (age_ns.saturating_sub(held_ns), true));
        Finding {
            time_ns,
            socket: self.socket,
            kind,
            reason,
            status,
            age_ns,
            age_is_lower_bound: !since_known,
            may_be_over: false,
            retransmits,
            orphan: self.orphan(),
            mptcp: self.flags.mptcp,
            owner: self.owner,
            diagnosis: diagnosis.filter(|_| status == FindingStatus::Raised),
            holders: watch.and_then(|watch| watch.holders.clone()),
            bound_if: self.bound_to(),
        }
    }
}

/// Whether a call on the socket made this event: `close()` may be a kernel thread's, which is no owner.
pub(super) fn is_act(event: &Event) -> bool {
    let Flags { rcv_shutdown, send_shutdown, .. } = event.flags;
    let by_kernel = match event.kind {
        EventKind::Transition { old, new, .. } => {
            rcv_shutdown && send_shutdown && state::in_owner_context(old.to_kernel(), new.to_kernel())
        }
        _ => false,
    };
    by_kernel || event.owner.is_some()
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
        assert!(size_of::<Option<Closing>>() <= 160, "{}", size_of::<Option<Closing>>());
    }
}
