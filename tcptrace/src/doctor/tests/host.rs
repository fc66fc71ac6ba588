//! Orphans, and what cannot be read.

use super::{
    Host, NETNS, Place, Row, Settings, Sockets, Value, Verdict, closes, fact, host, place, row, settings, verdict,
};
use crate::{
    doctor::{Counters, Moved, judge, keys},
    model::Fact,
};

fn counters(name: &'static str, value: u64) -> Counters {
    let mut counters = Counters::default();
    counters.set(name, value);
    counters
}

#[test]
fn orphan_retries() {
    let roomy = Host { max_orphans: Some(100_000), ..host() };
    for (value, orphans, on, wanted) in [
        ("0", 0, &roomy, Verdict::Ok),
        ("0", 99, &roomy, Verdict::Ok),
        ("0", 100, &roomy, Verdict::Watch),
        ("0", 999, &roomy, Verdict::Watch),
        ("0", 1000, &roomy, Verdict::Act),
        // A tenth of 1000.
        ("0", 99, &host(), Verdict::Ok),
        ("0", 100, &host(), Verdict::Act),
        ("4", 1000, &roomy, Verdict::Act),
        ("3", 1000, &roomy, Verdict::Watch),
        ("3", 0, &roomy, Verdict::Ok),
        ("2", 0, &roomy, Verdict::Watch),
        ("1", 0, &roomy, Verdict::Watch),
        ("-1", 0, &roomy, Verdict::Watch),
    ] {
        let sockets = Sockets { fin_unacked_orphans: orphans, ..Sockets::default() };
        let advice = row(Row::OrphanRetries, on, &place(&[(keys::ORPHAN_RETRIES, value)], sockets));
        assert_eq!(advice.verdict, wanted, "{value} {orphans}: {advice:?}");
        assert_eq!(advice.settings.is_empty(), wanted != Verdict::Act);
        assert!(advice.caveat.contains("not \"unlimited\""));
    }
    for (most_ms, wanted) in [
        (Value::Absent, Fact::Tenths(1022)),
        (Value::Is("1000".to_owned()), Fact::Tenths(74)),
        (Value::Is("120000".to_owned()), Fact::Tenths(1022)),
    ] {
        let mut own = place(&[], Sockets::default());
        own.settings.set(keys::RTO_MAX_MS, most_ms.clone());
        assert_eq!(fact(&row(Row::OrphanRetries, &host(), &own), "gives_up_after_s"), wanted, "{most_ms:?}");
    }
    let watched =
        Place { live: Ok(super::Closes { fin_retransmits: 7, ..closes(1) }), ..place(&[], Sockets::default()) };
    assert_eq!(fact(&row(Row::OrphanRetries, &host(), &watched), "fin_retransmits_seen"), Fact::Count(7));
}

