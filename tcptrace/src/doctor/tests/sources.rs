//! Local ports by source address.

use super::{Row, Snapshot, State, Verdict, closes, end, fact, host, place, row, snapshot};
use crate::{
    doctor::{Closer, ClosesOf, Place, PortRange, Sockets, Tally, Tuple, keys},
    model::{Advice, Fact, Identity},
};

const TWO_HUNDRED: (&str, &str) = (keys::PORT_RANGE, "40000 40199");

fn tally(snapshots: impl IntoIterator<Item = Snapshot>) -> Sockets {
    let mut tally = Tally::new(PortRange::parse("40000 40199"), 3_600_000);
    snapshots.into_iter().for_each(|snapshot| tally.see(&snapshot));
    tally.finish()
}

fn judged(changes: &[(&'static str, &str)], snapshots: impl IntoIterator<Item = Snapshot>) -> Advice {
    let all: Vec<_> = [TWO_HUNDRED].into_iter().chain(changes.iter().copied()).collect();
    row(Row::EphemeralPorts, &host(), &place(&all, tally(snapshots)))
}

/// As `bind()` takes them: odd ones first, one connection each, four destinations in turn.
fn bound(count: u16, state: State) -> impl Iterator<Item = Snapshot> {
    let odd = (0..100).map(|at| 40_001 + 2 * at);
    let even = (0..100).map(|at| 40_000 + 2 * at);
    let ports = odd.chain(even).take(usize::from(count));
    ports.enumerate().map(move |(at, port)| snapshot(state, port, 5000 + u16::try_from(at % 4).unwrap()))
}

#[test]
fn bind_takes_a_port_from_all_places() {
    for (count, wanted) in [(99, Verdict::Ok), (100, Verdict::Watch), (159, Verdict::Watch), (160, Verdict::Act)] {
        let advice = judged(&[], bound(count, State::Established));
        assert_eq!(advice.verdict, wanted, "{count}: {}", advice.finding);
        assert_eq!(advice.finding.contains("local ports"), wanted != Verdict::Ok, "{}", advice.finding);
        assert_eq!(advice.advice.contains("IP_BIND_ADDRESS_NO_PORT"), wanted != Verdict::Ok, "{}", advice.advice);
    }
    let advice = judged(&[], bound(200, State::Established));
    assert!(advice.finding.starts_with("200 of 200 local ports (100%) of 10.0.0.1 are in use"), "{}", advice.finding);
    assert!(advice.finding.contains("the most to one place is 50 (25%)"), "{}", advice.finding);
    assert!(advice.advice.contains("EADDRINUSE") && advice.advice.contains("EADDRNOTAVAIL"), "{}", advice.advice);
    // Bound ports stay taken in TIME_WAIT, whatever tcp_tw_reuse is.
    let advice = judged(&[(keys::TW_REUSE, "1")], bound(200, State::TimeWait));
    assert_eq!(advice.verdict, Verdict::Act, "{}", advice.finding);
}

/// `connect()` shares ports between places, and takes even ones first: nothing is short.
#[test]
fn connect_shares_ports() {
    let shared =
        || (0..4).flat_map(|to| (0..99).map(move |at| snapshot(State::Established, 40_000 + 2 * at, 5000 + to)));
    let advice = judged(&[], shared());
    assert_eq!(advice.verdict, Verdict::Ok, "{}", advice.finding);
    // One place has more than the even ones: that place is what is short.
    let odd = (0..61).map(|at| snapshot(State::Established, 40_001 + 2 * at, 5000));
    let advice = judged(&[], shared().chain(odd));
    assert_eq!(advice.verdict, Verdict::Act);
    assert!(advice.finding.starts_with("160 of 200 ports (80%) to 10.0.0.2:5000"), "{}", advice.finding);
    assert!(advice.caveat.contains("IP_BIND_ADDRESS_NO_PORT does not help"), "{}", advice.caveat);
    // Ports in TIME_WAIT that are used again are free, and nobody bound them.
    let waits = (0..100).map(|at| snapshot(State::TimeWait, 40_000 + 2 * at, 5000));
    assert_eq!(judged(&[(keys::TW_REUSE, "1"), (keys::TW_REUSE_DELAY, "0")], waits).verdict, Verdict::Ok);
}

fn idle(port: u16, any: bool) -> Snapshot {
    let one = snapshot(State::Close, port, 0);
    let local = if any { crate::model::Endpoint::from_bytes([0; 16], false, port) } else { end(1, port) };
    let nowhere = crate::model::Endpoint::from_bytes([0; 16], false, 0);
    Snapshot { socket: Identity { local, remote: nowhere, ..one.socket }, ..one }
}

/// Sockets that are bound and not connected take ports from everybody.
#[test]
fn bound_and_idle() {
    for (any, whose) in [(false, "of 10.0.0.1"), (true, "of every address")] {
        let advice = judged(&[], (40_000..40_160).map(|port| idle(port, any)));
        assert_eq!(advice.verdict, Verdict::Act, "{}", advice.finding);
        assert!(advice.finding.contains(whose), "{}", advice.finding);
        assert_eq!(fact(&advice, "bound_and_idle_ports"), Fact::Count(160));
    }
    // Those of every address count for each.
    let mixed = (40_000..40_080).map(|port| idle(port, true)).chain((40_080..40_160).map(|port| idle(port, false)));
    assert_eq!(judged(&[], mixed).verdict, Verdict::Act);
    // Below the thresholds they count for a place, too.
    let few = (40_000..40_060).map(|port| idle(port, false));
    let both = few.chain((0..40).map(|at| snapshot(State::Established, 40_100 + at, 80)));
    assert_eq!(judged(&[], both).verdict, Verdict::Watch);
}

/// Listeners take ports from everybody, too.
#[test]
fn listeners_fill_the_range() {
    let of = |count| (0..count).map(|at| Snapshot { ..snapshot(State::Listen, 40_000 + at, 0) });
    for (count, wanted) in [(99, Verdict::Ok), (100, Verdict::Watch), (160, Verdict::Act), (200, Verdict::Act)] {
        let advice = judged(&[], of(count));
        assert_eq!(advice.verdict, wanted, "{count}: {}", advice.finding);
    }
    let advice = judged(&[], of(200));
    assert!(advice.finding.contains("listeners have 200 of 200 ports"), "{}", advice.finding);
    assert!(advice.advice.contains("find no port"), "{}", advice.advice);
}

/// The place that runs out is named, though another has more ports.
#[test]
fn the_place_that_runs_out() {
    let held = (0..60).map(|at| snapshot(State::Established, 40_000 + 2 * at, 5000));
    let young = (0..40).map(|at| snapshot(State::TimeWait, 40_000 + 2 * at, 5001));
    let advice = judged(&[], held.chain(young));
    assert_eq!(advice.verdict, Verdict::Act);
    assert!(
        advice.finding.starts_with("40 of 200 ports (20%) to 10.0.0.2:5001, and all of them in 40 s"),
        "{advice:?}"
    );
}

/// A rate above the ceiling with few ports in use is explained.
#[test]
fn a_rate_above_the_ceiling() {
    let to: (std::net::IpAddr, u16) = ("10.0.0.2".parse().unwrap(), 5000);
    let tuple = Tuple { source: "10.0.0.1".parse().unwrap(), destination: to.0, port: to.1 };
    let closer = Closer { comm: "nginx".to_owned(), to: Some(to), local_port: None };
    for (first, aborted, wanted) in [
        (0, 0, "the peer closes first, so the ports come back at once, and the ceiling of 3.3 a second does not apply"),
        (0, 5000, "most end with a reset"),
        (5000, 0, "few of them are in TIME_WAIT"),
    ] {
        let of = ClosesOf { count: 5000, first, aborted, ..ClosesOf::default() };
        let mut live = closes(10_000_000_000);
        live.closers.insert(closer.clone(), of);
        live.opened.insert(tuple, 5000);
        let sockets = tally([snapshot(State::Established, 40_000, 5000)]);
        let place = Place { live: Ok(live), ..place(&[TWO_HUNDRED], sockets) };
        let advice = row(Row::EphemeralPorts, &host(), &place);
        assert_eq!(advice.verdict, Verdict::Ok);
        assert!(advice.finding.contains("500.0 new connections a second: "), "{}", advice.finding);
        assert!(advice.finding.contains(wanted), "{wanted} in {}", advice.finding);
    }
}
