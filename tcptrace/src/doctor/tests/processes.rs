//! What programs do.

use std::collections::HashSet;

use super::{
    Closes, NETNS, Place, Row, Snapshot, Sockets, State, TcpDetail, Timer, Verdict, closes, fact, host, place, row,
    snapshot, tally, verdict,
};
use crate::{
    doctor::{Closer, ClosesOf, IdleSockets, PortUse, Tuple, keys},
    model::{
        Close, Comm, Fact, GroupOf, Identity, LeakCause, LeakGroup, Outcome, Owner, OwnerSource, Phases, Retransmits,
        Role, SocketKey,
    },
};

fn client(comm: &str) -> Closer {
    Closer { comm: comm.to_owned(), to: Some(("10.0.0.2".parse().unwrap(), 80)), local_port: None }
}

fn server(comm: &str) -> Closer {
    Closer { to: None, local_port: Some(80), ..client(comm) }
}

fn of(count: u64, first: u64, short: u64) -> ClosesOf {
    ClosesOf { pid: Some(9), count, first, short, ..ClosesOf::default() }
}

fn watched(closer: Closer, count: u64, short: u64) -> Place {
    let live = Closes { closers: [(closer, of(count, count, short))].into(), ..closes(30_000_000_000) };
    Place { live: Ok(live), ..place(&[], Sockets::default()) }
}

#[test]
fn short_connections() {
    for (closer, count, short, wanted) in [
        (client("curl"), 5000, 0, Verdict::Ok),
        // 30 in 30 s: one a second.
        (client("curl"), 29, 29, Verdict::Ok),
        (client("curl"), 30, 30, Verdict::Watch),
        (client("curl"), 1409, 1409, Verdict::Watch),
        (client("curl"), 1410, 1410, Verdict::Act),
        (server("api"), 1409, 0, Verdict::Ok),
        (server("api"), 1410, 0, Verdict::Watch),
    ] {
        assert_eq!(verdict(Row::ShortConnections, &host(), &watched(closer, count, short)), wanted, "{count} {short}");
    }
    // One a second is 60 in a minute.
    for (short, wanted) in [(59, Verdict::Ok), (60, Verdict::Watch)] {
        let mut minute = watched(client("curl"), 99, short);
        minute.live.as_mut().unwrap().ns = 60_000_000_000;
        assert_eq!(verdict(Row::ShortConnections, &host(), &minute), wanted, "{short}");
    }
    let as_client = row(Row::ShortConnections, &host(), &watched(client("nginx"), 2000, 2000));
    for word in ["keepalive 32", "keepalive_requests", "proxy_http_version 1.1", "proxy_set_header Connection \"\""] {
        assert!(as_client.advice.contains(word), "{}", as_client.advice);
    }
    let as_server = row(Row::ShortConnections, &host(), &watched(server("nginx"), 2000, 0));
    assert!(as_server.advice.contains("keepalive_timeout"), "{}", as_server.advice);
    assert!(!row(Row::ShortConnections, &host(), &watched(client("curl"), 2000, 2000)).advice.contains("proxy"));
}

/// What was lost or not counted may have been the short connections of one process.
#[test]
fn short_connections_that_were_lost() {
    for (lost, understated, wanted) in [(29, 0, Verdict::Ok), (30, 0, Verdict::Unknown), (15, 15, Verdict::Unknown)] {
        let live = Closes { lost, understated, ..closes(30_000_000_000) };
        let place = Place { live: Ok(live), ..place(&[], Sockets::default()) };
        assert_eq!(verdict(Row::ShortConnections, &host(), &place), wanted, "{lost} {understated}");
    }
}

