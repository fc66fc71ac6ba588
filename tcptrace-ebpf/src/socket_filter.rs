//! Whether a socket is one that the user asked for, whoever holds it. Before anything that costs.

use aya_ebpf::maps::lpm_trie::Key;
use tcptrace_ebpf::filter::{
    NETNS_WANTED, PORTS_EITHER, PORTS_LOCAL, PORTS_REMOTE, PREFIX_BITS, PREFIXES_EXCLUDED, PREFIXES_WANTED,
    is_v4_mapped, port_place, prefix_data, sampled, span, spans_meet,
};

use crate::{
    maps::{NETNS, PORTS, PREFIXES, filter, layout},
    sock::Sock,
};

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

/// What can be said of a socket now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    No,
    Yes,
    /// A `connect()` has not chosen its local port yet (`tcp_v4_connect()` sets the state before it does).
    Later,
}

/// Some local port may have to be waited for: known at load, so that the code for it is pruned where none has.
#[inline(always)]
pub(crate) fn connects_wait() -> bool {
    wants_connects() && filter!(has_ports) | filter!(has_local_ports) != 0
}

/// Whether a record of this socket's `connect()` may be in the map.
#[inline(always)]
pub(crate) fn may_have_waited(sk: Sock) -> bool {
    let by_port = |given: u32, ports: u32| given != 0 && spans_meet(ports, sk.ephemeral_ports());
    by_port(filter!(has_ports), filter!(ports_span)) || by_port(filter!(has_local_ports), filter!(local_ports_span))
}

/// Whether anybody wants to know who connected, and when.
#[inline(always)]
pub(crate) fn wants_connects() -> bool {
    filter!(no_connects) == 0
}

/// Whether `--sample` takes the socket.
#[inline(always)]
pub(crate) fn in_sample(key: u64) -> bool {
    sampled(key, filter!(sample_one_in))
}

/// Whether a socket with both its ends passes.
#[inline(always)]
pub(crate) fn wants(sk: Sock, local_port: impl FnOnce() -> u16) -> bool {
    judge(sk, local_port, false) == Wanted::Yes
}

/// As [`wants`], of a socket that may be connecting just now.
#[inline(always)]
pub(crate) fn judge(sk: Sock, local_port: impl FnOnce() -> u16, connecting: bool) -> Wanted {
    if filter!(sockets) == 0 {
        return Wanted::Yes;
    }
    if filter!(has_netns) != 0 && NETNS.get_ptr(sk.netns()).is_some() != (filter!(has_netns) == NETNS_WANTED) {
        return Wanted::No;
    }
    if filter!(family) | filter!(has_prefixes) != 0 && !addresses(sk) {
        return Wanted::No;
    }
    if filter!(has_ports) | filter!(has_local_ports) | filter!(has_remote_ports) != 0 {
        ports(sk, local_port(), connecting)
    } else {
        Wanted::Yes
    }
}

#[inline(always)]
fn ports(sk: Sock, local: u16, connecting: bool) -> Wanted {
    let remote = u16::from_be(sk.dport());
    let unknown = connecting && local == 0;
    let mut later = false;
    if filter!(has_remote_ports) != 0 && !listed(PORTS_REMOTE, filter!(remote_ports_span), remote) {
        return Wanted::No;
    }
    if filter!(has_local_ports) != 0 && !listed(PORTS_LOCAL, filter!(local_ports_span), local) {
        if !unknown || !spans_meet(filter!(local_ports_span), sk.ephemeral_ports()) {
            return Wanted::No;
        }
        later = true;
    }
    let span = filter!(ports_span);
    if filter!(has_ports) != 0 && !listed(PORTS_EITHER, span, remote) && !listed(PORTS_EITHER, span, local) {
        if !unknown || !spans_meet(span, sk.ephemeral_ports()) {
            return Wanted::No;
        }
        later = true;
    }
    if later { Wanted::Later } else { Wanted::Yes }
}

/// Most ports are outside of the list's span, which costs no look into the map.
#[inline(always)]
fn listed(list: u32, within: u32, port: u16) -> bool {
    if !spans_meet(span(port, port), within) {
        return false;
    }
    let (word, bit) = port_place(list, port);
    // SAFETY: a word of a map that nobody writes after load.
    PORTS.get_ptr(word).is_some_and(|word| unsafe { word.read_volatile() } & bit != 0)
}

/// `tcp_v4_connect()` and `tcp_v6_connect()` choose the local address before they move to SYN_SENT.
#[inline(always)]
fn addresses(sk: Sock) -> bool {
    let v6 = u32::from(sk.family()) == AF_INET6 && layout!(has_ipv6) != 0;
    let (local, remote) =
        if v6 { (sk.saddr6(), sk.daddr6()) } else { ([sk.saddr4(), 0, 0, 0], [sk.daddr4(), 0, 0, 0]) };
    if filter!(family) != 0 {
        // As spoken on the wire, which the remote end tells.
        let family = if v6 && !is_v4_mapped(remote) { AF_INET6 } else { AF_INET };
        if family != filter!(family) {
            return false;
        }
    }
    let given = filter!(has_prefixes);
    if given == 0 {
        return true;
    }
    let first = lists(remote, v6);
    if given == PREFIXES_WANTED && first != 0 {
        return true;
    }
    let lists = first | lists(local, v6);
    (given & PREFIXES_WANTED == 0 || lists & PREFIXES_WANTED != 0) && lists & PREFIXES_EXCLUDED == 0
}

/// Which lists an address is in.
#[inline(always)]
fn lists(addr: [u32; 4], v6: bool) -> u32 {
    PREFIXES.get(Key::new(PREFIX_BITS, prefix_data(addr, v6))).map_or(0, |lists| u32::from(*lists))
}
