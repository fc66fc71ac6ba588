//! Durations for people: three significant digits and the unit that suits them.

use std::fmt;

/// Nanoseconds in each unit, smallest first, and from when on it gives way to the next. A decimal fraction of a minute
/// or an hour is hard to read, so these begin at two.
const UNITS: [(u64, &str, u64); 6] = [
    (1, "ns", MICROSECOND),
    (MICROSECOND, "us", MILLISECOND),
    (MILLISECOND, "ms", SECOND),
    (SECOND, "s", 2 * MINUTE),
    (MINUTE, "m", 2 * HOUR),
    (HOUR, "h", u64::MAX),
];
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A duration of so many nanoseconds. Prints as `21.0us`, `2.00s`, `107s`, `25.0m`: at most six columns up to 99,999 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DurationNs(pub(super) u64);

impl fmt::Display for DurationNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = u128::from(self.0);
        for (unit_ns, name, end_ns) in UNITS {
            let (unit_ns, end_ns) = (u128::from(unit_ns), u128::from(end_ns));
            let rounded = |parts: u128| (ns * parts + unit_ns / 2) / unit_ns;
            let (count, parts) = match (rounded(100), rounded(10)) {
                (hundredths, _) if hundredths < 1_000 => (hundredths, 100),
                (_, tenths) if tenths < 1_000 => (tenths, 10),
                _ => (rounded(1), 1),
            };
            // What rounding lifts to the next unit is printed in that: 999.6 us is 1.00 ms.
            if count * unit_ns >= end_ns * parts && end_ns != u128::from(u64::MAX) {
                continue;
            }
            return match parts {
                _ if unit_ns == 1 => write!(f, "{ns}{name}"),
                100 => write!(f, "{}.{:02}{name}", count / 100, count % 100),
                10 => write!(f, "{}.{}{name}", count / 10, count % 10),
                _ => write!(f, "{count}{name}"),
            };
        }
        Ok(())
    }
}

/// So many bytes. Prints as `512B`, `2.50MB`: decimal units, at most six columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = u128::from(self.0);
        if bytes < 1_000 {
            return write!(f, "{bytes}B");
        }
        let mut unit = 1;
        for name in ["kB", "MB", "GB", "TB", "PB", "EB"] {
            unit *= 1_000;
            let rounded = |parts: u128| (bytes * parts + unit / 2) / unit;
            match (rounded(100), rounded(10), rounded(1)) {
                (n, _, _) if n < 1_000 => return write!(f, "{}.{:02}{name}", n / 100, n % 100),
                (_, n, _) if n < 1_000 => return write!(f, "{}.{}{name}", n / 10, n % 10),
                (_, _, n) if n < 1_000 => return write!(f, "{n}{name}"),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A count for people: `1,234,567`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.char_indices() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                fmt::Write::write_char(f, ',')?;
            }
            fmt::Write::write_char(f, digit)?;
        }
        Ok(())
    }
}

/// So many in so many nanoseconds, as a rate for a second with three digits: `0.25`, `12.5`, `41,000`. What is more
/// than nothing never prints as nothing. `-` where no time passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PerSecond(pub(super) u64, pub(super) u64);

impl PerSecond {
    /// Thousandths for a second, rounded; `None` where no time passed.
    pub(super) fn thousandths(self) -> Option<u64> {
        let (count, ns) = (u128::from(self.0), u128::from(self.1));
        let scaled = (count * u128::from(SECOND) * 1_000 + ns / 2).checked_div(ns)?;
        Some(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for PerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(thousandths) = self.thousandths() else { return f.write_str("-") };
        let (hundredths, tenths) = (thousandths.saturating_add(5) / 10, thousandths.saturating_add(50) / 100);
        match self.0 {
            0 => f.write_str("0"),
            _ if hundredths == 0 => f.write_str("<0.01"),
            _ if hundredths < 1_000 => write!(f, "{}.{:02}", hundredths / 100, hundredths % 100),
            _ if tenths < 1_000 => write!(f, "{}.{}", tenths / 10, tenths % 10),
            _ => Count(thousandths.saturating_add(500) / 1_000).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_groups_of_three() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(Count(count).to_string(), text);
        }
        assert_eq!(Count(u64::MAX).to_string(), "18,446,744,073,709,551,615");
    }

    #[test]
    fn rates_have_three_digits() {
        for (count, seconds, text) in [
            (0, 9, "0"),
            (5, 0, "-"),
            (1, 1_000, "<0.01"),
            (1, 4, "0.25"),
            (9_996, 1_000, "10.0"),
            (25, 2, "12.5"),
            (9_996, 100, "100"),
            (41_000, 1, "41,000"),
        ] {
            assert_eq!(PerSecond(count, seconds * SECOND).to_string(), text);
        }
        assert_eq!(PerSecond(u64::MAX, 1).to_string(), "18,446,744,073,709,551");
    }

    #[test]
    fn bytes_in_decimal_units() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1_000, "1.00kB"),
            (9_996, "10.0kB"),
            (999_499, "999kB"),
            (999_500, "1.00MB"),
            (2_626_560, "2.63MB"),
            (u32::MAX.into(), "4.29GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn three_digits_and_the_right_unit() {
        for (ns, text) in [
            (0, "0ns"),
            (1, "1ns"),
            (999, "999ns"),
            (1_000, "1.00us"),
            (1_004, "1.00us"),
            (1_005, "1.01us"),
            (9_994, "9.99us"),
            (9_995, "10.0us"),
            (21_000, "21.0us"),
            (99_949, "99.9us"),
            (99_950, "100us"),
            (999_499, "999us"),
            (999_500, "1.00ms"),
            (999_600, "1.00ms"),
            (1_000_000, "1.00ms"),
            (999_499_999, "999ms"),
            (999_500_000, "1.00s"),
            (2_000_112_000, "2.00s"),
            (5 * SECOND, "5.00s"),
            (59_949_999_999, "59.9s"),
            (59_960_000_000, "60.0s"),
            (99_949_999_999, "99.9s"),
            (99_950_000_000, "100s"),
            (107_500_000_000, "108s"),
            (119_499_999_999, "119s"),
            (119_500_000_000, "1.99m"),
            (2 * MINUTE, "2.00m"),
            (59 * MINUTE, "59.0m"),
            (119 * MINUTE, "119m"),
            (2 * HOUR - SECOND, "2.00h"),
            (25 * HOUR, "25.0h"),
            (u64::MAX, "5124096h"),
        ] {
            assert_eq!(DurationNs(ns).to_string(), text, "{ns}");
        }
    }

    #[test]
    fn never_wider_than_six() {
        for power in 0..51 {
            for ns in [(1_u64 << power) - 1, 1 << power, (1 << power) + (1 << power) / 3] {
                let text = DurationNs(ns).to_string();
                assert!(text.len() <= 6, "{ns}: {text}");
            }
        }
    }
}
