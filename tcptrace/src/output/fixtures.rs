//! Outputs that the tests of both formats show.

use std::net::SocketAddr;

use crate::model::{
    CgroupName, Close, Closer, Closing, Comm, Diagnosis, Endpoint, Event, EventKind, Finding, FindingKind,
    FindingReason, FindingStatus, Flags, GivesUp, GroupOf, Grouped, Holder, Holders, Identity, LeakCause, LeakGroup,
    LeaksReport, Listed, NeverWhy, Outcome, Owner, OwnerSource, Phase, Phases, Retransmits, Role, Round, SocketKey,
    State, StuckCause, StuckGroup, StuckKey, StuckOf, StuckReport, Tick, Totals,
};
use crate::report::Context;
use crate::report::histogram::{By, Config, Histograms, Of};

pub(super) fn end(text: &str) -> Endpoint {
    match text.parse().unwrap() {
        SocketAddr::V4(four) => {
            let mut addr = [0; 16];
            addr[..4].copy_from_slice(&four.ip().octets());
            Endpoint::from_bytes(addr, false, four.port())
        }
        SocketAddr::V6(six) => Endpoint::from_bytes(six.ip().octets(), true, six.port()),
    }
}

pub(super) fn socket(local: &str, remote: &str) -> Identity {
    Identity { key: SocketKey(0x74), netns: 4_026_531_840, local: end(local), remote: end(remote) }
}

pub(super) fn owner(comm: &str, pid: u32) -> Owner {
    let mut bytes = [0; 16];
    bytes[..comm.len()].copy_from_slice(comm.as_bytes());
    Owner { pid, comm: Comm(bytes), cgroup_id: 1, source: OwnerSource::Close }
}

pub(super) fn phases(known: &[(Phase, u64)]) -> Phases {
    let mut phases = Phases::default();
    known.iter().for_each(|(phase, ns)| phases.set(*phase, Some(*ns)));
    phases
}

/// Monotonic 0 is 2026-01-02T03:04:00Z; cgroup 1 is the root.
pub(super) fn context() -> Context {
    let mut context = Context::default();
    context.tick(Tick { mono_ns: 0, real_ns: 1_767_323_040_000_000_000 });
    context.cgroup(CgroupName { id: 1, path: "/".into() });
    context
}

/// DESIGN's example.
pub(crate) fn close() -> Close {
    Close {
        end_ns: 5_678_901_234,
        socket: socket("127.0.0.1:45555", "127.0.0.1:49530"),
        role: Role::Active,
        outcome: Outcome::Fin,
        reason: None,
        owner: Some(owner("python3", 7434)),
        phases: phases(&[(Phase::FinWait1, 21_000), (Phase::FinWait2, 2_000_112_000)]),
        close_ns: Some(2_000_133_000),
        orphan: true,
        mptcp: false,
        three_way: Some(false),
        complete: true,
        retransmits: Retransmits::default(),
        totals: Some(Totals { srtt_us: 24, bytes_sent: 1, bytes_received: 2 }),
        lifetime_ns: Some(2_100_000_000),
        bound_if: 0,
    }
}

pub(crate) fn finding(status: FindingStatus) -> Finding {
    Finding {
        time_ns: 5_678_901_234,
        socket: socket("127.0.0.1:45555", "127.0.0.1:49530"),
        kind: FindingKind::StuckFinWait1,
        reason: FindingReason::Stuck(StuckCause::FinUnacked),
        status,
        age_ns: 5_000_000_000,
        age_is_lower_bound: false,
        may_be_over: false,
        retransmits: Retransmits { tlp: 1, rto: 4, fast: 0, failed: 0 },
        orphan: Some(true),
        mptcp: false,
        owner: Some(owner("python3", 7434)),
        diagnosis: None,
        holders: None,
        bound_if: 0,
    }
}

pub(super) fn event(kind: EventKind) -> Event {
    Event {
        time_ns: 5_678_901_234,
        socket: socket("127.0.0.1:45555", "127.0.0.1:49530"),
        kind,
        flags: Flags::default(),
        sk_err: 0,
        owner: None,
        loss_mark: 0,
    }
}

pub(super) fn transition(old: State, new: State) -> EventKind {
    EventKind::Transition { old, new, totals: None, segs_in: None, retries: None, bound_if: 0 }
}

fn round() -> Round {
    Round {
        time_ns: 5_678_901_234,
        namespaces: 2,
        unreachable: 1,
        young: 4,
        age_unknown: 1,
        gone: Some(3),
        new: Some(2),
        new_per_minute: Some(15),
        not_followed: 0,
    }
}

fn holder(pid: u32, comm: &str) -> Holder {
    Holder { pid, comm: comm.into(), fd: 7, cgroup: "/system.slice/api.service".into() }
}