#[test]
fn max_orphans() {
    let plain = place(&[], Sockets::default());
    let on =
        |orphans, peak, pages| Host { orphans: Some(orphans), orphans_peak: peak, mem_pages: Some(pages), ..host() };
    for (orphans, peak, pages, wanted) in [
        (0, None, 0, Verdict::Ok),
        // Four times 250 is not more than 1000.
        (250, None, 0, Verdict::Ok),
        (251, None, 0, Verdict::Watch),
        (1000, None, 0, Verdict::Watch),
        (1001, None, 0, Verdict::Act),
        (0, Some(251), 0, Verdict::Watch),
        (0, Some(1001), 0, Verdict::Act),
        (0, None, 200, Verdict::Ok),
        (0, None, 201, Verdict::Watch),
        (0, None, 300, Verdict::Watch),
        (0, None, 301, Verdict::Act),
    ] {
        let advice = row(Row::MaxOrphans, &on(orphans, peak, pages), &plain);
        assert_eq!(advice.verdict, wanted, "{orphans} {peak:?} {pages}");
        assert_eq!(advice.netns, None);
        let raises = advice.settings.iter().any(|setting| setting.key == keys::MAX_ORPHANS);
        assert_eq!(raises, orphans.max(peak.unwrap_or(0)) > 1000);
    }
    let aborted = Place { counters: counters(keys::ABORT_ON_MEMORY, 1), ..plain.clone() };
    assert_eq!(verdict(Row::MaxOrphans, &host(), &aborted), Verdict::Watch);
    let moved = |count| Some(Moved { ns: 1_000_000_000, by: counters(keys::ABORT_ON_MEMORY, count) });
    let moving = Place { moved: moved(1), ..aborted.clone() };
    assert_eq!(verdict(Row::MaxOrphans, &host(), &moving), Verdict::Act);
    assert_eq!(verdict(Row::MaxOrphans, &host(), &Place { moved: moved(0), ..aborted }), Verdict::Watch);
    // Whatever it is that cannot be read, nothing is made of it.
    let advice = row(Row::MaxOrphans, &Host { mem_limits_pages: None, ..host() }, &plain);
    assert!(advice.caveat.contains("tcp_mem is not known"), "{}", advice.caveat);
    assert!(advice.finding.contains("exceeding a limit is not known"), "{}", advice.finding);
    for blind in [Host { max_orphans: None, ..host() }, Host { orphans: None, ..host() }] {
        assert_eq!(verdict(Row::MaxOrphans, &blind, &plain), Verdict::Unknown);
    }
}

#[test]
fn fin_timeout() {
    let sockets =
        |fin_wait2_orphans, fin_wait2_held| Sockets { fin_wait2_orphans, fin_wait2_held, ..Sockets::default() };
    for (seconds, orphans, held, wanted) in [
        ("60", 0, 0, Verdict::Ok),
        ("61", 0, 0, Verdict::Watch),
        ("60", 0, 99, Verdict::Ok),
        ("60", 0, 100, Verdict::Watch),
        ("60", 999, 0, Verdict::Ok),
        ("60", 1000, 0, Verdict::Watch),
        // Half of 131,072.
        ("60", 65_535, 0, Verdict::Watch),
        ("60", 65_536, 0, Verdict::Act),
        ("21", 65_536, 0, Verdict::Act),
        ("20", 65_536, 0, Verdict::Watch),
    ] {
        let place = place(&[(keys::FIN_TIMEOUT, seconds)], sockets(orphans, held));
        assert_eq!(verdict(Row::FinTimeout, &host(), &place), wanted, "{seconds} {orphans} {held}");
    }
    let mut named = place(&[], Sockets { fin_wait2_inodes: vec![5, 6, 7], ..sockets(0, 3) });
    named.holders.extend([(5, (9, "api".to_owned())), (6, (9, "api".to_owned()))]);
    let advice = row(Row::FinTimeout, &host(), &named);
    assert!(advice.finding.ends_with("hold them: api/9 (2), processes that are not known (1)"), "{}", advice.finding);
    assert_eq!(fact(&advice, "held_by_unseen"), Fact::Count(1));
}

/// What a row cannot do without.
#[test]
fn unread_settings_are_unknown() {
    for (row, key) in [
        (Row::OrphanRetries, keys::ORPHAN_RETRIES),
        (Row::FinTimeout, keys::FIN_TIMEOUT),
        (Row::TimeWait, keys::MAX_TW_BUCKETS),
        (Row::EphemeralPorts, keys::PORT_RANGE),
        (Row::EphemeralPorts, keys::RESERVED_PORTS),
        (Row::EphemeralPorts, keys::TW_REUSE),
        (Row::EphemeralPorts, keys::TIMESTAMPS),
        (Row::ShortConnections, keys::PORT_RANGE),
        (Row::TwReuse, keys::TW_REUSE),
        (Row::TwReuse, keys::TIMESTAMPS),
        (Row::Keepalive, keys::KEEPALIVE_TIME),
        (Row::Keepalive, keys::KEEPALIVE_PROBES),
        (Row::SynSide, keys::SYNCOOKIES),
    ] {
        for value in
            [Value::Absent, Value::Unreadable("permission denied".to_owned()), Value::Is("nonsense".to_owned())]
        {
            let mut blind = place(&[], Sockets::default());
            blind.settings.set(key, value.clone());
            let advice = super::row(row, &host(), &blind);
            assert_eq!(advice.verdict, Verdict::Unknown, "{row:?} {value:?}");
            assert!(advice.finding.contains(key), "{}", advice.finding);
            assert!(advice.settings.is_empty());
        }
    }
}

