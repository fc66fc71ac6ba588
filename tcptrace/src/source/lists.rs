//! Values of options with their exclusions, as the kernel side compares them.

use ipnet::IpNet;
use tcptrace_ebpf::filter::{ENTRIES_MAX, PREFIXES_EXCLUDED, PREFIXES_WANTED};

use crate::filter::{FilterError, FilterSpec};

/// Least port that the kernel chooses by default (`net.ipv4.ip_local_port_range`).
const EPHEMERAL_MIN: u16 = 32_768;

/// The values of an option, each once, if there are not too many.
pub(super) fn distinct<T: Clone + PartialEq>(
    option: &'static str,
    values: &[T],
    max: usize,
) -> Result<Vec<T>, FilterError> {
    let mut found: Vec<T> = Vec::new();
    for value in values {
        if found.contains(value) {
            continue;
        }
        if found.len() >= max {
            return Err(FilterError::TooMany { option, max });
        }
        found.push(value.clone());
    }
    Ok(found)
}

/// Prefixes of both lists, each with the lists that hold all of it: what is looked up finds the longest one alone, and
/// whatever else holds the address holds that one, too.
pub(super) fn prefixes(spec: &FilterSpec) -> Result<Vec<(IpNet, u8)>, FilterError> {
    let (wanted, excluded) = (&spec.prefixes, &spec.not.prefixes);
    let (option, all) = match wanted.is_empty() {
        true => ("--not-addr", excluded.clone()),
        false => ("--addr", wanted.iter().chain(excluded).copied().collect()),
    };
    let all: Vec<IpNet> = all.iter().map(IpNet::trunc).collect();
    let within = |list: &[IpNet], prefix: &IpNet| list.iter().any(|holder| holder.contains(prefix));
    let lists = |prefix: IpNet| {
        let wanted = if within(wanted, &prefix) { PREFIXES_WANTED } else { 0 };
        let excluded = if within(excluded, &prefix) { PREFIXES_EXCLUDED } else { 0 };
        (prefix, u8::try_from(wanted | excluded).unwrap_or(0))
    };
    Ok(distinct(option, &all, ENTRIES_MAX)?.into_iter().map(lists).collect())
}

/// The ports of one end that pass; none where no option says anything. Port 0 is that of a `connect()` whose port is
/// not chosen yet: where none of the excluded ones is likely to be chosen, it need not wait.
pub(super) fn allowed(wanted: &[u16], excluded: [&Vec<u16>; 2]) -> Vec<u16> {
    let is_excluded = |port: &u16| excluded.iter().any(|list| list.contains(port));
    if !wanted.is_empty() {
        return wanted.iter().filter(|port| !is_excluded(port)).copied().collect();
    }
    if excluded.iter().all(|list| list.is_empty()) {
        return Vec::new();
    }
    let waits = excluded.iter().flat_map(|list| list.iter()).any(|port| *port >= EPHEMERAL_MIN);
    let mut bars = vec![false; 1 << 16];
    excluded.iter().flat_map(|list| list.iter()).for_each(|port| {
        bars.get_mut(usize::from(*port)).into_iter().for_each(|bar| *bar = true);
    });
    let ports = (0..=u16::MAX).zip(bars).filter(|(port, bar)| !bar && (*port > 0 || !waits));
    ports.map(|(port, _)| port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Excluded, parse_prefix};

    #[test]
    fn ports_that_are_left() {
        assert!(allowed(&[], [&vec![], &vec![]]).is_empty(), "no option, no list");
        assert_eq!(allowed(&[80, 443], [&vec![443], &vec![22]]), [80]);
        let all_but = allowed(&[], [&vec![443], &vec![22]]);
        assert_eq!((all_but.len(), all_but.first()), (65_534, Some(&0)), "who has no port yet passes");
        assert!(![443, 22].iter().any(|port| all_but.contains(port)));
        assert_eq!(allowed(&[], [&vec![40_000], &vec![]]).first(), Some(&1), "who has no port yet waits");
    }

    #[test]
    fn the_longest_prefix_tells_of_all() {
        let parse = |texts: &[&str]| texts.iter().map(|text| parse_prefix(text).unwrap()).collect::<Vec<_>>();
        let not = Excluded { prefixes: parse(&["10.1.0.0/16", "192.0.2.7", "::/0"]), ..Excluded::default() };
        let wanted = parse(&["10.1.2.0/24", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]);
        let found = prefixes(&FilterSpec { prefixes: wanted, not, ..FilterSpec::default() }).unwrap();
        let found: Vec<(String, u8)> = found.iter().map(|(prefix, lists)| (prefix.to_string(), *lists)).collect();
        let expected = [
            ("10.1.2.0/24", 3),
            ("10.0.0.0/8", 1),
            ("10.1.0.0/16", 3),
            ("2001:db8::/32", 3),
            ("192.0.2.7/32", 2),
            ("::/0", 2),
        ];
        assert_eq!(found, expected.map(|(prefix, lists)| (prefix.to_owned(), lists)));
    }
}
