//! Wall-clock time as text, in UTC. No leap seconds, as in `CLOCK_REALTIME`.

const NS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// Length of `2026-01-02T03:04:05.678901234Z`.
const STAMP_LEN: usize = 30;

/// Writes times, most of which fall into the same second as the one before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calendar {
    second: Option<u64>,
    text: [u8; STAMP_LEN],
}

impl Calendar {
    /// RFC 3339 with nanoseconds: `2026-01-02T03:04:05.678901234Z`.
    pub(crate) fn stamp(&mut self, real_ns: u64) -> &str {
        let second = real_ns / NS_PER_SECOND;
        if self.second != Some(second) {
            self.second = Some(second);
            self.text = whole_second(second);
        }
        let mut rest = real_ns % NS_PER_SECOND;
        for digit in self.text.iter_mut().skip(20).take(9).rev() {
            *digit = ascii(rest % 10);
            rest /= 10;
        }
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Time of day to the millisecond, rounded down: `03:04:05.678`.
    pub(super) fn time_of_day(&mut self, real_ns: u64) -> &str {
        self.stamp(real_ns).get(11..23).unwrap_or_default()
    }
}

/// The stamp with zeros as its fraction.
fn whole_second(second: u64) -> [u8; STAMP_LEN] {
    let (year, month, day) = civil(second / SECONDS_PER_DAY);
    let in_day = second % SECONDS_PER_DAY;
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    let fields = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, in_day / 3600),
        (14, 2, in_day / 60 % 60),
        (17, 2, in_day % 60),
    ];
    for (start, digits, mut value) in fields {
        for digit in text.iter_mut().skip(start).take(digits).rev() {
            *digit = ascii(value % 10);
            value /= 10;
        }
    }
    text
}

/// Year, month and day of the Gregorian calendar.
///
/// Counts from 0000-03-01, so that the leap day is the last day of its year, and months follow a rule of five:
/// from March on, 153 days every five months.
fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days_since_1970 + DAYS_TO_1970;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    // Takes out the leap days: one in 4 years, none in 100, one at the end of the era.
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn ascii(digit: u64) -> u8 {
    u8::try_from(digit).map_or(b'?', |digit| b'0' + digit % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        let mut calendar = Calendar::default();
        for (real_ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (999_999_999, "1970-01-01T00:00:00.999999999Z"),
            (86_399_000_000_001, "1970-01-01T23:59:59.000000001Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (1_709_251_199_000_000_000, "2024-02-29T23:59:59.000000000Z"),
            (1_709_251_200_000_000_000, "2024-03-01T00:00:00.000000000Z"),
            (1_767_225_599_999_999_999, "2025-12-31T23:59:59.999999999Z"),
            (1_767_225_600_000_000_000, "2026-01-01T00:00:00.000000000Z"),
            (1_767_323_045_678_901_234, "2026-01-02T03:04:05.678901234Z"),
            (1_772_323_200_000_000_000, "2026-03-01T00:00:00.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
            (0, "1970-01-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(calendar.stamp(real_ns), text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = (1969, 12, 31);
        for days in 0..213_504 {
            let (year, month, day) = civil(days);
            let next_day = (last.0, last.1, last.2 + 1);
            let next_month = (last.0, last.1 + 1, 1);
            let next_year = (last.0 + 1, 1, 1);
            let leap = last.0 % 4 == 0 && (last.0 % 100 != 0 || last.0 % 400 == 0);
            let length = match last.1 {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let expected = match last {
                (_, 12, 31) => next_year,
                (_, _, day) if day == length => next_month,
                _ => next_day,
            };
            assert_eq!((year, month, day), expected);
            last = (year, month, day);
        }
    }

    #[test]
    fn time_of_day_is_rounded_down() {
        let mut calendar = Calendar::default();
        assert_eq!(calendar.time_of_day(1_767_323_045_678_999_999), "03:04:05.678");
        assert_eq!(calendar.time_of_day(999_999_999), "00:00:00.999");
        assert_eq!(calendar.time_of_day(0), "00:00:00.000");
    }
}
