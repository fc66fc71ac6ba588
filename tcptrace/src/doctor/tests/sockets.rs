//! TIME_WAIT, ports, FINs that wait: what a dump counts, and what rules make of it.

use super::{
    Host, Place, Row, Snapshot, Sockets, State, TcpDetail, Timer, Verdict, fact, host, place, row, snapshot, tally,
    verdict,
};
use crate::{
    doctor::{Counters, FullQueue, ListenPort, Moved, PortUse, Tuple, keys},
    model::Fact,
};

fn counters(name: &'static str, value: u64) -> Counters {
    let mut counters = Counters::default();
    counters.set(name, value);
    counters
}

#[test]
fn time_wait() {
    let of = |limit: &str, time_wait, overflow, moved: Option<u64>| {
        let mut place = place(&[(keys::MAX_TW_BUCKETS, limit)], Sockets { time_wait, ..Sockets::default() });
        place.counters = counters(keys::TW_OVERFLOW, overflow);
        place.moved = moved.map(|by| Moved { ns: 10_000_000_000, by: counters(keys::TW_OVERFLOW, by) });
        row(Row::TimeWait, &host(), &place)
    };
    for (limit, count, overflow, moved, wanted) in [
        ("10000", 0, 0, None, Verdict::Ok),
        ("10000", 7999, 0, None, Verdict::Ok),
        ("10000", 8000, 0, None, Verdict::Watch),
        ("10000", 9999, 0, None, Verdict::Watch),
        ("10000", 10_000, 0, None, Verdict::Act),
        ("10000", 0, 1, None, Verdict::Watch),
        ("10000", 0, 1, Some(0), Verdict::Watch),
        ("10000", 0, 1, Some(1), Verdict::Act),
        ("4096", 0, 0, None, Verdict::Ok),
        ("4095", 0, 0, None, Verdict::Watch),
        ("1", 1, 1, None, Verdict::Act),
    ] {
        let advice = of(limit, count, overflow, moved);
        assert_eq!(advice.verdict, wanted, "{limit} {count} {overflow} {moved:?}");
        assert_eq!(advice.settings.len(), usize::from(wanted == Verdict::Act));
    }
    // 600 refused in 10 s: 60 a second, 3600 in a minute.
    let advice = of("100000", 100_000, 600, Some(600));
    assert_eq!(fact(&advice, "overflows_per_second"), Fact::Tenths(600));
    assert_eq!(advice.settings[0].value, "262144", "twice of what comes, as a power of two");
    let advice = of("100000", 1, 1, None);
    assert!(!advice.finding.contains("closed first"), "nothing to say: {}", advice.finding);
    // The setting is an int, and no more than a billion is ever advised.
    let advice = of("1000000000", 1_000_000_000, 1, Some(1));
    assert_eq!(advice.settings[0].value, "1073741824");
    let advice = of("2147483647", 5, 1, Some(1));
    assert_eq!((advice.verdict, advice.settings.len()), (Verdict::Act, 0), "{}", advice.advice);
    let full = Sockets { fin_wait2_orphans: 10_000, fin_wait2_full: 10_000, ..Sockets::default() };
    let full = place(&[(keys::MAX_TW_BUCKETS, "10000")], full);
    assert_eq!(verdict(Row::TimeWait, &host(), &full), Verdict::Ok, "full sockets take no bucket");
    let both = Sockets { time_wait: 4999, fin_wait2_orphans: 5001, ..Sockets::default() };
    assert_eq!(verdict(Row::TimeWait, &host(), &place(&[(keys::MAX_TW_BUCKETS, "10000")], both)), Verdict::Act);
}

fn to(destination: &str) -> Tuple {
    Tuple { source: "10.0.0.1".parse().unwrap(), destination: destination.parse().unwrap(), port: 80 }
}

fn used(tuple: Tuple, held: u64, time_wait: [u64; 6]) -> Sockets {
    Sockets { tuples: [(tuple, PortUse { held, time_wait })].into(), ..Sockets::default() }
}

/// A hundred ports.
const HUNDRED: (&str, &str) = (keys::PORT_RANGE, "40000 40099");

