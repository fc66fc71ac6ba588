//! `/proc/net/sockstat`: orphans and memory, which it shows of the whole host in every namespace.

use std::fs;

/// What it says of TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockstat {
    /// Orphans of all namespaces (`tcp_orphan_count_sum()`).
    pub orphans: Option<u64>,
    /// Pages of all sockets (`proto_memory_allocated()`).
    pub mem_pages: Option<u64>,
}

/// Reads it.
///
/// # Errors
/// Says why it cannot be read.
pub fn read_sockstat() -> Result<Sockstat, String> {
    const PATH: &str = "/proc/thread-self/net/sockstat";
    let text = fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}"))?;
    Ok(Sockstat::parse(&text))
}

impl Sockstat {
    /// `TCP: inuse 2 orphan 0 tw 4 alloc 2 mem 33`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let line = text.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
        let number = |name: &str| {
            let mut words = line.split_ascii_whitespace();
            words.find(|word| *word == name)?;
            words.next()?.parse().ok()
        };
        Self { orphans: number("orphan"), mem_pages: number("mem") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_counts() {
        let text = "sockets: used 35\nTCP: inuse 2 orphan 7 tw 4 alloc 2 mem 33\nUDP: inuse 0 mem 1\n";
        assert_eq!(Sockstat::parse(text), Sockstat { orphans: Some(7), mem_pages: Some(33) });
        assert_eq!(Sockstat::parse(""), Sockstat::default());
        assert!(read_sockstat().is_ok_and(|read| read.orphans.is_some()));
    }
}
