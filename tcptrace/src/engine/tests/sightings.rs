//! What sock_diag says, in the making.

use super::support::{at, identity};
use crate::model::{
    Absent, AbsentWhy, DumpAt, DumpMark, Event, EventKind, Flags, Input, Sighting, Snapshot, State, StateSet, Timer,
};

/// A look at the socket with this key; milliseconds from the beginning.
pub(super) fn look(key: u64, at_ms: u64, state: State) -> Snapshot {
    let socket = identity(key);
    Snapshot {
        time_ns: at(at_ms),
        socket,
        bound_if: 0,
        state,
        timewait: false,
        timer: Timer::None,
        expires_ms: 0,
        inode: 77,
        recv_queue_bytes: 0,
        send_queue_bytes: 0,
        mptcp: crate::model::Mptcp::No,
        info: None,
    }
}

/// A look at its timewait socket.
pub(super) fn timewait(key: u64, at_ms: u64, state: State, expires_ms: u32) -> Snapshot {
    Snapshot { timewait: true, timer: Timer::TimeWait, expires_ms, inode: 0, ..look(key, at_ms, state) }
}

/// The answer to a look-up.
pub(super) fn answer(snapshot: Snapshot) -> Input {
    Input::Sighting(Box::new(Sighting { snapshot, holders: None, asked: true }))
}

/// The kernel side's record of the peer's FIN at its timewait socket.
pub(super) fn recorded(key: u64, time_ns: u64) -> Input {
    let (socket, flags) = (identity(key), Flags { orphan: true, ..Flags::default() });
    Input::Event(Event { time_ns, socket, kind: EventKind::TimeWait, flags, sk_err: 0, owner: None, loss_mark: 0 })
}

/// One of a dump.
pub(super) fn dumped(snapshot: Snapshot) -> Input {
    Input::Sighting(Box::new(Sighting { snapshot, holders: None, asked: false }))
}

/// The answer that there is none.
pub(super) fn absent(key: u64, at_ms: u64, why: AbsentWhy) -> Input {
    let socket = identity(key);
    Input::Absent(Absent { time_ns: at(at_ms), socket, why })
}

/// A dump's beginning or end in the namespace of all sockets here.
pub(super) fn mark(at_ms: u64, at: DumpAt) -> Input {
    let netns = if matches!(at, DumpAt::AllDone { .. }) { 0 } else { 4_026_531_840 };
    Input::Dump(DumpMark { time_ns: super::support::at(at_ms), netns, states: StateSet::CLOSING, at })
}
