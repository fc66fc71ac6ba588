//! Short connections, whoever closes first; and many clients.

use std::collections::HashSet;

use super::{NETNS, Place, Row, Sockets, Verdict, closes, fact, host, place, processes::close, row, verdict};
use crate::{
    doctor::{Closer, Closes, ClosesOf, Tuple, limits},
    model::{Advice, Close, Comm, Endpoint, Fact, Identity, Owner, OwnerSource, Reason, Role, SocketKey},
};

fn opener(comm: &str, port: u16) -> Closer {
    Closer { comm: comm.to_owned(), to: Some(("10.0.0.2".parse().unwrap(), port)), local_port: None }
}

fn server(comm: &str, port: u16) -> Closer {
    Closer { comm: comm.to_owned(), to: None, local_port: Some(port) }
}

fn judged(closers: &[(Closer, u64, u64, u64)]) -> Advice {
    let of = |(closer, count, first, short): &(Closer, u64, u64, u64)| {
        let of = ClosesOf { pid: Some(9), count: *count, first: *first, short: *short, ..ClosesOf::default() };
        (closer.clone(), of)
    };
    let live = Closes { closers: closers.iter().map(of).collect(), ..closes(10_000_000_000) };
    row(Row::ShortConnections, &host(), &Place { live: Ok(live), ..place(&[], Sockets::default()) })
}

/// A load generator, a proxy without keep-alive, and a backend that closes first.
#[test]
fn a_proxy_whose_backend_closes_first() {
    let advice = judged(&[
        (opener("wrk", 80), 52_400, 52_400, 52_400),
        (server("nginx", 80), 52_400, 0, 0),
        (opener("nginx", 9001), 52_372, 0, 52_372),
        (server("api", 9001), 52_372, 52_372, 0),
    ]);
    assert_eq!(advice.verdict, Verdict::Act);
    for wanted in [
        "wrk/9 opens 5240.0 short connections a second to 10.0.0.2:80, and closes them first",
        "nginx/9 opens 5237.2 short connections a second to 10.0.0.2:9001, and the other side closes them first",
    ] {
        assert!(advice.finding.contains(wanted), "{}", advice.finding);
    }
    for wanted in [
        "nginx/9: keep connections to upstreams open: in the upstream block `keepalive 32;`",
        "`proxy_http_version 1.1;` and `proxy_set_header Connection \"\";`",
        "wrk/9: keep connections open and use them again",
        "api/9, which closes first at its port 9001: let clients keep connections open",
        "`keepalive_timeout`, `keepalive_requests`",
    ] {
        assert!(advice.advice.contains(wanted), "{wanted} in {}", advice.advice);
    }
    // A backend elsewhere.
    let remote = judged(&[(opener("nginx", 9001), 5000, 0, 5000)]);
    assert!(remote.advice.contains("the server at 10.0.0.2:9001, which closes first"), "{}", remote.advice);
    let resets = ClosesOf { count: 5000, aborted: 5000, short: 5000, ..ClosesOf::default() };
    let live = Closes { closers: [(opener("", 1), resets)].into(), ..closes(10_000_000_000) };
    let advice = row(Row::ShortConnections, &host(), &Place { live: Ok(live), ..place(&[], Sockets::default()) });
    assert!(advice.finding.contains("an unknown program opens 500.0"), "{}", advice.finding);
    assert!(advice.finding.ends_with("most end with a reset"), "{}", advice.finding);
}

/// Both sides of each boundary, of connections that the other side closes first.
#[test]
fn openers_by_rate() {
    for (short, wanted) in [(29, Verdict::Ok), (30, Verdict::Watch), (469, Verdict::Watch), (470, Verdict::Act)] {
        assert_eq!(judged(&[(opener("nginx", 80), short, 0, short)]).verdict, wanted, "{short}");
    }
}

fn from(comm: &str, pid: u32, local: u16, remote: u16) -> Close {
    let end = |last: u8, port| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&[10, 0, 0, last]);
        Endpoint::from_bytes(bytes, false, port)
    };
    let owner = Owner { pid, comm: Comm::from_name(comm), cgroup_id: 0, source: OwnerSource::Close };
    let socket = Identity { key: SocketKey(1), netns: NETNS, local: end(1, local), remote: end(2, remote) };
    Close { socket, owner: Some(owner), ..close(Role::Active, None, local) }
}

