//! Settings and counters of the network namespace that the calling thread is in.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use crate::{
    doctor::{Counters, Settings, Value, keys},
    source::{
        clock,
        proc::{counter, text::clean},
    },
};

/// A setting whose file is missing is one that the kernel lacks only where its neighbours are there.
const NEIGHBOURS: &str = "/proc/sys/net/ipv4";
/// A folder of the thread's own, for `/proc/self` shows the namespace of the process's first thread.
const COUNTERS: &str = "/proc/thread-self/net";

/// What one namespace says of itself.
#[derive(Clone, Debug, Default)]
pub struct ReadPlace {
    /// When, CLOCK_MONOTONIC nanoseconds.
    pub time_ns: u64,
    /// Settings.
    pub settings: Settings,
    /// Counters.
    pub counters: Counters,
    /// It is the host's first one; `None` where that cannot be told.
    pub is_initial: Option<bool>,
}

/// Reads them.
#[must_use]
pub fn read_place() -> ReadPlace {
    let has_neighbours = Path::new(NEIGHBOURS).is_dir();
    let mut settings = Settings::default();
    for (key, _) in keys::SETTINGS {
        settings.set(key, setting(key, has_neighbours));
    }
    // `ipv4_table` of sysctl_net_ipv4.c, in which this is, is registered for the first namespace alone.
    let is_initial = match settings.text(keys::MAX_ORPHANS) {
        Some(_) => Some(true),
        None if settings.is_absent(keys::MAX_ORPHANS) => Some(false),
        None => None,
    };
    ReadPlace { time_ns: clock::monotonic_ns(), settings, counters: counters(), is_initial }
}

fn setting(key: &str, has_neighbours: bool) -> Value {
    let path = Path::new("/proc/sys").join(key.replace('.', "/"));
    match fs::read_to_string(&path) {
        Ok(text) => Value::Is(clean(&text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))),
        Err(error) if error.kind() == ErrorKind::NotFound && has_neighbours => Value::Absent,
        Err(error) => Value::Unreadable(why(&path, &error)),
    }
}

fn why(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn counters() -> Counters {
    let read = |name: &str| fs::read_to_string(Path::new(COUNTERS).join(name)).unwrap_or_default();
    let (netstat, snmp) = (read("netstat"), read("snmp"));
    let mut counters = Counters::default();
    for name in keys::NETSTAT {
        if let Some(value) = counter(&netstat, name) {
            counters.set(name, value);
        }
    }
    for name in keys::SNMP {
        if let Some(value) = snmp_counter(&snmp, name) {
            counters.set(name, value);
        }
    }
    counters
}

/// A counter of `Tcp:` in `/proc/net/snmp`: a line of names, then one of values.
#[must_use]
pub fn snmp_counter(snmp: &str, name: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_ascii_whitespace().position(|known| known == name)?;
    values.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_namespace_says_something() {
        let read = read_place();
        assert!(read.settings.number::<u32>(keys::FIN_TIMEOUT).is_some(), "{read:?}");
        assert!(read.counters.get(keys::ACTIVE_OPENS).is_some(), "{read:?}");
        assert!(read.settings.is_absent(keys::TW_RECYCLE) && read.is_initial.is_some());
        assert!(read.settings.text(keys::PORT_RANGE).is_some_and(|text| !text.contains('\t')));
    }

    #[test]
    fn what_is_missing_without_neighbours_is_unreadable() {
        assert_eq!(setting("net.ipv4.no_such_setting", true), Value::Absent);
        assert!(matches!(setting("net.ipv4.no_such_setting", false), Value::Unreadable(_)));
    }

    #[test]
    fn counters_of_snmp() {
        let text = "Ip: A\nIp: 1\nTcp: RtoMin ActiveOpens MaxConn\nTcp: 200 370 -1\n";
        assert_eq!(snmp_counter(text, "ActiveOpens"), Some(370));
        assert_eq!(snmp_counter(text, "MaxConn"), None);
        assert_eq!(snmp_counter("Tcp: A\n", "A"), None);
    }
}
