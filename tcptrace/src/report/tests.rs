use super::*;
use crate::model::{
    Anomalies, Books, Endpoint, FindingReason, Identity, Phases, Reason, Retransmits, SocketKey, StuckCause, Totals,
};

fn socket() -> Identity {
    let end = |port| Endpoint::from_bytes([127; 16], false, port);
    Identity { key: SocketKey(1), netns: 1, local: end(1), remote: end(2) }
}

fn close(role: Role, phases: &[(Phase, u64)], close_ns: Option<u64>) -> Close {
    let mut known = Phases::default();
    for (phase, ns) in phases {
        known.set(*phase, Some(*ns));
    }
    Close {
        end_ns: 0,
        socket: socket(),
        role,
        outcome: Outcome::Fin,
        reason: None,
        owner: None,
        phases: known,
        close_ns,
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

fn finding(kind: FindingKind, status: FindingStatus) -> Output {
    Output::Finding(Finding {
        time_ns: 0,
        socket: socket(),
        kind,
        reason: FindingReason::Stuck(StuckCause::Unknown),
        status,
        age_ns: 1,
        age_is_lower_bound: false,
        may_be_over: false,
        retransmits: Retransmits::default(),
        orphan: Some(false),
        mptcp: false,
        owner: None,
        diagnosis: None,
        holders: None,
        bound_if: 0,
    })
}

fn summary(outputs: impl IntoIterator<Item = Output>) -> Summary {
    let mut report = Report::default();
    outputs.into_iter().for_each(|output| report.record(&output, 1));
    report.summary(Status::default(), Run::default())
}

/// Count and maximum of each latency that was measured.
fn measured(summary: &Summary) -> Vec<(&'static str, u64, u64)> {
    let some = summary.latency.iter().filter(|(_, latency)| latency.count > 0);
    some.map(|(name, latency)| (*name, latency.count, latency.max_ns)).collect()
}

fn nonzero(counts: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    counts.iter().copied().filter(|(_, n)| *n > 0).collect()
}

#[test]
fn nothing_gives_all_words_with_zeros() {
    let summary = summary([]);
    assert_eq!((summary.closes, summary.incomplete, summary.duration_ns), (0, 0, 0));
    assert_eq!(summary.by_role, Role::ALL.map(|role| (role.as_str(), 0)));
    assert_eq!(summary.by_outcome, Outcome::ALL.map(|outcome| (outcome.as_str(), 0)));
    assert_eq!(summary.findings, FindingKind::ALL.map(|kind| (kind.as_str(), 0)));
    let names: Vec<_> = summary.latency.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "fin_wait1",
            "fin_wait2",
            "closing",
            "close_wait",
            "last_ack",
            "close",
            "network",
            "ack_wait",
            "local_app",
            "remote_app"
        ]
    );
}

#[test]
fn every_word_counts_under_its_own_name() {
    for role in Role::ALL {
        let found = summary([Output::Close(close(role, &[], None))]);
        assert_eq!(nonzero(&found.by_role), [(role.as_str(), 1)]);
    }
    for outcome in Outcome::ALL {
        let found = summary([Output::Close(Close { outcome, ..close(Role::Active, &[], None) })]);
        assert_eq!(nonzero(&found.by_outcome), [(outcome.as_str(), 1)]);
    }
    for kind in FindingKind::ALL {
        let found = summary([finding(kind, FindingStatus::Raised), finding(kind, FindingStatus::Moved)]);
        assert_eq!(nonzero(&found.findings), [(kind.as_str(), 1)], "counted as it is raised");
    }
    let ended = summary([finding(FindingKind::LeakCloseWait, FindingStatus::Ended(Outcome::Fin))]);
    assert_eq!(nonzero(&ended.findings), []);
}

#[test]
fn who_resets_and_why_is_counted() {
    let reset = |comm: Option<&str>, reason| {
        let owner = comm.map(|comm| crate::model::Owner {
            pid: 1,
            comm: crate::model::Comm::from_name(comm),
            cgroup_id: 0,
            source: crate::model::OwnerSource::Close,
        });
        Output::Close(Close { outcome: Outcome::ResetSent, reason, owner, ..close(Role::Abort, &[], Some(0)) })
    };
    let linger = Some(crate::model::Reason::Linger0);
    let mut outputs = vec![Output::Close(close(Role::Active, &[], None)), reset(None, None)];
    outputs.extend((0..3).map(|_| reset(Some("haproxy"), linger)));
    outputs.extend((0..400).map(|number| reset(Some(&format!("w{number}")), linger)));
    let found = summary(outputs);
    let [many, one] = found.reasons.as_slice() else { panic!("{:?}", found.reasons) };
    assert_eq!((many.outcome, many.reason, many.closes, many.owners.len()), ("reset_sent", Some("linger_0"), 403, 10));
    assert_eq!((many.owners[0].0.unwrap().to_string(), many.owners[0].1), ("haproxy".to_owned(), 3));
    assert_eq!((many.other_owners, many.other_owners_is_at_least, many.other_closes), (246, true, 391));
    assert_eq!((one.reason, one.closes, one.owners.as_slice()), (None, 1, [(None, 1)].as_slice()));
}

