//! Small parts of a close in few bytes.

use crate::model::{Flags, PHASES, Phase, Phases, Role};

/// What is yes or no of a close, and its role.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks(u8);

impl Marks {
    /// The beginning of the present state was seen.
    pub(super) const SINCE_KNOWN: u8 = 1;
    /// The beginning of the close was seen.
    pub(super) const BEGUN_KNOWN: u8 = 1 << 1;
    /// The last event was the program's own act.
    pub(super) const ACTED: u8 = 1 << 2;
    /// It is known whether the socket is bound to an interface.
    pub(super) const BOUND_KNOWN: u8 = 1 << 3;
    const ROLE_SHIFT: u8 = 6;

    pub(super) const fn of(role: Role) -> Self {
        Self((role as u8) << Self::ROLE_SHIFT)
    }

    pub(super) const fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    pub(super) const fn set(&mut self, mark: u8, on: bool) {
        self.0 = if on { self.0 | mark } else { self.0 & !mark };
    }

    pub(super) fn role(self) -> Role {
        Role::ALL.get(usize::from(self.0 >> Self::ROLE_SHIFT)).copied().unwrap_or(Role::Abort)
    }

    pub(super) const fn set_role(&mut self, role: Role) {
        self.0 = self.0 & ((1 << Self::ROLE_SHIFT) - 1) | (role as u8) << Self::ROLE_SHIFT;
    }
}

/// Of [`Flags`], what is asked for later. All of them would make an entry larger.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    pub(super) rcv_shutdown: bool,
    pub(super) send_shutdown: bool,
    pub(super) orphan: bool,
    pub(super) done: bool,
    pub(super) mptcp: bool,
}

impl From<Flags> for Kept {
    fn from(flags: Flags) -> Self {
        let Flags { rcv_shutdown, send_shutdown, orphan, done, mptcp, .. } = flags;
        Self { rcv_shutdown, send_shutdown, orphan, done, mptcp }
    }
}

impl From<Kept> for Flags {
    fn from(kept: Kept) -> Self {
        let Kept { rcv_shutdown, send_shutdown, orphan, done, mptcp } = kept;
        Self { rcv_shutdown, send_shutdown, orphan, done, mptcp, ..Self::default() }
    }
}

/// Time in each phase. No life has more than two: FIN_WAIT1 and then FIN_WAIT2 or CLOSING, or CLOSE_WAIT and
/// LAST_ACK. Of one that seems to have had more, no phase is known. Packed, or 6 bytes in each close would be empty.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, packed(2))]
pub(super) struct PhaseTimes {
    first_ns: u64,
    second_ns: u64,
    /// Bit for each phase that was entered, and `MIXED`.
    entered: u8,
    /// Bit for each whose whole length was seen.
    known: u8,
}

/// Two phases that no life has both.
const MIXED: u8 = 1 << 7;

const fn bit(phase: Phase) -> u8 {
    1 << phase as u8
}

/// Phases whose time is kept in `first_ns`; that of the others is in `second_ns`.
const FIRST: u8 = bit(Phase::FinWait1) | bit(Phase::CloseWait);
const SECOND: u8 = bit(Phase::FinWait2) | bit(Phase::Closing) | bit(Phase::LastAck);

impl PhaseTimes {
    pub(super) fn enter(&mut self, phase: Phase) {
        let sharing = if FIRST & bit(phase) != 0 { FIRST } else { SECOND };
        if self.entered & sharing & !bit(phase) != 0 {
            self.entered |= MIXED;
            self.known = 0;
            self.set_ns(phase, 0);
        }
        self.entered |= bit(phase);
    }

    /// Time spent in a phase; `known` if its beginning was seen.
    pub(super) fn add(&mut self, phase: Phase, more_ns: u64, known: bool) {
        self.set_ns(phase, self.at_least_ns(phase).saturating_add(more_ns));
        if known && self.entered & MIXED == 0 {
            self.known |= bit(phase);
        }
    }

    /// A phase's length turned out to be no length of that phase.
    pub(super) fn forget(&mut self, phase: Phase) {
        self.known &= !bit(phase);
    }

    /// Whether no phase was entered.
    pub(super) fn is_empty(&self) -> bool {
        self.entered == 0
    }

    pub(super) fn all_known(&self) -> bool {
        self.entered == self.known
    }

    /// Time in the phase that was left last, at least.
    pub(super) fn at_least_ns(&self, phase: Phase) -> u64 {
        if FIRST & bit(phase) != 0 { self.first_ns } else { self.second_ns }
    }

    fn set_ns(&mut self, phase: Phase, ns: u64) {
        if FIRST & bit(phase) != 0 {
            self.first_ns = ns;
        } else {
            self.second_ns = ns;
        }
    }

    pub(super) fn known_ns(&self, phase: Phase) -> Option<u64> {
        (self.known & bit(phase) != 0).then(|| self.at_least_ns(phase))
    }

    /// Phases whose length is known.
    pub(super) fn known(&self) -> Phases {
        let mut phases = Phases::default();
        for phase in PHASES {
            phases.set(phase, self.known_ns(phase));
        }
        phases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_two_phases() {
        for (first, second) in
            [(Phase::FinWait1, Phase::FinWait2), (Phase::FinWait1, Phase::Closing), (Phase::CloseWait, Phase::LastAck)]
        {
            let mut times = PhaseTimes::default();
            for (phase, ns) in [(first, 3), (second, 5), (second, 7)] {
                times.enter(phase);
                times.add(phase, ns, true);
            }
            assert_eq!((times.known_ns(first), times.known_ns(second)), (Some(3), Some(12)));
            assert!(times.all_known());
        }
    }

    #[test]
    fn an_impossible_life_is_not_known() {
        let mut times = PhaseTimes::default();
        for phase in [Phase::FinWait1, Phase::FinWait2, Phase::Closing, Phase::FinWait2] {
            times.enter(phase);
            times.add(phase, 1, true);
        }
        assert_eq!(times.known(), Phases::default());
        assert!(!times.all_known());
    }

    #[test]
    fn marks_do_not_touch_the_role() {
        for role in Role::ALL {
            let mut marks = Marks::of(Role::Simultaneous);
            marks.set(Marks::ACTED, true);
            marks.set_role(role);
            marks.set(Marks::SINCE_KNOWN, true);
            marks.set(Marks::ACTED, false);
            assert_eq!((marks.role(), marks.has(Marks::ACTED), marks.has(Marks::SINCE_KNOWN)), (role, false, true));
        }
    }
}
