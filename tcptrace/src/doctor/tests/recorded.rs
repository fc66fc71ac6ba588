//! What a capture tells.

use super::{NETNS, Row, State, Timer, Verdict, fact, processes::close, snapshot};
use crate::{
    doctor::{Recorded, judge},
    model::{
        Advice, DumpAt, DumpMark, Fact, HostInfo, Input, NetnsFacts, NetnsName, Output, Role, Sighting, Snapshot,
        StateSet, TcpDetail,
    },
};

fn facts(time_ns: u64, overflow: u64) -> Input {
    Input::Netns(Box::new(NetnsFacts {
        time_ns,
        netns: NETNS,
        orphan_retries: Some(0),
        fin_timeout_s: Some(60),
        max_tw_buckets: Some(131_072),
        tw_reuse: Some(2),
        timewait_overflow: Some(overflow),
        timestamps: Some(1),
        syncookies: Some(1),
        max_orphans: Some(1000),
        orphans: Some(if time_ns == 1 { 300 } else { 0 }),
        port_low: Some(40_000),
        port_high: Some(40_099),
        reserved_in_range: Some(0),
        timewait_recycled: Some(0),
        keepalive_time_s: Some(7200),
        keepalive_interval_s: Some(75),
        keepalive_probes: Some(9),
        mem_pages: Some(1),
        mem_pressure_pages: Some(200),
        mem_limit_pages: Some(300),
        ..NetnsFacts::default()
    }))
}

fn mark(at: DumpAt) -> Input {
    Input::Dump(DumpMark { time_ns: 1, netns: NETNS, states: StateSet::CLOSING, at })
}

fn stuck() -> Input {
    let info = TcpDetail { snd_wnd_bytes: Some(0), notsent_bytes: 5, snd_mss_bytes: 1000, ..TcpDetail::default() };
    let snapshot = Snapshot {
        timer: Timer::Probe,
        inode: 0,
        send_queue_bytes: 5,
        info: Some(info),
        ..snapshot(State::FinWait1, 40_000, 80)
    };
    Input::Sighting(Box::new(Sighting { snapshot, holders: None, asked: false }))
}

fn judged(inputs: &[Input]) -> Vec<Advice> {
    let mut recorded = Recorded::default();
    inputs.iter().for_each(|input| recorded.input(input));
    let (host, places) = recorded.facts(&[], 1_000_000_000, 0);
    judge(&host, &places, &Row::ALL)
}

fn of(advice: &[Advice], row: Row) -> &Advice {
    advice.iter().find(|one| one.row == row).unwrap()
}

#[test]
fn a_row_knows_what_the_capture_knows() {
    let inputs = [facts(1, 0), mark(DumpAt::Begin), stuck(), mark(DumpAt::End), facts(1_000_000_001, 0)];
    let advice = judged(&inputs);
    for (row, verdict) in [
        (Row::OrphanRetries, Verdict::Ok),
        (Row::UnsendableFin, Verdict::Watch),
        // At its peak, 300 were more than a quarter.
        (Row::MaxOrphans, Verdict::Watch),
        (Row::FinTimeout, Verdict::Ok),
        (Row::TimeWait, Verdict::Unknown),
        (Row::EphemeralPorts, Verdict::Unknown),
        (Row::TwReuse, Verdict::Unknown),
        (Row::TwRecycle, Verdict::Unknown),
        (Row::ShortConnections, Verdict::Ok),
        (Row::CloseWait, Verdict::Ok),
        (Row::Keepalive, Verdict::Unknown),
        (Row::SynSide, Verdict::Unknown),
        (Row::Persistence, Verdict::Unknown),
    ] {
        assert_eq!(of(&advice, row).verdict, verdict, "{:?}", of(&advice, row));
    }
    assert_eq!(fact(of(&advice, Row::UnsendableFin), "orphans"), Fact::Count(1));
    let moved = judged(&[facts(1, 0), mark(DumpAt::Begin), mark(DumpAt::End), facts(1_000_000_001, 3)]);
    let time_wait = of(&moved, Row::TimeWait);
    assert_eq!(time_wait.verdict, Verdict::Act, "the counter moved");
    assert_eq!(fact(time_wait, "timewait_sockets"), Fact::Unknown);
}