#[test]
fn whose_time_it_was() {
    let found = summary([
        Output::Close(close(Role::Active, &[(Phase::FinWait1, 20), (Phase::FinWait2, 300)], Some(320))),
        Output::Close(close(Role::Passive, &[(Phase::CloseWait, 50), (Phase::LastAck, 7)], Some(57))),
        Output::Close(close(Role::Simultaneous, &[(Phase::FinWait1, 30), (Phase::Closing, 4)], Some(34))),
    ]);
    assert_eq!(
        measured(&found),
        [
            ("fin_wait1", 2, 30),
            ("fin_wait2", 1, 300),
            ("closing", 1, 4),
            ("close_wait", 1, 50),
            ("last_ack", 1, 7),
            ("close", 3, 320),
            ("network", 3, 34),
            ("local_app", 1, 50),
            ("remote_app", 1, 300),
        ]
    );
}

/// On a link of 50 us, 44 ms are not the network's but the peer's, who delays its ACK.
#[test]
fn a_delayed_ack_is_told_apart() {
    let slow = Close {
        totals: Some(Totals { srtt_us: 50, ..Totals::default() }),
        ..close(Role::Passive, &[(Phase::CloseWait, 1), (Phase::LastAck, 44_000_000)], Some(44_000_001))
    };
    assert_eq!(slow.ack_wait_ns(), Some(43_950_000));
    let quick = Close { totals: Some(Totals { srtt_us: 90_000, ..Totals::default() }), ..slow };
    assert_eq!(quick.ack_wait_ns(), Some(0), "no longer than a round trip");
    let none = [
        Close { totals: None, ..slow },
        Close { totals: Some(Totals::default()), ..slow },
        Close { complete: false, ..slow },
        Close { outcome: Outcome::Timeout, ..slow },
        Close { retransmits: Retransmits { tlp: 1, ..Retransmits::default() }, ..slow },
    ];
    assert!(none.iter().all(|close| close.ack_wait_ns().is_none()));
    let found = summary([Output::Close(slow), Output::Close(quick)]);
    let count = |name| found.latency.iter().find(|(known, _)| *known == name).map(|(_, quantiles)| quantiles.count);
    assert_eq!((count("network"), count("ack_wait")), (Some(2), Some(2)));
}

#[test]
fn the_unknown_is_not_counted() {
    let orphan = Close {
        complete: false,
        outcome: Outcome::Unknown,
        reason: Some(Reason::OrphanFinWait2),
        ..close(Role::Active, &[(Phase::FinWait1, 20)], None)
    };
    let found = summary([Output::Close(orphan)]);
    assert_eq!((found.closes, found.incomplete), (1, 1));
    assert_eq!(measured(&found), [("fin_wait1", 1, 20)], "neither close nor a partial network sum");
}

#[test]
fn aborts_count_where_they_took_time() {
    let at_once = close(Role::Abort, &[], Some(0));
    let from_close_wait = close(Role::Abort, &[(Phase::CloseWait, 9)], Some(9));
    let found = summary([Output::Close(at_once), Output::Close(from_close_wait)]);
    assert_eq!(found.closes, 2);
    assert_eq!(measured(&found), [("close_wait", 1, 9), ("close", 1, 9), ("local_app", 1, 9)]);
}

#[test]
fn retransmits_add_up() {
    let again = Retransmits { tlp: 1, rto: u16::MAX, fast: 2, failed: 3 };
    let one = Output::Close(Close { retransmits: again, ..close(Role::Active, &[], None) });
    assert_eq!(summary([one.clone(), one]).fin_retransmits, [2, 131_070, 4, 6]);
}

#[test]
fn the_engines_state_is_passed_on() {
    let status = Status {
        first_ns: 5,
        last_ns: 12,
        open: [1, 2, 3, 4, 5],
        books: Books { seen: 9, delivered: 7, lost: 1, missed: 1, refused: 1, torn: false },
        anomalies: Anomalies { mid_life: 3, ..Anomalies::default() },
        looks: None,
        orphans_waiting: 0,
        data_retransmits: 8,
        foreign_resets: 6,
    };
    let found = Report::default().summary(status, Run::default());
    assert_eq!((found.duration_ns, found.status), (7, status));
    let backwards = Status { first_ns: 12, last_ns: 5, ..status };
    assert_eq!(Report::default().summary(backwards, Run::default()).duration_ns, 0);
}
