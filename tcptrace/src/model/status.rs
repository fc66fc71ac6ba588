//! What the engine knows of itself: the books, what is open, and what looked wrong.

/// The books: `seen = delivered + lost + refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Events of interest that the kernel side saw, or was kept from seeing.
    pub seen: u64,
    /// Decoded and handed to the engine.
    pub delivered: u64,
    /// Never arrived: no room in the ring buffer, or the kernel skipped the program.
    pub lost: u64,
    /// Of the lost: skipped, because the program was interrupted by itself on that CPU.
    pub missed: u64,
    /// Arrived and could not be decoded.
    pub refused: u64,
    /// Parts of the stream are missing, so what was seen is not known: see [`super::Input::Gap`].
    pub torn: bool,
}

impl Books {
    /// Those of two hosts together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            seen: self.seen.saturating_add(other.seen),
            delivered: self.delivered.saturating_add(other.delivered),
            lost: self.lost.saturating_add(other.lost),
            missed: self.missed.saturating_add(other.missed),
            refused: self.refused.saturating_add(other.refused),
            torn: self.torn || other.torn,
        }
    }

    /// Whether every event is accounted for. False while events are on their way, and for a capture that
    /// breaks off before its closing counters.
    #[must_use]
    pub fn balanced(&self) -> bool {
        let accounted = self.delivered.saturating_add(self.lost).saturating_add(self.refused);
        !self.torn && self.seen == accounted
    }
}

/// Counted oddities: never an error, never silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies {
    /// Transitions that no TCP socket makes; taken over as the new truth.
    pub impossible_transitions: u64,
    /// Events older than the one before them on the same socket; taken as simultaneous.
    pub time_backwards: u64,
    /// Wall-clock steps of more than the allowed slew.
    pub clock_steps: u64,
    /// Sockets first seen in the middle of their close, or again after a gap.
    pub mid_life: u64,
    /// Closes whose end was lost: another life began under the same key.
    pub replaced: u64,
    /// Events that came twice; the second is dropped.
    pub duplicates: u64,
    /// Closes that were not followed because the table was full; their ends are reported as mid-life.
    pub table_full: u64,
    /// Connects not remembered because that table was full.
    pub connects_forgotten: u64,
    /// Events for a socket that is not known, and that begin nothing (resets, retransmits).
    pub stray_events: u64,
    /// Counters that went down.
    pub counters_backwards: u64,
}

impl Anomalies {
    /// Those of two hosts together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            impossible_transitions: self.impossible_transitions.saturating_add(other.impossible_transitions),
            time_backwards: self.time_backwards.saturating_add(other.time_backwards),
            clock_steps: self.clock_steps.saturating_add(other.clock_steps),
            mid_life: self.mid_life.saturating_add(other.mid_life),
            replaced: self.replaced.saturating_add(other.replaced),
            duplicates: self.duplicates.saturating_add(other.duplicates),
            table_full: self.table_full.saturating_add(other.table_full),
            connects_forgotten: self.connects_forgotten.saturating_add(other.connects_forgotten),
            stray_events: self.stray_events.saturating_add(other.stray_events),
            counters_backwards: self.counters_backwards.saturating_add(other.counters_backwards),
        }
    }

    /// Name and count of each, in a fixed order.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("impossible_transitions", self.impossible_transitions),
            ("time_backwards", self.time_backwards),
            ("clock_steps", self.clock_steps),
            ("mid_life", self.mid_life),
            ("replaced", self.replaced),
            ("duplicates", self.duplicates),
            ("table_full", self.table_full),
            ("connects_forgotten", self.connects_forgotten),
            ("stray_events", self.stray_events),
            ("counters_backwards", self.counters_backwards),
        ]
    }
}

/// What was looked up, and what that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Looks at single sockets.
    pub asked: u64,
    /// Of those, without an answer in time.
    pub unanswered: u64,
    /// Orphans handed over to timewait sockets, whose FIN_WAIT2 only a look can tell.
    pub orphans: u64,
    /// Orphans whose timewait socket was given to another connection.
    pub timewait_recycled: u64,
    /// Orphans whose timewait socket was refused.
    pub timewait_overflow: u64,
    /// Orphans whose timewait socket went away before its time.
    pub timewait_gone: u64,
    /// Sockets that were closing before the run.
    pub found_closing: u64,
    /// Sockets that were closing, and whose beginning was lost.
    pub adopted: u64,
    /// Closes that had ended or moved on without an event.
    pub healed: u64,
}

impl Looks {
    /// Those of two hosts together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            asked: self.asked.saturating_add(other.asked),
            unanswered: self.unanswered.saturating_add(other.unanswered),
            orphans: self.orphans.saturating_add(other.orphans),
            timewait_recycled: self.timewait_recycled.saturating_add(other.timewait_recycled),
            timewait_overflow: self.timewait_overflow.saturating_add(other.timewait_overflow),
            timewait_gone: self.timewait_gone.saturating_add(other.timewait_gone),
            found_closing: self.found_closing.saturating_add(other.found_closing),
            adopted: self.adopted.saturating_add(other.adopted),
            healed: self.healed.saturating_add(other.healed),
        }
    }

    /// Name and count of each, in a fixed order.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("asked", self.asked),
            ("unanswered", self.unanswered),
            ("orphans", self.orphans),
            ("timewait_recycled", self.timewait_recycled),
            ("timewait_overflow", self.timewait_overflow),
            ("timewait_gone", self.timewait_gone),
            ("found_closing", self.found_closing),
            ("adopted", self.adopted),
            ("healed", self.healed),
        ]
    }
}

impl Looks {
    /// What looks found, without how many there were.
    #[must_use]
    pub fn found(&self) -> Vec<(&'static str, u64)> {
        self.named().into_iter().filter(|(name, _)| *name != "asked").collect()
    }
}

/// State of the engine at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Time of the first input that carries one, CLOCK_MONOTONIC nanoseconds.
    pub first_ns: u64,
    /// Time of the newest input.
    pub last_ns: u64,
    /// Sockets in each phase now, in the order of [`super::PHASES`].
    pub open: [u64; 5],
    /// The books.
    pub books: Books,
    /// Oddities.
    pub anomalies: Anomalies,
    /// Looks by sock_diag; `None` where nobody looks.
    pub looks: Option<Looks>,
    /// Orphans that wait for a look.
    pub orphans_waiting: u64,
    /// Retransmits of data alone that the kernel side counted.
    pub data_retransmits: u64,
    /// Resets for no socket, for a request, or for a timewait socket without a cookie.
    pub foreign_resets: u64,
}

impl Status {
    /// That of two hosts together, their times on one clock.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        let mut open = self.open;
        open.iter_mut().zip(other.open).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        // One that saw nothing has no times.
        let first_ns = match (self.first_ns, other.first_ns) {
            (0, first_ns) | (first_ns, 0) => first_ns,
            (one, two) => one.min(two),
        };
        Self {
            first_ns,
            last_ns: self.last_ns.max(other.last_ns),
            open,
            books: self.books.plus(other.books),
            anomalies: self.anomalies.plus(other.anomalies),
            looks: match (self.looks, other.looks) {
                (Some(one), Some(two)) => Some(one.plus(two)),
                (one, two) => one.or(two),
            },
            orphans_waiting: self.orphans_waiting.saturating_add(other.orphans_waiting),
            data_retransmits: self.data_retransmits.saturating_add(other.data_retransmits),
            foreign_resets: self.foreign_resets.saturating_add(other.foreign_resets),
        }
    }
}
