//! What options take, and what is said where something else was given: what is expected, with an example. clap says on
//! which option.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use tcptrace_ebpf::filter::SAMPLE_MAX;

use crate::{
    model::{Outcome, Role},
    output::Extra,
};

/// Durations are bounded by what nanoseconds in 64 bits hold, with room to add.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(100 * 365 * 86_400);
    let time = humantime::parse_duration(text)
        .map_err(|_| "expected a time below 100 years with its unit, such as 500ms, 10s or 5m".to_owned())?;
    if time.is_zero() {
        return Err("must be more than 0, such as 500ms, 10s or 5m".to_owned());
    }
    if time > MAX {
        return Err("must be less than 100 years, such as 500ms, 10s or 5m".to_owned());
    }
    Ok(time)
}

/// From drawing to drawing, or from look to look: a look goes through all sockets of the host.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(100);
    let time = duration(text)?;
    if time < LEAST { Err("must be at least 100ms, such as 1s".to_owned()) } else { Ok(time) }
}

/// `1/N`, and nothing that looks like it.
pub(super) fn sample(text: &str) -> Result<u32, String> {
    let one_in = text.strip_prefix("1/").and_then(|digits| number(digits, 1..=SAMPLE_MAX));
    one_in.ok_or_else(|| format!("must be 1/N with N from 1 to {SAMPLE_MAX}, such as 1/100"))
}

/// A port. 0 is refused with the whole filter, which knows why.
pub(super) fn port(text: &str) -> Result<u16, String> {
    whole(text, 0..=u16::MAX, "a port from 1 to 65535, such as 443")
}

/// A process id. 0 is refused as port 0 is.
pub(super) fn pid(text: &str) -> Result<u32, String> {
    whole(text, 0..=u32::MAX, "a process id, such as 1234")
}

/// Rows that anybody reads.
pub(super) fn rows(text: &str) -> Result<u32, String> {
    whole(text, 1..=10_000, "a number of rows from 1 to 10000, such as 20")
}

/// Lines in a second.
pub(super) fn rate(text: &str) -> Result<u32, String> {
    whole(text, 1..=u32::MAX, "a number of lines from 1 to 4294967295, such as 100")
}

/// Size of the ring buffer. That it is a power of two is checked where it is made.
pub(super) fn mebibytes(text: &str) -> Result<u32, String> {
    whole(text, 1..=1024, "a power of two from 1 to 1024 in MiB, such as 16")
}

/// A word of outcomes, with dashes or with underscores.
pub(super) fn outcome(text: &str) -> Result<Outcome, String> {
    word(text, &Outcome::ALL, Outcome::as_str)
}

/// A column by choice.
pub(super) fn column(text: &str) -> Result<Extra, String> {
    word(text, &Extra::ALL, Extra::as_str)
}

/// A word of roles.
pub(super) fn role(text: &str) -> Result<Role, String> {
    word(text, &Role::ALL, Role::as_str)
}

/// A reason as it is printed, with dashes or with underscores. The kernel's own words are among them, so what is no
/// word at all is refused alone.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if text.is_empty() || !text.bytes().all(is_word) {
        return Err("expected a reason as it is printed, such as linger-0, unread-data, fin-unacked or none".to_owned());
    }
    Ok(text.replace('-', "_"))
}

/// Names in a list: commas stand between them, and `\,` is a comma in a name. Any other backslash is its own, for
/// cgroups of systemd have them.
pub(super) fn names(texts: &[String]) -> Vec<String> {
    texts.iter().flat_map(|text| split(text)).collect()
}

fn split(text: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escapes = c == '\\' && chars.peek() == Some(&',');
        match names.last_mut() {
            Some(name) if escapes => name.extend(chars.next()),
            Some(name) if c != ',' => name.push(c),
            _ => names.push(String::new()),
        }
    }
    names
}

fn word<T: Copy>(text: &str, all: &[T], as_str: fn(T) -> &'static str) -> Result<T, String> {
    let wanted = text.replace('-', "_");
    all.iter().copied().find(|one| as_str(*one) == wanted).ok_or_else(|| {
        let words: Vec<String> = all.iter().map(|one| as_str(*one).replace('_', "-")).collect();
        format!("expected one of {}", words.join(", "))
    })
}

fn whole<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>, what: &str) -> Result<T, String> {
    number(text, range).ok_or_else(|| format!("expected {what}"))
}

/// Digits alone: `parse` would take a sign.
fn number<T: FromStr + PartialOrd>(text: &str, range: RangeInclusive<T>) -> Option<T> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits?.parse().ok().filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_strictly() {
        assert_eq!(["1/1", "1/100", "1/1000000"].map(sample), [Ok(1), Ok(100), Ok(1_000_000)]);
        for text in ["", "1", "1/", "1/0", "2/3", "1/+5", "1/ 5", "1/1000001", "1/99999999999", "0.1", "10%", "1/x"] {
            assert!(sample(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_bounds() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        for text in ["0s", "5", "", "soon", "-1s", "1000000years", "99999999999999999999s"] {
            assert!(duration(text).unwrap_err().contains("such as 500ms"), "{text}");
        }
    }

    #[test]
    fn intervals_have_a_floor() {
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("1h"), Ok(Duration::from_secs(3600)));
        for text in ["99ms", "1ns", "1us", "99999us", "0s", "-1s", "", "x"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_say_what_is_expected() {
        assert_eq!((port("443"), pid("7"), rows("10000")), (Ok(443), Ok(7), Ok(10_000)));
        for text in ["", "x", "-1", "+1", "1.5", " 1", "65536", "0x50", "99999999999999999999"] {
            assert!(port(text).unwrap_err().ends_with("such as 443"), "{text}");
        }
        assert!(rows("0").is_err() && rows("10001").is_err() && rate("0").is_err() && mebibytes("2048").is_err());
    }

    #[test]
    fn words_are_read_with_either_mark() {
        assert_eq!(["reset-sent", "reset_sent"].map(outcome), [Ok(Outcome::ResetSent), Ok(Outcome::ResetSent)]);
        assert!(outcome("resets").unwrap_err().contains("reset-sent"));
        assert_eq!((role("active"), reason("linger-0")), (Ok(Role::Active), Ok("linger_0".to_owned())));
        assert!(role("server").is_err() && reason("").is_err() && reason("Linger 0").is_err());
    }

    #[test]
    fn names_have_commas_between_them() {
        let of = |text: &str| names(&[text.to_owned()]);
        assert_eq!(of("nginx,envoy"), ["nginx", "envoy"]);
        assert_eq!(of(r"a\,b,/system.slice/a\x2db"), ["a,b", r"/system.slice/a\x2db"]);
        assert_eq!(of("nginx,"), ["nginx", ""], "the filter refuses an empty name");
    }
}