#[test]
fn ephemeral_ports() {
    let old = |count| [0, 0, 0, 0, 0, count];
    for (changes, destination, held, time_wait, wanted) in [
        (&[HUNDRED][..], "10.0.0.2", 0, old(0), Verdict::Ok),
        (&[HUNDRED], "10.0.0.2", 49, old(0), Verdict::Ok),
        (&[HUNDRED], "10.0.0.2", 50, old(0), Verdict::Watch),
        (&[HUNDRED], "10.0.0.2", 40, old(10), Verdict::Watch),
        (&[HUNDRED], "10.0.0.2", 79, old(0), Verdict::Watch),
        (&[HUNDRED], "10.0.0.2", 80, old(0), Verdict::Act),
        (&[HUNDRED], "10.0.0.2", 100, old(0), Verdict::Act),
        (&[HUNDRED], "10.0.0.2", 0, old(100), Verdict::Act),
        // 16 in 10 s are 96 in a minute, 17 are 102.
        (&[HUNDRED], "10.0.0.2", 0, [16, 0, 0, 0, 0, 0], Verdict::Ok),
        (&[HUNDRED], "10.0.0.2", 0, [17, 0, 0, 0, 0, 0], Verdict::Act),
        // Reuse on loopback, off, and everywhere.
        (&[HUNDRED], "127.0.0.1", 0, old(100), Verdict::Ok),
        (&[HUNDRED, (keys::TW_REUSE, "0")], "127.0.0.1", 0, old(100), Verdict::Act),
        (&[HUNDRED, (keys::TIMESTAMPS, "0")], "127.0.0.1", 0, old(100), Verdict::Act),
        (&[HUNDRED, (keys::TW_REUSE, "1")], "10.0.0.2", 0, old(100), Verdict::Ok),
        (&[HUNDRED, (keys::TW_REUSE, "1")], "10.0.0.2", 80, old(20), Verdict::Act),
        // Who closed less than a second ago, a tenth of the youngest, keeps the port also then.
        (&[HUNDRED, (keys::TW_REUSE, "1")], "10.0.0.2", 39, [100, 0, 0, 0, 0, 0], Verdict::Ok),
        (&[HUNDRED, (keys::TW_REUSE, "1")], "10.0.0.2", 40, [100, 0, 0, 0, 0, 0], Verdict::Watch),
        (
            &[HUNDRED, (keys::TW_REUSE, "1"), (keys::TW_REUSE_DELAY, "0")],
            "10.0.0.2",
            49,
            [100, 0, 0, 0, 0, 0],
            Verdict::Ok,
        ),
        (
            &[HUNDRED, (keys::TW_REUSE, "1"), (keys::TW_REUSE_DELAY, "25000")],
            "10.0.0.2",
            0,
            [20, 30, 59, 0, 0, 0],
            Verdict::Act,
        ),
        (
            &[HUNDRED, (keys::TW_REUSE, "1"), (keys::TW_REUSE_DELAY, "25000")],
            "10.0.0.2",
            0,
            [20, 30, 58, 0, 0, 0],
            Verdict::Watch,
        ),
        // 40 left.
        (&[HUNDRED, (keys::RESERVED_PORTS, "40000-40059")], "10.0.0.2", 31, old(0), Verdict::Watch),
        (&[HUNDRED, (keys::RESERVED_PORTS, "40000-40059")], "10.0.0.2", 32, old(0), Verdict::Act),
    ] {
        let advice = row(Row::EphemeralPorts, &host(), &place(changes, used(to(destination), held, time_wait)));
        assert_eq!(advice.verdict, wanted, "{changes:?} {destination} {held} {time_wait:?}: {}", advice.finding);
        let widens = advice.settings.iter().any(|setting| setting.value == "10240 65535");
        assert_eq!(widens, wanted != Verdict::Ok);
    }
    // 17 in 10 s are too many, unless no more than those 17 can be.
    for (limit, wanted) in [("18", Verdict::Act), ("17", Verdict::Ok)] {
        let sockets = Sockets { time_wait: 17, ..used(to("10.0.0.2"), 0, [17, 0, 0, 0, 0, 0]) };
        let limited = place(&[HUNDRED, (keys::MAX_TW_BUCKETS, limit)], sockets);
        assert_eq!(verdict(Row::EphemeralPorts, &host(), &limited), wanted, "{limit}");
    }
    for (tuples_not_counted, wanted) in [(49, Verdict::Ok), (50, Verdict::Unknown)] {
        let sockets = Sockets { tuples_not_counted, ..used(to("10.0.0.2"), 1, [0; 6]) };
        assert_eq!(verdict(Row::EphemeralPorts, &host(), &place(&[HUNDRED], sockets)), wanted);
    }
    let mut busy = used(to("10.0.0.2"), 99, [0; 6]);
    busy.listeners.insert(40_005, ListenPort::default());
    busy.listeners.insert(11_000, ListenPort::default());
    let advice = row(Row::EphemeralPorts, &host(), &place(&[HUNDRED, (keys::RESERVED_PORTS, "9")], busy));
    assert_eq!(fact(&advice, "usable_ports"), Fact::Count(99), "a listener's is out");
    assert_eq!(fact(&advice, "listeners_in_range"), Fact::Text("40005".to_owned()));
    assert!(advice.advice.contains("EADDRNOTAVAIL"), "{}", advice.advice);
    let values: Vec<&str> = advice.settings.iter().map(|setting| setting.value.as_str()).collect();
    assert_eq!(values, ["9,11000,40005", "10240 65535"], "what was reserved stays so, and comes first");
}

