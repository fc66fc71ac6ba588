//! `--max-rate`: lines in each second of the hosts' own time, so that a replay holds back what the live run did.

const SECOND_NS: u64 = 1_000_000_000;

/// Counts lines.
#[derive(Debug)]
pub(super) struct Rate {
    max: u32,
    second: u64,
    printed: u32,
    /// Held back and not told yet.
    untold: u64,
    total: u64,
}

impl Rate {
    pub(super) fn new(max: u32) -> Self {
        Self { max, second: 0, printed: 0, untold: 0, total: 0 }
    }

    /// Whether a line of this time may be printed. Lines may be a little out of order; time does not go back here.
    pub(super) fn admits(&mut self, time_ns: u64) -> bool {
        let second = time_ns / SECOND_NS;
        if second > self.second {
            (self.second, self.printed) = (second, 0);
        }
        if self.printed < self.max {
            self.printed += 1;
            return true;
        }
        self.untold += 1;
        self.total += 1;
        false
    }

    /// As [`Rate::tell`], once the second is over in which they were held back.
    pub(super) fn tell_at(&mut self, time_ns: u64) -> Option<u64> {
        if time_ns / SECOND_NS > self.second { self.tell() } else { None }
    }

    /// How many were held back since this was last asked.
    pub(super) fn tell(&mut self) -> Option<u64> {
        (self.untold > 0).then(|| std::mem::take(&mut self.untold))
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_lines() {
        let mut rate = Rate::new(2);
        let admitted = |rate: &mut Rate, at_ms: u64| rate.admits(at_ms * 1_000_000);
        assert!(admitted(&mut rate, 5_000) && admitted(&mut rate, 5_999));
        assert!(!admitted(&mut rate, 5_999) && !admitted(&mut rate, 4_000));
        assert_eq!(rate.tell_at(5_999_999_999), None);
        assert_eq!((rate.tell_at(6_000_000_000), rate.tell()), (Some(2), None));
        assert!(admitted(&mut rate, 6_000) && admitted(&mut rate, 5_500) && !admitted(&mut rate, 6_999));
        assert_eq!((rate.tell(), rate.total()), (Some(1), 3));
    }
}
