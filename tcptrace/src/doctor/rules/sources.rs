//! Local ports by source address: `bind()` with port 0 takes a port from all destinations at once.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use super::{
    draft::{Draft, at_least, percent},
    ports::{Level, widen},
    view::View,
};
use crate::{
    doctor::{Place, PortUse, Sockets, Tuple, limits},
    model::{Advice, Evidence, Fact, Verdict},
};

/// The ports of one source address.
pub(super) struct Source {
    address: IpAddr,
    /// Different ports that a `bind()` to this address cannot have: in use there, or bound to every address.
    pub(super) in_use: u64,
    /// Of these: in TIME_WAIT.
    waiting: u64,
    /// Of these: by several sockets, so that `connect()` must have chosen them.
    shared: u64,
    /// Ports at least that nothing but `bind()` explains.
    bound: u64,
    /// So many that it counts, or a watch saw it.
    pub(super) binds: bool,
}

/// All source addresses, those with most ports in use first. `binders`: calls of `connect()` with a bound port.
pub(super) fn all(view: &View, sockets: &Sockets, binders: Option<&HashMap<IpAddr, u64>>) -> Vec<Source> {
    let explained = explained(view, sockets);
    let mut sources: Vec<Source> = sockets
        .sources
        .iter()
        .map(|(address, used)| {
            let any =
                sockets.sources.get(&unspecified(*address)).map(|any| &any.held).filter(|_| !address.is_unspecified());
            let held = any.map_or_else(|| used.held.clone(), |any| used.held.union(any));
            let all = held.union(&used.waiting);
            let connects = explained.get(address).copied().unwrap_or(0);
            // `connect()` takes ports of the other parity where those of its own are gone, and shares them.
            let odd = all.iter().filter(|port| !view.is_for_connects(*port) && !used.shared.has(*port)).count() as u64;
            let idle = used.held.iter().filter(|port| sockets.bound.has(*port)).count() as u64;
            let bound = odd.saturating_sub(connects).saturating_sub(sockets.tuples_not_counted).max(idle);
            let watched = binders.is_some_and(|binders| binders.contains_key(address));
            let binds = watched || (bound > 0 && at_least(bound, limits::BOUND_PERCENT, view.usable));
            // TIME_WAIT of a bound port is never used again early: both searches skip its bucket.
            let in_use = if binds || !view.reuses_on(address.is_loopback()) { all.count() } else { held.count() };
            Source {
                address: *address,
                in_use,
                waiting: used.waiting.count(),
                shared: used.shared.count(),
                bound,
                binds,
            }
        })
        .collect();
    sources.sort_by_key(|source| (Reverse(source.in_use), source.address));
    sources
}

/// Ports of the parity that `bind()` prefers which `connect()` may have taken, because those of its own were gone.
fn explained(view: &View, sockets: &Sockets) -> HashMap<IpAddr, u64> {
    let own = view.for_connects();
    let mut explained: HashMap<IpAddr, u64> = HashMap::new();
    for (tuple, used) in &sockets.tuples {
        let beyond = used.held.saturating_add(used.waiting()).saturating_sub(own);
        *explained.entry(tuple.source).or_default() += beyond;
    }
    explained
}

fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The first of them, as evidence.
pub(super) fn facts(sources: &[Source]) -> Fact {
    let one = |source: &Source| -> Evidence {
        vec![
            ("source", source.address.to_string().into()),
            ("ports_in_use", source.in_use.into()),
            ("in_time_wait_ports", source.waiting.into()),
            ("shared_ports", source.shared.into()),
            ("bound_ports_at_least", source.bound.into()),
            ("binds_first", source.binds.into()),
        ]
    };
    Fact::List(sources.iter().take(limits::LISTED_MAX).map(one).collect())
}

/// What is to be said where a source address has fewer ports left than any place.
pub(super) fn judge(
    draft: Draft,
    place: &Place,
    view: &View,
    source: &Source,
    most: Option<(&Tuple, &PortUse)>,
) -> Advice {
    let Source { address, in_use, .. } = source;
    let whose = if address.is_unspecified() { "every address".to_owned() } else { address.to_string() };
    let to = most.map(|(tuple, used)| {
        let taken = used.held.saturating_add(used.waiting());
        let to = SocketAddr::new(tuple.destination, tuple.port);
        format!("; the most to one place is {taken} ({}%), to {to}", percent(taken, view.usable))
    });
    let finding = format!(
        "{in_use} of {} local ports ({}%) of {whose} are in use{}",
        view.usable,
        percent(*in_use, view.usable),
        to.unwrap_or_default()
    );
    let verdict = if Level::of(*in_use, view.usable) == Level::Act { Verdict::Act } else { Verdict::Watch };
    let state = match view.is_exhausted(*in_use) {
        true if source.shared == 0 => {
            "no local port is left: bind() with port 0 fails with EADDRINUSE, and connect() with EADDRNOTAVAIL to \
             every place"
        }
        true => "no local port is left: bind() with port 0 fails with EADDRINUSE",
        false => "programs call bind() before connect(), which takes a port from all places at once",
    };
    let advice = format!(
        "{state}; have the program set IP_BIND_ADDRESS_NO_PORT before bind(), so that connections to different places \
         share ports; or use more source addresses, or widen the range"
    );
    widen(draft, place, view, *in_use, &format!("of {whose}"))
        .caveat("tcp_tw_reuse does not help: ports that were bound stay taken for all of TIME_WAIT.")
        .says(verdict, finding, advice)
}
