//! Many sockets in the calling thread's namespace.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tcptrace_tests::{netns::NetNs, pair};

/// Of all sockets, as far as the limit of open files goes; the others wait in TIME_WAIT.
const FULL_OF_TEN: usize = 4;
/// Files that are no sockets of a pair.
const OTHER_FILES: usize = 100;
/// Each address that is connected to has all client ports to itself.
const TARGETS: usize = 8;
/// One pair in so many speaks IPv6, and another one is half closed.
const SOME: usize = 4;

/// Held until dropped, but for those in TIME_WAIT.
pub(crate) struct Sockets {
    _listeners: [TcpListener; 2],
    _streams: Vec<(TcpStream, TcpStream)>,
}

impl Sockets {
    /// As many as `count`, for a minute.
    pub(crate) fn make(netns: &NetNs, count: usize) -> Result<Self> {
        Self::mixed(netns, count, count * FULL_OF_TEN / 10)
    }

    /// As many in TIME_WAIT.
    pub(crate) fn in_time_wait(netns: &NetNs, count: usize) -> Result<Self> {
        Self::mixed(netns, count, 0)
    }

    fn mixed(netns: &NetNs, count: usize, full: usize) -> Result<Self> {
        // Without room a socket in TIME_WAIT ends at once, and over loopback it gives its port away after a second.
        netns.set_sysctl("net/ipv4/tcp_tw_reuse", "0")?;
        netns.set_sysctl("net/ipv4/tcp_max_tw_buckets", "1048576")?;
        let pairs = files_allowed(full + OTHER_FILES)?.saturating_sub(OTHER_FILES).min(full) / 2;
        let timewait = count.saturating_sub(2 * pairs);
        let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?;
        let connect = |number: usize| {
            let listener = if number.is_multiple_of(SOME) { &v6 } else { &v4 };
            let mut target = listener.local_addr()?;
            if target.is_ipv4() {
                let last = u8::try_from(number % TARGETS).unwrap_or_default();
                target.set_ip(Ipv4Addr::new(127, 7, 0, last + 1).into());
            }
            connect(listener, target).with_context(|| format!("connection {number} of {}", pairs + timewait))
        };
        for number in 0..timewait {
            let (client, server) = connect(number)?;
            drop(client);
            drop(server);
        }
        let mut streams = Vec::with_capacity(pairs);
        for number in 0..pairs {
            let (client, server) = connect(number)?;
            if number % SOME == 1 {
                pair::shut(&client)?;
            }
            streams.push((client, server));
        }
        Ok(Self { _listeners: [v4, v6], _streams: streams })
    }
}

fn connect(listener: &TcpListener, target: SocketAddr) -> Result<(TcpStream, TcpStream)> {
    let client = TcpStream::connect(target).context("cannot connect")?;
    let (server, _) = listener.accept().context("cannot accept")?;
    Ok((client, server))
}

/// As many as wanted, or as there may be where the limit cannot be raised.
fn files_allowed(wanted: usize) -> Result<usize> {
    let limits = getrlimit(Resource::Nofile);
    let at_least = |limit: Option<u64>| limit.map(|limit| limit.max(wanted as u64));
    let more = Rlimit { current: at_least(limits.current), maximum: at_least(limits.maximum) };
    if setrlimit(Resource::Nofile, more).is_ok() {
        return Ok(wanted);
    }
    // Without CAP_SYS_RESOURCE this is as far as it goes.
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).context("cannot open more files")?;
    Ok(wanted.min(usize::try_from(limits.maximum.unwrap_or(u64::MAX))?))
}
