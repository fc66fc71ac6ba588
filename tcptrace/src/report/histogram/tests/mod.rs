mod bounds;
mod keys;

use super::*;
use crate::model::{
    CgroupName, Comm, Endpoint, Identity, NetnsName, Outcome, Owner, OwnerSource, Phase, Phases, Retransmits, Role,
    SocketKey,
};

fn close(comm: &str, remote: [u8; 4], ns: u64) -> Close {
    let mut addr = [0; 16];
    addr[..4].copy_from_slice(&remote);
    let local = Endpoint::from_bytes([127; 16], false, 443);
    let mut phases = Phases::default();
    phases.set(Phase::FinWait2, Some(ns));
    Close {
        end_ns: 1_000,
        socket: Identity { key: SocketKey(1), netns: 7, local, remote: Endpoint::from_bytes(addr, false, 50_000) },
        role: Role::Active,
        outcome: Outcome::Fin,
        reason: None,
        owner: Some(Owner { pid: 1, comm: Comm::from_name(comm), cgroup_id: 5, source: OwnerSource::Close }),
        phases,
        close_ns: Some(ns + 10),
        orphan: false,
        mptcp: false,
        three_way: None,
        complete: true,
        retransmits: Retransmits::default(),
        totals: None,
        lifetime_ns: None,
        bound_if: 0,
    }
}

fn histograms(ofs: &[Of], bys: &[By]) -> Histograms {
    Histograms::new(Config { ofs: ofs.to_vec(), bys: bys.to_vec(), ..Config::default() })
}

fn config(bys: &[By]) -> Config {
    Config { bys: bys.to_vec(), ..Config::default() }
}

fn text(value: &KeyValue) -> String {
    match value {
        KeyValue::Unknown => "?".to_owned(),
        KeyValue::Text(text) => text.clone(),
        KeyValue::Number(number) => number.to_string(),
        KeyValue::Netns(inode, name) => name.clone().unwrap_or_else(|| inode.to_string()),
    }
}

/// Key and count of each row.
fn rows(split: &Split) -> Vec<(String, u64)> {
    let key = |row: &Row| row.key.iter().map(text).collect::<Vec<_>>().join(" ");
    split.rows.iter().map(|row| (key(row), row.distribution.count())).collect()
}

fn counts(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
}

#[test]
fn each_duration_has_its_values() {
    let mut found = histograms(&Of::ALL, &[]);
    found.record(&close("a", [10, 0, 0, 1], 300), 0, 1, &Context::default());
    let view = found.interval(2_000, &[]);
    let measured: Vec<_> = view
        .splits
        .iter()
        .filter(|split| split.all.count() > 0)
        .map(|split| (split.of.as_str(), split.all.max_ns()))
        .collect();
    assert_eq!(measured, [("fin_wait2", 300), ("close", 310), ("remote_app", 300)]);
    assert!(view.splits.iter().all(|split| split.rows.len() == 1 && split.remainder.is_none()));
}

#[test]
fn words_are_read_back() {
    for of in Of::ALL {
        assert_eq!(of.as_str().parse(), Ok(of));
    }
    assert_eq!(["local-app", "local_app"].map(str::parse), [Ok(Of::LocalApp), Ok(Of::LocalApp)]);
    assert!("closed".parse::<Of>().unwrap_err().contains("fin-wait1, fin-wait2"));
}

#[test]
fn intervals_add_up_to_the_total() {
    let bys = [By::Process, By::RemoteAddr(Prefix::WHOLE)];
    let mut split = Histograms::new(Config { top: 1_000, ..config(&bys) });
    let mut whole = split.clone();
    let mut number = 12_345_u64;
    for turn in 0..5_000 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [a, b, .., c] = number.to_be_bytes();
        let close = close(["nginx", "envoy", "curl"][usize::from(a % 3)], [10, 0, 0, b % 16], number >> (20 + c % 30));
        split.record(&close, 0, 1 + u64::from(b), &Context::default());
        whole.record(&close, 0, 1 + u64::from(b), &Context::default());
        if turn % 97 == 0 {
            split.next_interval(turn);
        }
    }
    let (split, whole) = (split.total(9_000, &[]), whole.total(9_000, &[]));
    assert_eq!(rows(&split.splits[0]), rows(&whole.splits[0]));
    assert_eq!(rows(&split.splits[0]).len(), 48);
    for (a, b) in split.splits[0].rows.iter().zip(&whole.splits[0].rows) {
        assert_eq!(a.distribution.quantiles(), b.distribution.quantiles());
        assert!(a.distribution.buckets().eq(b.distribution.buckets()));
    }
}