fn holders(list: Vec<Holder>) -> Holders {
    let total = u32::try_from(list.len()).unwrap();
    Holders { list, total, in_epoll: Some(true), partial: false }
}

/// An orphan whose window is shut, and one whose FIN is lost, that a program of another namespace holds.
pub(super) fn stuck_report() -> StuckReport {
    let diagnosis = Diagnosis {
        cause: StuckCause::ZeroWindow,
        gives_up: GivesUp::In(41_000_000_000),
        next_attempt_in_ns: Some(3_200_000_000),
        unsent_bytes: Some(2_626_560),
        unacked_bytes: Some(0),
    };
    let raised = Finding { owner: None, retransmits: Retransmits::default(), ..finding(FindingStatus::Raised) };
    let shut = Finding {
        kind: FindingKind::StuckFinWait1,
        reason: FindingReason::Stuck(StuckCause::ZeroWindow),
        age_ns: 12_300_000_000,
        age_is_lower_bound: true,
        diagnosis: Some(diagnosis),
        ..raised.clone()
    };
    let never = GivesUp::Never(NeverWhy::ProbesAnswered);
    let lost = Finding {
        socket: Identity { netns: 4_026_532_177, ..socket("10.1.2.3:443", "10.9.8.7:51234") },
        kind: FindingKind::StuckLastAck,
        age_ns: 6_000_000_000,
        orphan: Some(false),
        holders: Some(holders(vec![holder(7434, "python3"), holder(7435, "python3")]).into()),
        diagnosis: Some(Diagnosis { gives_up: never, unsent_bytes: None, unacked_bytes: Some(10), ..diagnosis }),
        ..raised
    };
    let service = StuckOf::Service { netns: 4_026_531_840, port: 45_555 };
    let shut_group = StuckGroup {
        group: Grouped { listener: vec![holder(99, "slow")], cgroup: "/slow".into(), ..grouped("127.0.0.1", &shut) },
        unsent_bytes: 2_626_560,
        gives_up_ns: Some((41_000_000_000, 41_000_000_000)),
        advice: "look at the peer",
        ..stuck_group(service, Listed { finding: shut, fin_rto: Some(0), closing: None })
    };
    let process = StuckOf::Process { pid: 7434, comm: "python3".into() };
    let lost_group = StuckGroup {
        group: Grouped { shared_with: vec![holder(7435, "python3")], ..grouped("10.9.8.7", &lost) },
        unacked_bytes: 10,
        never_give_up: 1,
        ..stuck_group(process, Listed { finding: lost, fin_rto: Some(5), closing: None })
    };
    StuckReport { round: round(), groups: vec![shut_group, lost_group], by_reason: [1, 0, 1, 0, 0, 0] }
}

/// One socket, whose `close()` waits in one of these threads.
pub(super) fn closing_report(tids: &[u32]) -> StuckReport {
    let thread = |tid: &u32| Closer {
        pid: 7434,
        comm: "api".into(),
        tid: *tid,
        thread: "worker".into(),
        cgroup: "/api".into(),
        netns: 4_026_531_840,
    };
    let threads: Vec<Closer> = tids.iter().map(thread).collect();
    let closing = Closing { sockets: 1, threads, then: GivesUp::In(108_000_000_000) };
    let finding = Finding {
        owner: None,
        orphan: Some(false),
        mptcp: true,
        reason: FindingReason::Stuck(StuckCause::ZeroWindow),
        ..finding(FindingStatus::Raised)
    };
    let process = StuckOf::Process { pid: 7434, comm: "api".into() };
    let group = StuckGroup {
        group: Grouped { mptcp: 1, growth_per_minute: Some(3), ..grouped("127.0.0.1", &finding) },
        ..stuck_group(process, Listed { finding, fin_rto: Some(0), closing: Some(closing) })
    };
    StuckReport { round: round(), groups: vec![group], by_reason: [0, 0, 1, 0, 0, 0] }
}

fn grouped(remote: &str, finding: &Finding) -> Grouped {
    Grouped {
        count: 1,
        oldest_ns: finding.age_ns,
        oldest_is_lower_bound: finding.age_is_lower_bound,
        ages: [1, 0, 0, 0, 0],
        remotes: vec![(remote.parse().unwrap(), 1)],
        remotes_total: 1,
        ..Grouped::default()
    }
}

fn stuck_group(of: StuckOf, listed: Listed) -> StuckGroup {
    let FindingReason::Stuck(cause) = listed.finding.reason else { panic!("a leak") };
    StuckGroup {
        key: StuckKey { of, kind: listed.finding.kind, cause },
        group: Grouped::default(),
        unsent_bytes: 0,
        unacked_bytes: 0,
        gives_up_ns: None,
        never_give_up: 0,
        advice: "look at the network",
        sockets: vec![listed],
    }
}