/// A server is known by its own port, however many ports its clients have.
#[test]
fn a_capture_of_a_busy_server() {
    let mut recorded = Closes { recorded: true, ..closes(10_000_000_000) };
    for client in 20_000..40_000 {
        recorded.see(&from("nginx", 9, 8080, client), &HashSet::new());
    }
    assert_eq!((recorded.closers.len(), recorded.folded, recorded.understated), (1, 0, 0));
    let advice =
        row(Row::ShortConnections, &host(), &Place { live: Ok(recorded.clone()), ..place(&[], Sockets::default()) });
    assert_eq!(advice.verdict, Verdict::Watch);
    assert!(
        advice.finding.contains("nginx/9 closes 2000.0 connections a second first, at its port 8080"),
        "{advice:?}"
    );
    // Connects tell who opened a connection whose own age is not known.
    let close = from("curl", 9, 50_000, 443);
    recorded.see(&close, &HashSet::new());
    assert!(recorded.closers.contains_key(&server("curl", 50_000)), "nothing says that it was opened here");
    recorded.opened.insert(Tuple::of(&close.socket), 1);
    recorded.see(&close, &HashSet::new());
    assert!(recorded.closers.contains_key(&opener("curl", 443)), "{:?}", recorded.closers);
}

/// Programs that start a process for each connection are one; what does not fit is folded, and those with many stay.
#[test]
fn too_many_closers_are_folded() {
    let mut closes = closes(10_000_000_000);
    for pid in 0..5000 {
        let short = Close { lifetime_ns: Some(1_000_000_001), ..from("curl", pid, 40_000, 80) };
        closes.see(&short, &HashSet::new());
    }
    let (_, of) = closes.most(|_, of| of.short)[0];
    assert!(of.several && of.count == 5000 && of.short == 5000, "{of:?}");
    for port in 0..2 * u16::try_from(limits::CLOSERS_MAX).unwrap() {
        closes.see(&Close { lifetime_ns: Some(5_000_000_000), ..from("scan", 7, 40_000, port) }, &HashSet::new());
    }
    assert!(closes.closers.len() <= limits::CLOSERS_MAX);
    assert!(closes.folded > 0 && closes.understated > 0, "{} {}", closes.folded, closes.understated);
    assert_eq!(closes.most(|_, of| of.count)[0].0.comm, "curl");
    let place = Place { live: Ok(closes), ..place(&[], Sockets::default()) };
    let advice = row(Row::ShortConnections, &host(), &place);
    assert_eq!(advice.verdict, Verdict::Act);
    assert!(advice.finding.contains("curl (several processes) opens at least 500.0"), "{}", advice.finding);
    assert!(advice.caveat.contains("too many programs and places"), "{}", advice.caveat);
}

/// A listener that closes with a queue.
#[test]
fn closed_listeners() {
    let mut live = closes(10_000_000_000);
    for _ in 0..3 {
        let reset = Close { role: Role::Abort, reason: Some(Reason::ListenerClosed), ..from("old", 9, 8080, 40_000) };
        live.see(&reset, &HashSet::new());
    }
    let mut watched = Place { live: Ok(live), ..place(&[], Sockets::default()) };
    let advice = row(Row::SynSide, &host(), &watched);
    assert_eq!((advice.verdict, fact(&advice, "reset_by_closed_listeners")), (Verdict::Act, Fact::Count(3)));
    assert!(advice.finding.contains("3 waiting connections at port 8080 by old/9"), "{}", advice.finding);
    assert!(advice.settings.is_empty(), "nobody listens there now");
    watched.sockets.as_mut().unwrap().listeners.insert(8080, Default::default());
    let advice = row(Row::SynSide, &host(), &watched);
    assert_eq!(advice.settings[0].key, "net.ipv4.tcp_migrate_req");
    watched.live = Ok(closes(1));
    watched.counters.set(crate::doctor::keys::LISTEN_DROPS, 0);
    assert_eq!(verdict(Row::SynSide, &host(), &watched), Verdict::Ok);
}
