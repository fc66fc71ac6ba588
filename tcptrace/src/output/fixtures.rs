//! Outputs that the tests of both formats show.

use std::net::SocketAddr;

use crate::model::{
    CgroupName, Close, Comm, Endpoint, Event, EventKind, Finding, FindingKind, FindingReason, FindingStatus, Flags,
    Identity, Outcome, Owner, OwnerSource, Phase, Phases, Retransmits, Role, SocketKey, State, StuckCause, Tick,
    Totals,
};
use crate::report::Context;

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
pub(super) fn close() -> Close {
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
        three_way: Some(false),
        complete: true,
        retransmits: Retransmits::default(),
        totals: Some(Totals { srtt_us: 24, bytes_sent: 1, bytes_received: 2 }),
        lifetime_ns: Some(2_100_000_000),
    }
}

pub(super) fn finding(status: FindingStatus) -> Finding {
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
        owner: Some(owner("python3", 7434)),
        diagnosis: None,
        holders: None,
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
    EventKind::Transition { old, new, totals: None, segs_in: None, bound_if: 0 }
}