/// A process that shares its sockets with a child, and the queue of a listener.
pub(super) fn leaks_report() -> LeaksReport {
    let leak = |cause, age_ns| Finding {
        kind: FindingKind::LeakCloseWait,
        reason: FindingReason::Leak(cause),
        age_ns,
        owner: None,
        orphan: Some(false),
        ..finding(FindingStatus::Raised)
    };
    let both = holders(vec![holder(7434, "python3"), holder(7435, "worker")]);
    let held = Finding { holders: Some(both.into()), ..leak(LeakCause::EofSeenNotClosed, 725_000_000_000) };
    let first = LeakGroup {
        of: GroupOf::Process { pid: 7434, comm: "python3".into() },
        listener: Vec::new(),
        shared_with: vec![holder(7435, "worker")],
        cgroup: "/system.slice/api.service".into(),
        count: 37,
        oldest_ns: 725_000_000_000,
        oldest_is_lower_bound: false,
        growth_per_minute: Some(6),
        ages: [2, 30, 5, 0, 0],
        remotes: [("10.0.0.7", 20), ("10.0.0.8", 10), ("2001:db8::9", 5)]
            .map(|(ip, n)| (ip.parse().unwrap(), n))
            .into(),
        remotes_total: 4,
        by_cause: [0, 7, 0, 30, 0],
        cause: LeakCause::EofSeenNotClosed,
        advice: "the end of the stream was read: look for a path where read() returns 0 and nobody calls close()",
        sockets: vec![Listed { finding: held, fin_rto: None, closing: None }],
    };
    let waiting = leak(LeakCause::NeverAccepted, 300_000_000);
    let waiting = Finding { socket: Identity { netns: 4_026_532_177, ..waiting.socket }, ..waiting };
    let queue = LeakGroup {
        of: GroupOf::Listener { netns: 4_026_532_177, port: 8080 },
        listener: vec![holder(99, "slow")],
        shared_with: Vec::new(),
        cgroup: String::new(),
        count: 1,
        oldest_ns: 300_000_000,
        oldest_is_lower_bound: true,
        growth_per_minute: None,
        ages: [1, 0, 0, 0, 0],
        remotes: vec![("10.0.0.7".parse().unwrap(), 1)],
        remotes_total: 1,
        by_cause: [1, 0, 0, 0, 0],
        cause: LeakCause::NeverAccepted,
        advice: "look for accept()",
        sockets: vec![Listed { finding: waiting, fin_rto: None, closing: None }],
    };
    LeaksReport { round: round(), groups: vec![first, queue], by_cause: [1, 7, 0, 30, 0] }
}

/// Six intervals of 10 s: closes of web servers, most of them within milliseconds, some slow ones that grow more, and
/// programs that are there in passing. Each counts `weight` times.
pub(super) fn histograms(ofs: &[Of], bys: &[&str], weight: u64) -> Histograms {
    let bys: Vec<By> = bys.iter().map(|by| by.parse().unwrap()).collect();
    let mut found =
        Histograms::new(Config { ofs: ofs.to_vec(), bys, top: 3, heat_ns: Some(10_000_000_000), ..Config::default() });
    let mut context = context();
    let path = "/kubepods.slice/kubepods-burstable.slice/web.service".to_owned();
    context.cgroup(CgroupName { id: 2, path });
    found.begin(context.real_ns(0));
    let mut number = 1_u64;
    let mut below = |end: u64| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) % end
    };
    for interval in 0..6 {
        for turn in 0..500 {
            let comm = ["nginx", "nginx", "nginx", "envoy", "curl", "python3"][usize::try_from(below(6)).unwrap()];
            let is_slow = below(40) < interval;
            let ns = if is_slow { 200_000_000 + below(900_000_000) } else { (1 + below(40)) * (1 + below(40)) * 9_000 };
            let mut owner = owner(comm, 7);
            owner.cgroup_id = 1 + u64::from(comm == "nginx");
            let remote = format!("10.0.{}.7:443", below(3));
            let close = Close {
                end_ns: interval * 10_000_000_000 + turn,
                socket: socket("127.0.0.1:45555", &remote),
                owner: Some(owner).filter(|_| turn % 50 > 0),
                phases: phases(&[(Phase::FinWait1, 21_000), (Phase::FinWait2, ns)]),
                close_ns: Some(ns + 21_000),
                ..close()
            };
            found.record(&close, 0, weight, &context);
        }
        if interval < 5 {
            found.next_interval(context.real_ns((interval + 1) * 10_000_000_000));
        }
    }
    found
}