#[test]
fn the_interval_begins_anew_and_the_total_goes_on() {
    let mut found = histograms(&[Of::Close], &[]);
    found.begin(500);
    found.record(&close("a", [10, 0, 0, 1], 300), 0, 1, &Context::default());
    assert_eq!(found.interval(2_000, &[]).splits[0].all.count(), 1);
    found.next_interval(2_000);
    found.record(&close("a", [10, 0, 0, 1], 400), 0, 1, &Context::default());
    found.record(&close("a", [10, 0, 0, 1], 500), 0, 1, &Context::default());
    let view = found.interval(3_000, &[]);
    assert_eq!((view.from_ns, view.to_ns, view.splits[0].all.count()), (2_000, 3_000, 2));
    let view = found.total(3_500, &[]);
    assert_eq!((view.span, view.from_ns, view.to_ns, view.splits[0].all.count()), (SpanKind::Total, 500, 3_500, 3));
    assert_eq!(found.heat(Of::Close, 3_500), None, "nobody asked for it");
}

#[test]
fn the_heat_map_has_every_close_of_a_duration_once() {
    let mut found = Histograms::new(Config { heat_ns: Some(1_000), ..config(&[By::Process]) });
    found.begin(500);
    for turn in 0..50 {
        found.record(&close("a", [10, 0, 0, 1], 300), 0, 2, &Context::default());
        found.record(&aborted(), 0, 1, &Context::default());
        found.next_interval(600 + turn);
    }
    let heat = found.heat(Of::Close, 3_500).unwrap();
    assert_eq!((heat.columns.first().unwrap().from_ns, heat.columns.last().unwrap().to_ns), (500, 3_500));
    assert_eq!(heat.columns.iter().map(|column| column.counts.0.iter().sum::<u64>()).sum::<u64>(), 100);
    assert_eq!(found.heat(Of::Network, 3_500), None);
}

fn aborted() -> Close {
    let close = close("b", [10, 0, 0, 2], 0);
    let reason = Some(crate::model::Reason::Linger0);
    Close { role: Role::Abort, outcome: Outcome::ResetSent, reason, phases: Phases::default(), ..close }
}

#[test]
fn closes_without_a_duration_have_rows_and_count_for_their_rank() {
    let record = |ofs: &[Of]| {
        let mut found = Histograms::new(Config { top: 1, ofs: ofs.to_vec(), ..config(&[By::Outcome, By::Reason]) });
        found.begin(0);
        (0..3).for_each(|_| found.record(&aborted(), 0, 1, &Context::default()));
        (0..2).for_each(|_| found.record(&close("a", [10, 0, 0, 1], 300), 0, 1, &Context::default()));
        found.total(1_000_000_000, &[])
    };
    let view = record(&[Of::Close, Of::RemoteApp]);
    for split in &view.splits {
        let [row] = split.rows.as_slice() else { panic!("{split:?}") };
        let key: Vec<String> = row.key.iter().map(text).collect();
        assert_eq!((key.as_slice(), row.without), (["reset_sent".to_owned(), "linger_0".to_owned()].as_slice(), 3));
        assert_eq!((split.closes(), view.length_ns()), (5, 1_000_000_000));
    }
    let view = record(&[Of::RemoteApp]);
    assert_eq!(
        rows(&view.splits[0]),
        counts(&[("fin none", 2)]),
        "who has the duration that was asked for comes first"
    );
}

#[test]
fn what_the_connection_had_before_it_closed() {
    let mut found = histograms(&[Of::Lifetime, Of::Srtt], &[]);
    let totals = |srtt_us| Some(crate::model::Totals { srtt_us, ..Default::default() });
    let known = Close { lifetime_ns: Some(700), totals: totals(30), ..close("a", [10, 0, 0, 1], 300) };
    found.record(&known, 0, 1, &Context::default());
    found.record(&Close { lifetime_ns: None, totals: totals(0), ..known }, 0, 1, &Context::default());
    let view = found.total(2_000, &[]);
    let measured: Vec<_> = view.splits.iter().map(|split| (split.all.max_ns(), split.without)).collect();
    assert_eq!(measured, [(700, 1), (30_000, 1)]);
}