/// Without BPF, few TIME_WAIT sockets prove something, and many nothing.
#[test]
fn short_connections_that_nobody_watched() {
    let tuple = Tuple { source: "10.0.0.1".parse().unwrap(), destination: "10.0.0.2".parse().unwrap(), port: 80 };
    let place = |changes: &[(&'static str, &str)], sockets| {
        let mut place = place(changes, sockets);
        place.counters.set(keys::ACTIVE_OPENS, 59);
        place
    };
    for (waiting, opens, wanted) in [(59, 59, Verdict::Ok), (60, 59, Verdict::Unknown), (0, 60, Verdict::Unknown)] {
        let used = PortUse { held: 0, time_wait: [0, 0, 0, 0, 0, waiting] };
        let sockets = Sockets { tuples: [(tuple, used)].into(), ..Sockets::default() };
        let mut place = place(&[], sockets);
        place.counters.set(keys::ACTIVE_OPENS, opens);
        assert_eq!(verdict(Row::ShortConnections, &host(), &place), wanted);
    }
    let many = Sockets { tuples_not_counted: 1, ..Sockets::default() };
    let full = Sockets { time_wait: 9, ..Sockets::default() };
    for (changes, sockets, wanted) in [
        (&[][..], many, Verdict::Unknown),
        (&[(keys::PORT_RANGE, "40000 40119")], Sockets::default(), Verdict::Ok),
        (&[(keys::PORT_RANGE, "40000 40118")], Sockets::default(), Verdict::Unknown),
        (&[(keys::MAX_TW_BUCKETS, "10")], full.clone(), Verdict::Ok),
        (&[(keys::MAX_TW_BUCKETS, "9")], full, Verdict::Unknown),
    ] {
        assert_eq!(verdict(Row::ShortConnections, &host(), &place(changes, sockets)), wanted, "{changes:?}");
    }
}

pub(super) fn close(role: Role, lifetime_ns: Option<u64>, local: u16) -> Close {
    let Snapshot { socket: Identity { local, remote, .. }, .. } = snapshot(State::Close, local, 80);
    let owner = Owner { pid: 9, comm: Comm::from_name("api"), cgroup_id: 0, source: OwnerSource::Close };
    Close {
        end_ns: 5,
        socket: Identity { key: SocketKey(1), netns: NETNS, local, remote },
        role,
        outcome: Outcome::Fin,
        reason: None,
        owner: Some(owner),
        phases: Phases::default(),
        close_ns: Some(1_000_000_000),
        orphan: true,
        mptcp: false,
        three_way: None,
        complete: true,
        retransmits: Retransmits { rto: 2, ..Retransmits::default() },
        totals: None,
        lifetime_ns,
        bound_if: 0,
    }
}

#[test]
fn closes_are_gathered() {
    let mut gathered = closes(1_000_000_000);
    let listening = HashSet::from([8080]);
    for one in [
        close(Role::Passive, None, 40_000),
        // The peer took a second of it.
        close(Role::Active, Some(1_999_999_999), 40_001),
        close(Role::Active, Some(2_000_000_000), 40_002),
        close(Role::Active, None, 40_003),
        close(Role::Active, None, 8080),
    ] {
        gathered.see(&one, &listening);
    }
    assert_eq!((gathered.count, gathered.active, gathered.fin_retransmits), (5, 4, 10));
    let list = gathered.most(|_, of| of.count);
    assert_eq!(list.len(), 2);
    assert_eq!((list[0].0.to.is_some(), list[0].1), (true, of(4, 3, 1)));
    assert_eq!((list[1].0.local_port, list[1].1), (Some(8080), of(1, 1, 0)));
    assert_eq!(gathered.tenths_a_second(3), 30);
}

fn leak(count: u64, growth_per_minute: Option<i64>) -> LeakGroup {
    LeakGroup {
        of: GroupOf::Process { pid: 9, comm: "api".to_owned() },
        listener: Vec::new(),
        shared_with: Vec::new(),
        cgroup: String::new(),
        count,
        oldest_ns: 61_000_000_000,
        oldest_is_lower_bound: true,
        growth_per_minute,
        ages: [0; 5],
        remotes: Vec::new(),
        remotes_total: 1,
        by_cause: [0; 5],
        cause: LeakCause::NotPolled,
        advice: "look for a connection dropped from the event loop",
        sockets: Vec::new(),
    }
}

#[test]
fn close_wait() {
    for (groups, wanted) in [
        (vec![], Verdict::Ok),
        (vec![leak(1, None)], Verdict::Watch),
        (vec![leak(99, Some(0))], Verdict::Watch),
        (vec![leak(100, None)], Verdict::Act),
        (vec![leak(50, None), leak(50, None)], Verdict::Act),
        (vec![leak(2, Some(1))], Verdict::Act),
        (vec![leak(2, Some(-1))], Verdict::Watch),
    ] {
        let leaky = Place { leaks: Ok(groups), ..place(&[], Sockets::default()) };
        let advice = row(Row::CloseWait, &host(), &leaky);
        assert_eq!(advice.verdict, wanted, "{leaky:?}");
        assert!(advice.settings.is_empty(), "no setting helps");
        assert_eq!(advice.finding.contains("api/9"), wanted != Verdict::Ok);
    }
}

#[test]
fn keepalive() {
    let idle = |count| Sockets { idle: IdleSockets { count, ..IdleSockets::default() }, ..Sockets::default() };
    for (count, wanted) in [(0, Verdict::Ok), (1, Verdict::Watch), (999, Verdict::Watch), (1000, Verdict::Act)] {
        let advice = row(Row::Keepalive, &host(), &place(&[], idle(count)));
        assert_eq!((advice.verdict, advice.settings.len()), (wanted, 0));
    }
    let at = |ms, timer, inode| {
        let info = TcpDetail {
            last_data_sent_ms: ms,
            last_data_recv_ms: ms + 1,
            last_ack_recv_ms: ms,
            ..TcpDetail::default()
        };
        Snapshot { info: Some(info), timer, inode, ..snapshot(State::Established, 40_000, 80) }
    };
    let hour = 3_600_000;
    for (snapshot, count, with_timer) in [
        (at(hour, Timer::None, 5), 1, 0),
        (at(hour - 1, Timer::None, 5), 0, 0),
        (at(hour, Timer::Keepalive, 5), 0, 1),
        (at(hour, Timer::Retransmit, 5), 0, 0),
        (at(hour, Timer::None, 0), 0, 0),
    ] {
        let sockets = tally(&[snapshot]);
        assert_eq!((sockets.idle.count, sockets.idle.with_timer), (count, with_timer), "{snapshot:?}");
    }
    let mut named = place(&[], tally(&[at(hour, Timer::None, 5)]));
    named.holders.insert(5, (9, "api".to_owned()));
    let advice = row(Row::Keepalive, &host(), &named);
    assert!(advice.finding.contains("api/9 (1)"), "{}", advice.finding);
    assert_eq!(fact(&advice, "longest_idle_s"), Fact::Count(3600));
    named.sockets.as_mut().unwrap().idle.count = 9;
    let advice = row(Row::Keepalive, &host(), &named);
    assert_eq!(fact(&advice, "held_by_unseen"), Fact::Count(8), "those beyond the bound");
}