#[test]
fn tw_reuse() {
    let old = |count| [0, 0, 0, 0, 0, count];
    for (changes, waiting, wanted) in [
        (&[HUNDRED][..], 0, Verdict::Ok),
        (&[HUNDRED], 49, Verdict::Ok),
        (&[HUNDRED], 50, Verdict::Watch),
        (&[HUNDRED], 79, Verdict::Watch),
        (&[HUNDRED], 80, Verdict::Act),
        (&[HUNDRED, (keys::TW_REUSE, "1")], 80, Verdict::Ok),
        (&[HUNDRED, (keys::TW_REUSE, "0")], 80, Verdict::Act),
        (&[HUNDRED, (keys::TIMESTAMPS, "0")], 0, Verdict::Watch),
        (&[HUNDRED, (keys::TIMESTAMPS, "0"), (keys::TW_REUSE, "0")], 0, Verdict::Ok),
    ] {
        let advice = row(Row::TwReuse, &host(), &place(changes, used(to("10.0.0.2"), 0, old(waiting))));
        assert_eq!(advice.verdict, wanted, "{changes:?} {waiting}");
    }
    let mut older = place(&[], Sockets::default());
    older.settings.set(keys::TW_REUSE_DELAY, super::Value::Absent);
    let advice = row(Row::TwReuse, &host(), &older);
    assert_eq!((advice.verdict, fact(&advice, "tcp_tw_reuse_delay_ms")), (Verdict::Ok, Fact::Unknown));
}

fn waiting(timer: Timer, window: u32, queued: u32, inode: u32) -> Snapshot {
    let info = TcpDetail {
        snd_wnd_bytes: Some(window),
        notsent_bytes: if timer == Timer::Probe { queued } else { 0 },
        snd_mss_bytes: 1000,
        retrans_out: 1,
        retransmits: if timer == Timer::Probe { 0 } else { 2 },
        total_retrans: 2,
        send_memory_bytes: Some(queued * 2),
        ..TcpDetail::default()
    };
    Snapshot { timer, inode, send_queue_bytes: queued, info: Some(info), ..snapshot(State::FinWait1, 40_000, 80) }
}

#[test]
fn fins_that_wait() {
    let sockets = tally(&[
        waiting(Timer::Probe, 0, 5000, 0),
        waiting(Timer::Probe, 0, 5000, 7),
        waiting(Timer::Probe, 9000, 5000, 7),
        waiting(Timer::Retransmit, 9000, 1, 0),
    ]);
    assert_eq!((sockets.local_drop, sockets.unsendable_memory_bytes), (1, Some(30_000)));
    for (memory, wanted) in
        [(None, Verdict::Watch), (Some((64 << 20) - 1), Verdict::Watch), (Some(64 << 20), Verdict::Act)]
    {
        let sockets = Sockets { unsendable: 1, unsendable_memory_bytes: memory, ..Sockets::default() };
        assert_eq!(verdict(Row::UnsendableFin, &host(), &place(&[], sockets)), wanted, "{memory:?}");
    }
    assert_eq!((sockets.unsendable, sockets.unsendable_orphans, sockets.zero_window), (3, 1, 2));
    assert_eq!((sockets.unsendable_bytes, sockets.fin_unacked, sockets.fin_unacked_orphans), (15_000, 1, 1));
    assert_eq!(sockets.retransmits, 2);
    for (unsendable, bytes, wanted) in [
        (0, 0, Verdict::Ok),
        (1, 0, Verdict::Watch),
        (99, (64 << 20) - 1, Verdict::Watch),
        (100, 0, Verdict::Act),
        (1, 64 << 20, Verdict::Act),
    ] {
        let sockets = Sockets { unsendable, unsendable_bytes: bytes, ..Sockets::default() };
        assert_eq!(verdict(Row::UnsendableFin, &host(), &place(&[], sockets)), wanted, "{unsendable} {bytes}");
    }
    for (local_drop, wanted) in [(0, "TCP_USER_TIMEOUT"), (1, "TCP_USER_TIMEOUT"), (2, "firewall")] {
        let sockets = Sockets { unsendable: 2, local_drop, ..Sockets::default() };
        assert!(row(Row::UnsendableFin, &host(), &place(&[], sockets)).advice.contains(wanted), "{local_drop}");
    }
}