#[test]
fn samples_have_an_error() {
    let mut found = histograms(&[Of::Close], &[]);
    found.record(&close("a", [10, 0, 0, 1], 300), 0, 1, &Context::default());
    let view = found.interval(2_000, &[]);
    assert_eq!(view.count_error(&view.splits[0].all), 0, "nothing was left out");
    found.next_interval(2_000);
    (0..1_000).for_each(|_| found.record(&close("a", [10, 0, 0, 1], 300), 0, 17, &Context::default()));
    let view = found.interval(3_000, &[]);
    assert_eq!((view.sample_one_in, view.splits[0].all.count()), (17, 17_000));
    // 1.92 * 16 + 1.96 * sqrt(16 * 17,000 + 0.96 * 17 * 16)
    assert_eq!(view.count_error(&view.splits[0].all), 1_052);
    assert_eq!(view.count_error(&Distribution::default()), 61, "what is not in the sample may still have been there");
    found.next_interval(3_000);
    let view = found.interval(4_000, &[]);
    assert_eq!((view.sample_one_in, view.count_error(&view.splits[0].all)), (17, 61), "an interval without closes");
}

#[test]
fn errors_of_hosts_add_up() {
    let mut found = histograms(&[Of::Close], &[By::Process]);
    found.sampled(10);
    (0..100_000).for_each(|_| found.record(&close("all", [10, 0, 0, 1], 300), 0, 1, &Context::default()));
    (0..1_000).for_each(|_| found.record(&close("some", [10, 0, 0, 1], 300), 1, 10, &Context::default()));
    let view = found.interval(2_000, &[]);
    let [all, some] = view.splits[0].rows.as_slice() else { panic!("{:?}", rows(&view.splits[0])) };
    // 1.92 * 9 + 1.96 * sqrt(V + 0.96 * 10 * 9)
    assert_eq!(view.count_error(&all.distribution), 35, "as many may have been missed on the other host");
    assert_eq!(view.count_error(&some.distribution), 605);
    assert_eq!((view.splits[0].all.count(), view.count_error(&view.splits[0].all)), (110_000, 605));
}

#[test]
fn closes_that_are_not_in_it_are_counted() {
    let mut found = histograms(&[Of::Close, Of::Phase(Phase::FinWait2)], &[By::Outcome]);
    let usual = close("a", [10, 0, 0, 1], 300);
    let half = Close { close_ns: None, ..usual };
    let (role, outcome) = (Role::Abort, Outcome::ResetSent);
    let aborted = Close { role, outcome, phases: Phases::default(), close_ns: Some(0), ..usual };
    for close in [usual, usual, half, aborted, aborted] {
        found.record(&close, 0, 3, &Context::default());
    }
    found.next_interval(2_000);
    let view = found.total(3_000, &[]);
    let without = |split: &Split| split.rows.iter().map(|row| (text(&row.key[0]), row.without)).collect::<Vec<_>>();
    let [closes, phases] = view.splits.as_slice() else { panic!("two were asked for") };
    assert_eq!((closes.all.count(), closes.without, phases.all.count(), phases.without), (6, 9, 9, 6));
    assert_eq!(without(closes), [("fin".to_owned(), 3), ("reset_sent".to_owned(), 6)]);
    assert_eq!(without(phases), [("fin".to_owned(), 0), ("reset_sent".to_owned(), 6)]);
    let mut one = histograms(&[Of::Close], &[]);
    one.record(&aborted, 0, 1, &Context::default());
    let split = &one.interval(2_000, &[]).splits[0];
    assert_eq!((split.all.count(), split.without, split.rows[0].without), (0, 1, 1));
}

#[test]
fn coarse_buckets_begin_at_their_edge() {
    let mut distribution = Distribution::default();
    for ns in [0, 999, 1_000, 999_999_999, 1_000_000_000, 60_000_000_000, u64::MAX] {
        distribution.record(ns, 1);
    }
    let coarse = Coarse::of(&distribution);
    let held: Vec<_> =
        coarse.0.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, _)| edges_ns(at)).collect();
    let (s, m, h) = (1_000_000_000, 60_000_000_000, 3_600_000_000_000);
    // 999,999,999 shares its bucket with 1 s.
    assert_eq!(held, [(0, Some(1_000)), (1_000, Some(2_000)), (s, Some(2 * s)), (m, Some(2 * m)), (24 * h, None)]);
    assert_eq!((coarse.0.iter().sum::<u64>(), coarse.range()), (7, Some((0, COARSE - 1))));
}
