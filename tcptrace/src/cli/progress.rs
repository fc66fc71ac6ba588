//! What is told while a run goes on: losses, and on a terminal how a recording comes along.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use super::talk;
use crate::model::Books;

/// Losses within this time are told together.
const LOSS_INTERVAL: Duration = Duration::from_secs(10);
/// Between two pictures of a recording.
const INTERVAL: Duration = Duration::from_secs(1);

/// Tells losses while they happen: the first at once, later ones at this interval.
pub(super) struct Losses {
    told: Books,
    last: Option<Instant>,
    ring_mib: u32,
}

impl Losses {
    pub(super) fn new(ring_mib: u32) -> Self {
        Self { told: Books::default(), last: None, ring_mib }
    }

    /// Says what was lost since it was last said, if there is anything.
    pub(super) fn tell(&mut self, books: &Books) {
        let more = books.lost.saturating_sub(self.told.lost);
        if more == 0 || self.last.is_some_and(|last| last.elapsed() < LOSS_INTERVAL) {
            return;
        }
        let missed = books.missed.saturating_sub(self.told.missed);
        (self.told, self.last) = (*books, Some(Instant::now()));
        talk::note(&words(more, missed, self.ring_mib));
    }
}

/// What was lost, why, and the option that helps.
fn words(more: u64, missed: u64, ring_mib: u32) -> String {
    let events = if more == 1 { "event was lost" } else { "events were lost" };
    if missed >= more {
        return format!(
            "{more} {events}: the kernel skipped programs under load; a filter such as --port leaves less to do"
        );
    }
    let larger = ring_mib.saturating_mul(4).min(1024);
    let room = if larger > ring_mib { format!("--ring-mib {larger} gives more room, ") } else { String::new() };
    format!("{more} {events} because the ring buffer was full: {room}a filter or --sample 1/10 leaves less to do")
}

/// One line on standard error that is written again and again, where that is a terminal.
pub(super) struct Progress {
    /// When it was asked for first, and is due next.
    times: Option<(Instant, Instant)>,
    is_shown: bool,
}

impl Progress {
    /// Shown on a terminal, unless lines are.
    pub(super) fn new(lines: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "nothing is written here")]
        let is_shown = !lines && std::io::stderr().is_terminal();
        Self { times: None, is_shown }
    }

    /// Shows it once a second.
    pub(super) fn show(&mut self, closes: u64, bytes: u64, lost: u64) {
        let now = Instant::now();
        let (began, next) = *self.times.get_or_insert((now, now + INTERVAL));
        if !self.is_shown || now < next {
            return;
        }
        self.times = Some((began, now + INTERVAL));
        let time = Duration::from_secs(began.elapsed().as_secs());
        let time = humantime::format_duration(time);
        talk::progress(&format_args!(
            "recording for {time}: {closes} closes, {}.{} MB, {lost} events lost",
            bytes / 1_000_000,
            bytes / 100_000 % 10
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_names_the_option_that_helps() {
        let full = words(7, 0, 16);
        assert!(full.starts_with("7 events were lost") && full.contains("--ring-mib 64"), "{full}");
        assert!(full.contains("--sample"), "{full}");
        let largest = words(7, 6, 1024);
        assert!(!largest.contains("--ring-mib") && largest.contains("ring buffer"), "{largest}");
        let skipped = words(1, 1, 16);
        assert!(skipped.starts_with("1 event was lost") && !skipped.contains("--ring-mib"), "{skipped}");
    }

    #[test]
    fn losses_are_told_once_a_while() {
        let mut losses = Losses::new(16);
        let lost = |lost| Books { lost, ..Books::default() };
        losses.tell(&lost(0));
        assert!(losses.last.is_none());
        losses.tell(&lost(3));
        losses.tell(&lost(9));
        assert_eq!(losses.told.lost, 3, "the rest comes with the next line");
        losses.last = Instant::now().checked_sub(LOSS_INTERVAL);
        losses.tell(&lost(9));
        assert_eq!(losses.told.lost, 9);
    }
}