#[test]
fn a_dump_is_counted() {
    let listener = Snapshot { recv_queue_bytes: 6, send_queue_bytes: 5, ..snapshot(State::Listen, 50_000, 0) };
    let roomy = Snapshot { recv_queue_bytes: 5, send_queue_bytes: 5, ..snapshot(State::Listen, 8080, 0) };
    let orphan = Snapshot { inode: 0, timewait: true, ..snapshot(State::FinWait2, 40_003, 80) };
    let late = Snapshot { expires_ms: 1, ..snapshot(State::TimeWait, 40_002, 80) };
    let sockets = tally(&[
        listener,
        roomy,
        snapshot(State::TimeWait, 50_000, 999),
        snapshot(State::TimeWait, 8080, 999),
        snapshot(State::TimeWait, 40_001, 80),
        late,
        orphan,
        snapshot(State::FinWait2, 40_004, 80),
        snapshot(State::Established, 40_005, 80),
        snapshot(State::SynSent, 40_006, 80),
        snapshot(State::Established, 1000, 80),
    ]);
    assert_eq!((sockets.time_wait, sockets.time_wait_as_client), (4, 2));
    assert_eq!(sockets.time_wait_to, [(80, 2)].into());
    assert_eq!((sockets.timewait_sockets(), sockets.fin_wait2_full), (5, 0));
    let advice = row(Row::TimeWait, &host(), &place(&[], sockets.clone()));
    assert!(
        advice.finding.ends_with("as a client, this host closed 2 of them first, to port 80"),
        "{}",
        advice.finding
    );
    assert_eq!((sockets.fin_wait2_orphans, sockets.fin_wait2_held, sockets.established), (1, 1, 2));
    assert_eq!(sockets.full_queues, [FullQueue { port: 50_000, waiting: 6, limit: 5, inode: 77 }]);
    let ports: Vec<_> = sockets.tuples.values().collect();
    assert_eq!(ports, [&PortUse { held: 4, time_wait: [1, 0, 0, 0, 0, 1] }], "a server's ports are not ephemeral");
    assert_eq!(sockets.inodes(), [77]);
}

#[test]
fn syn_side() {
    let full = FullQueue { port: 80, waiting: 6, limit: 5, inode: 1 };
    let full = Sockets { full_queues: vec![full], ..Sockets::default() };
    let counted = |value| counters(keys::LISTEN_DROPS, value);
    let moved = |by| Some(Moved { ns: 1_000_000_000, by: counted(by) });
    let plain = Place { counters: counted(0), ..place(&[], Sockets::default()) };
    for (place, wanted) in [
        (plain.clone(), Verdict::Ok),
        (Place { counters: counted(1), ..plain.clone() }, Verdict::Watch),
        (Place { counters: counted(1), moved: moved(0), ..plain.clone() }, Verdict::Watch),
        (Place { counters: counted(1), moved: moved(1), ..plain.clone() }, Verdict::Act),
        (Place { counters: Counters::default(), ..plain.clone() }, Verdict::Unknown),
        (Place { counters: counted(0), ..place(&[(keys::SYNCOOKIES, "0")], Sockets::default()) }, Verdict::Watch),
        (Place { sockets: Ok(full), ..plain.clone() }, Verdict::Act),
        // Counters tell enough where sockets cannot be seen.
        (Place { sockets: Err("no".to_owned()), ..plain.clone() }, Verdict::Unknown),
        (Place { sockets: Err("no".to_owned()), counters: counted(1), moved: moved(1), ..plain.clone() }, Verdict::Act),
        (Place { counters: counters(keys::LISTEN_OVERFLOWS, 1), ..plain }, Verdict::Watch),
    ] {
        assert_eq!(verdict(Row::SynSide, &Host::default(), &place), wanted, "{place:?}");
    }
}