/// One close in TIME_WAIT at the end of the capture takes a port; what else does is not in it.
#[test]
fn closes_of_a_capture_keep_ports() {
    let ports = |count: u64, end_ns, lifetime_ns, inputs: &[Input]| {
        let mut recorded = Recorded::default();
        for _ in 0..count {
            let close = crate::model::Close { end_ns, ..close(Role::Active, lifetime_ns, 40_001) };
            recorded.output(&Output::Close(close));
        }
        inputs.iter().for_each(|input| recorded.input(input));
        let (host, places) = recorded.facts(&[], 60_000_000_000, 0);
        judge(&host, &places, &Row::ALL)
    };
    let minute = 60_000_000_000;
    let whole = [facts(1, 0), mark(DumpAt::Begin), mark(DumpAt::End), facts(minute, 0)];
    let overflown = [facts(1, 0), mark(DumpAt::Begin), mark(DumpAt::End), facts(minute, 1)];
    for (count, end_ns, lifetime_ns, inputs, wanted) in [
        (49, minute - 50_000_000_000, Some(5), &whole, Verdict::Unknown),
        (50, minute - 50_000_000_000, Some(5), &whole, Verdict::Watch),
        (80, minute - 50_000_000_000, Some(5), &whole, Verdict::Act),
        // Over, of an age that nobody saw, or refused.
        (80, 1, Some(5), &whole, Verdict::Unknown),
        (80, minute, None, &whole, Verdict::Unknown),
        (80, minute, Some(5), &overflown, Verdict::Unknown),
    ] {
        let advice = ports(count, end_ns, lifetime_ns, inputs);
        for row in [Row::EphemeralPorts, Row::TwReuse] {
            assert_eq!(of(&advice, row).verdict, wanted, "{count} {end_ns} {:?}", of(&advice, row));
        }
    }
    let advice = ports(80, minute, Some(5), &whole);
    assert!(of(&advice, Row::EphemeralPorts).finding.starts_with("at least 80 of 100 ports"));
    let waits = of(&advice, Row::TimeWait);
    assert!(waits.finding.contains("at least 80 of 131072") && waits.finding.contains("to port 80"), "{waits:?}");
    assert_eq!(waits.verdict, Verdict::Unknown, "what is open is not in a capture");
}

/// What was left out at the source is not known.
#[test]
fn filters_and_samples_make_it_unknown() {
    for host in [
        HostInfo { filters: "--port 80".to_owned(), ..HostInfo::default() },
        HostInfo { sample_one_in: 10, ..HostInfo::default() },
    ] {
        let inputs = [Input::Host(host), facts(1, 0), mark(DumpAt::Begin), stuck(), mark(DumpAt::End)];
        let advice = judged(&inputs);
        for row in [Row::OrphanRetries, Row::UnsendableFin, Row::CloseWait, Row::ShortConnections] {
            assert_eq!(of(&advice, row).verdict, Verdict::Unknown, "{row:?}");
        }
    }
}

/// Of a namespace that was let pass nothing was left out; of others all was.
#[test]
fn a_capture_of_one_namespace() {
    let recorded = |filters: &str, seen: bool| {
        let host = Input::Host(HostInfo { filters: filters.to_owned(), ..HostInfo::default() });
        let mut recorded = Recorded::default();
        for input in [host, facts(1, 0), mark(DumpAt::Begin), stuck(), mark(DumpAt::End)] {
            recorded.input(&input);
        }
        if seen {
            recorded.output(&Output::Close(close(Role::Active, None, 40_001)));
        }
        let (host, places) = recorded.facts(&[], 1_000_000_000, 0);
        of(&judge(&host, &places, &Row::ALL), Row::UnsendableFin).verdict
    };
    for (filters, seen, wanted) in [
        ("--netns blue", true, Verdict::Watch),
        ("--netns blue --netns 7", true, Verdict::Watch),
        ("--netns blue", false, Verdict::Unknown),
        ("--netns blue --port 80", true, Verdict::Unknown),
        ("--port 80", true, Verdict::Unknown),
        ("--netns", true, Verdict::Unknown),
        ("--netns --port", true, Verdict::Unknown),
    ] {
        assert_eq!(recorded(filters, seen), wanted, "{filters} {seen}");
    }
}

/// One that broke off, or was of some states only, tells nothing.
#[test]
fn a_dump_counts_when_it_is_whole() {
    let broken = [facts(1, 0), mark(DumpAt::Begin), stuck(), mark(DumpAt::BrokeOff)];
    let foreign = [facts(1, 0), stuck()];
    for inputs in [&broken[..], &foreign] {
        assert_eq!(of(&judged(inputs), Row::UnsendableFin).verdict, Verdict::Unknown);
        assert_eq!(of(&judged(inputs), Row::CloseWait).verdict, Verdict::Unknown, "older leaks do not show");
    }
}

#[test]
fn a_namespace_is_called_what_it_was_called_last() {
    let name = |name: &str| Input::NetnsName(NetnsName { netns: NETNS, name: name.to_owned() });
    let names = ["web".to_owned(), String::new()];
    for (told, called) in [(&["web"][..], Some("web")), (&["db", "web"], Some("web")), (&["web", ""], None)] {
        let mut recorded = Recorded::default();
        recorded.input(&facts(1, 0));
        told.iter().for_each(|word| recorded.input(&name(word)));
        let (_, places) = recorded.facts(&[], 1, 0);
        assert_eq!(places[0].name.as_deref(), called, "{told:?}");
        assert_eq!(recorded.named(&names).collect::<Vec<_>>(), called.map(|_| NETNS).into_iter().collect::<Vec<_>>());
    }
}