#[test]
fn unseen_sockets_are_unknown() {
    let blind = Place {
        sockets: Err("no permission".to_owned()),
        leaks: Err("no permission".to_owned()),
        ..place(&[], Sockets::default())
    };
    for row in Row::ALL {
        let wanted = match row {
            Row::MaxOrphans | Row::TwRecycle | Row::Persistence => Verdict::Ok,
            _ => Verdict::Unknown,
        };
        assert_eq!(verdict(row, &host(), &blind), wanted, "{row:?}");
    }
    let few = Place { settings: settings(&[(keys::ORPHAN_RETRIES, "1")]), ..blind.clone() };
    assert_eq!(verdict(Row::OrphanRetries, &host(), &few), Verdict::Watch, "too few whatever there is");
    let nothing = Place { settings: Settings::default(), ..blind };
    assert_eq!(verdict(Row::Persistence, &host(), &nothing), Verdict::Unknown);
}

#[test]
fn what_is_of_the_host_comes_once() {
    let two = [place(&[], Sockets::default()), Place { netns: 7, ..place(&[], Sockets::default()) }];
    let advice = judge(&host(), &two, &Row::ALL);
    assert_eq!(advice.len(), 13 + 11);
    assert_eq!(advice.iter().filter(|one| one.netns.is_none()).count(), 2);
    assert_eq!(advice.iter().filter(|one| one.netns == Some(NETNS)).count(), 11);
    let one = judge(&host(), &two, &[Row::TimeWait]);
    assert_eq!(one.iter().map(|one| one.netns).collect::<Vec<_>>(), [Some(NETNS), Some(7)]);
    assert_eq!(settings(&[]).number(keys::FIN_TIMEOUT), Some(60));
    // Also where there is no namespace, as in a capture of nothing.
    let nowhere = judge(&Host::default(), &[], &Row::ALL);
    assert_eq!(nowhere.iter().map(|one| one.row).collect::<Vec<_>>(), [Row::MaxOrphans, Row::TwRecycle]);
    assert!(nowhere.iter().all(|one| one.verdict == Verdict::Unknown), "{nowhere:?}");
}

#[test]
fn commands_for_another_namespace_say_so() {
    let there =
        Place { way: Some("/proc/7/ns/net".to_owned()), ..place(&[(keys::MAX_TW_BUCKETS, "0")], Sockets::default()) };
    let advice = row(Row::TimeWait, &host(), &there);
    assert_eq!(advice.commands, ["nsenter --net=/proc/7/ns/net sysctl -w net.ipv4.tcp_max_tw_buckets=65536"]);
    let odd = Place { way: Some("/run/netns/a b';x".to_owned()), ..there.clone() };
    let command = "nsenter --net='/run/netns/a b'\\'';x' sysctl -w net.ipv4.tcp_max_tw_buckets=65536";
    assert_eq!(row(Row::TimeWait, &host(), &odd).commands, [command]);
    let many = Sockets { unsendable: 1, ..Sockets::default() };
    let there = Place { sockets: Ok(many), ..there };
    let advice = row(Row::UnsendableFin, &host(), &there);
    assert_eq!(advice.commands, [format!("tcptrace stuck --netns {NETNS}")]);
    let named = Place { name: Some("a b".to_owned()), ..there };
    assert_eq!(row(Row::UnsendableFin, &host(), &named).commands, ["tcptrace stuck --netns 'a b'"]);
}
