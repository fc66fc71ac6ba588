//! Settings and counters of the network namespace that the calling thread is in.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::Path,
};

use crate::{
    doctor::{Counters, Settings, Value, keys},
    model::printable,
    source::{clock, proc::counter},
};

/// Bytes that are asked for at once: first so many, which all but lists of ports fit in, then as much as the longest
/// list takes (every other port reserved is 190 KB).
const READ_BYTES: [usize; 2] = [4096, 256 << 10];

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
    match read_whole(&path) {
        Ok(text) => {
            let spaced = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            Value::Is(spaced.chars().map(printable).collect())
        }
        Err(error) if error.kind() == ErrorKind::NotFound && has_neighbours => Value::Absent,
        Err(error) => Value::Unreadable(why(&path, &error)),
    }
}

/// The text of a setting. `proc_do_large_bitmap()` and `proc_dointvec()` answer one read, cut to its length, and say
/// that nothing follows; std begins with 32 bytes, and would take the first ports of a list for all of them.
pub(in crate::source) fn read_whole(path: &Path) -> io::Result<String> {
    for bytes in READ_BYTES {
        let mut buffer = vec![0; bytes];
        let read = File::open(path)?.read(&mut buffer)?;
        if read < bytes {
            buffer.truncate(read);
            return Ok(String::from_utf8_lossy(&buffer).into_owned());
        }
    }
    Err(io::Error::other("it is too long"))
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

    /// A file answers several reads, so this shows the bounds alone; kernel tests show the rest.
    #[test]
    fn long_texts_are_whole_or_refused() {
        let folder = std::env::temp_dir().join(format!("tcptrace-settings-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("long");
        for (bytes, whole) in [(0, true), (4095, true), (4096, true), (262_143, true), (262_144, false)] {
            fs::write(&file, "7".repeat(bytes)).unwrap();
            assert_eq!(read_whole(&file).map(|text| text.len()).ok(), whole.then_some(bytes));
        }
        fs::remove_dir_all(&folder).unwrap();
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
