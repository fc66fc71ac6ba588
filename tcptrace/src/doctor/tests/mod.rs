//! Tables of cases for each rule, with both sides of each boundary.

mod arithmetic;
mod files;
mod host;
mod processes;
mod recorded;
mod short;
mod sockets;
mod sources;

use std::collections::BTreeMap;

use super::{Closes, Host, Place, PortRange, Settings, Sockets, Tally, Value, judge, keys};
use crate::model::{Advice, Endpoint, Fact, Identity, Row, Snapshot, SocketKey, State, TcpDetail, Timer, Verdict};

pub(super) const NETNS: u32 = 4_026_531_840;

/// Defaults of Linux 6.18.
pub(super) fn settings(changes: &[(&'static str, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (key, default) in keys::SETTINGS {
        let value = match key {
            keys::MAX_TW_BUCKETS => Some("131072"),
            keys::SOMAXCONN => Some("4096"),
            keys::MAX_SYN_BACKLOG => Some("2048"),
            _ => default,
        };
        settings.set(key, value.map_or(Value::Absent, |value| Value::Is(value.to_owned())));
    }
    for (key, value) in changes {
        settings.set(key, Value::Is((*value).to_owned()));
    }
    settings
}

pub(super) fn place(changes: &[(&'static str, &str)], sockets: Sockets) -> Place {
    Place {
        netns: NETNS,
        way: None,
        name: None,
        is_initial: Some(true),
        settings: settings(changes),
        reserved_in_range: None,
        counters: super::Counters::default(),
        moved: None,
        sockets: Ok(sockets),
        leaks: Ok(Vec::new()),
        leaks_not_counted: 0,
        live: Err("not watched".to_owned()),
        holders: BTreeMap::new(),
    }
}

pub(super) fn host() -> Host {
    Host {
        max_orphans: Some(1000),
        mem_limits_pages: Some([100, 200, 300]),
        mem_pages: Some(10),
        page_bytes: 4096,
        orphans: Some(0),
        files: Some(super::Files::default()),
        ..Host::default()
    }
}

pub(super) fn row(row: Row, host: &Host, place: &Place) -> Advice {
    let mut advice = judge(host, std::slice::from_ref(place), &[row]);
    assert_eq!(advice.len(), 1);
    advice.pop().unwrap()
}

pub(super) fn verdict(of: Row, host: &Host, place: &Place) -> Verdict {
    row(of, host, place).verdict
}

pub(super) fn fact(advice: &Advice, name: &str) -> Fact {
    let found = advice.evidence.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no {name} in {advice:?}")).1.clone()
}

pub(super) fn end(last: u8, port: u16) -> Endpoint {
    let mut addr = [0; 16];
    addr[..4].copy_from_slice(&[10, 0, 0, last]);
    Endpoint::from_bytes(addr, false, port)
}

pub(super) fn snapshot(state: State, local: u16, remote: u16) -> Snapshot {
    Snapshot {
        time_ns: 1,
        socket: Identity { key: SocketKey(1), netns: NETNS, local: end(1, local), remote: end(2, remote) },
        bound_if: 0,
        state,
        timewait: state == State::TimeWait,
        timer: if state == State::TimeWait { Timer::TimeWait } else { Timer::None },
        expires_ms: if state == State::TimeWait { 55_000 } else { 0 },
        inode: if state == State::TimeWait { 0 } else { 77 },
        recv_queue_bytes: 0,
        send_queue_bytes: 0,
        mptcp: crate::model::Mptcp::No,
        info: Some(TcpDetail::default()),
    }
}

pub(super) fn tally(snapshots: &[Snapshot]) -> Sockets {
    let mut tally = Tally::new(PortRange::parse("32768 60999"), 3_600_000);
    snapshots.iter().for_each(|snapshot| tally.see(snapshot));
    tally.finish()
}

pub(super) fn closes(ns: u64) -> Closes {
    Closes { ns, ..Closes::default() }
}
