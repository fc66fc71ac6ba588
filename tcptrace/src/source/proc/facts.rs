//! Settings and counters of the network namespace that the calling thread is in.

use std::{fs, path::Path, str::FromStr};

use crate::{
    doctor::PortRange,
    model::NetnsFacts,
    source::{
        clock,
        host::{read_sockstat, read_whole, snmp_counter},
    },
};

/// `/proc/sys/net` shows the namespace of the task that reads, `/proc/self` that of the process's first thread.
const SETTINGS: &str = "/proc/sys/net/ipv4";
const MPTCP_CLOSE_TIMEOUT: &str = "/proc/sys/net/mptcp/close_timeout";
const COUNTERS: [&str; 2] = ["/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"];

/// Reads them; what is absent or unreadable is `None`. `netns` is what the result says.
#[must_use]
pub fn read_facts(netns: u32) -> NetnsFacts {
    let setting = |name: &str| read(&Path::new(SETTINGS).join(name));
    let [netstat, snmp] = COUNTERS.map(|path| fs::read_to_string(path).unwrap_or_default());
    let range = fs::read_to_string(Path::new(SETTINGS).join("ip_local_port_range")).ok();
    let range = range.as_deref().and_then(PortRange::parse);
    let text = |name: &str| read_whole(&Path::new(SETTINGS).join(name)).ok();
    let reserved = text("ip_local_reserved_ports");
    let reserved_in_range = range.zip(reserved).and_then(|(range, ports)| range.reserved(ports.trim()));
    let memory = text("tcp_mem").unwrap_or_default();
    let mut memory = memory.split_ascii_whitespace().map(|word| word.parse().ok());
    let sockstat = read_sockstat().ok();
    NetnsFacts {
        time_ns: clock::monotonic_ns(),
        netns,
        orphan_retries: setting("tcp_orphan_retries"),
        retries2: setting("tcp_retries2"),
        fin_timeout_s: setting("tcp_fin_timeout"),
        rto_min_us: setting("tcp_rto_min_us"),
        rto_max_ms: setting("tcp_rto_max_ms"),
        max_tw_buckets: setting("tcp_max_tw_buckets"),
        tw_reuse: setting("tcp_tw_reuse"),
        timewait_overflow: counter(&netstat, "TCPTimeWaitOverflow"),
        timewait_recycled: counter(&netstat, "TWRecycled"),
        tw_reuse_delay_ms: setting("tcp_tw_reuse_delay"),
        timestamps: setting("tcp_timestamps"),
        syncookies: setting("tcp_syncookies"),
        max_orphans: setting("tcp_max_orphans"),
        port_low: range.map(|range| range.low),
        port_high: range.map(|range| range.high),
        orphans: sockstat.and_then(|read| read.orphans),
        abort_on_memory: counter(&netstat, "TCPAbortOnMemory"),
        listen_overflows: counter(&netstat, "ListenOverflows"),
        listen_drops: counter(&netstat, "ListenDrops"),
        active_opens: snmp_counter(&snmp, "ActiveOpens"),
        reserved_in_range,
        keepalive_time_s: setting("tcp_keepalive_time"),
        keepalive_interval_s: setting("tcp_keepalive_intvl"),
        keepalive_probes: setting("tcp_keepalive_probes"),
        mem_pages: sockstat.and_then(|read| read.mem_pages),
        mem_pressure_pages: memory.nth(1).flatten(),
        mem_limit_pages: memory.next().flatten(),
        mptcp_close_timeout_s: read(Path::new(MPTCP_CLOSE_TIMEOUT)),
    }
}

/// Whether the calling thread's namespace has TCP sockets; where that cannot be seen, it may.
#[must_use]
pub fn has_tcp() -> bool {
    let [v4, v6] = ["sockstat", "sockstat6"].map(|name| fs::read_to_string(format!("/proc/thread-self/net/{name}")));
    let Ok(v4) = v4 else { return true };
    uses_tcp(&v4, &v6.unwrap_or_default())
}

fn read<T: FromStr>(path: &Path) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A counter of `TcpExt:` in the two-line form of `/proc/net/netstat`: names, then values.
#[must_use]
pub fn counter(netstat: &str, name: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_ascii_whitespace().position(|known| known == name)?;
    values.split_ascii_whitespace().nth(place)?.parse().ok()
}

/// `TCP: inuse 5 orphan 0 tw 3 ..` and `TCP6: inuse 1`: the numbers in use and in TIME_WAIT are the namespace's own.
#[must_use]
pub fn uses_tcp(sockstat: &str, sockstat6: &str) -> bool {
    let count = |text: &str, prefix: &str, name: &str| {
        let mut words = text.lines().find_map(|line| line.strip_prefix(prefix))?.split_ascii_whitespace();
        words.find(|word| *word == name)?;
        words.next()?.parse::<u64>().ok()
    };
    let counts = [count(sockstat, "TCP:", "inuse"), count(sockstat, "TCP:", "tw"), count(sockstat6, "TCP6:", "inuse")];
    let [inuse, tw, inuse6] = counts;
    inuse != Some(0) || tw != Some(0) || inuse6.is_some_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_under_their_names() {
        let text = "IpExt: A B\nIpExt: 1 2\nTcpExt: SyncookiesSent TWRecycled TCPTimeWaitOverflow\nTcpExt: 7 8 9\n";
        assert_eq!(counter(text, "TCPTimeWaitOverflow"), Some(9));
        assert_eq!(counter(text, "TWRecycled"), Some(8));
        assert_eq!(counter(text, "A"), None);
        assert_eq!(counter("TcpExt: A\nTcpExt: x\n", "A"), None);
        assert_eq!(counter("TcpExt: A B\nTcpExt: 1\n", "B"), None);
        assert_eq!(counter("TcpExt: A\n", "A"), None);
        assert_eq!(counter("", "A"), None);
    }

    #[test]
    fn sockets_in_use_or_waiting() {
        let text = |inuse, tw| format!("sockets: used 9\nTCP: inuse {inuse} orphan 0 tw {tw} alloc 7 mem 1\n");
        for (inuse, tw, inuse6, has) in [(0, 0, 0, false), (1, 0, 0, true), (0, 1, 0, true), (0, 0, 1, true)] {
            assert_eq!(uses_tcp(&text(inuse, tw), &format!("TCP6: inuse {inuse6}\n")), has);
        }
        assert!(uses_tcp("", ""), "what cannot be seen may be there");
    }

    #[test]
    fn this_namespace_says_something() {
        let facts = read_facts(7);
        assert_eq!(facts.netns, 7);
        assert!(facts.retries2.is_some() && facts.timewait_overflow.is_some(), "{facts:?}");
    }
}
