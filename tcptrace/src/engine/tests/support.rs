//! A builder for events, and an engine under observation.

use super::super::{Config, Engine};
use crate::model::{
    Anomalies, Close, Comm, Endpoint, Event, EventKind, Finding, Flags, HostInfo, Identity, Input, Output, Owner,
    OwnerSource, RetransmitKind, SocketKey, State, Tick, Totals, Want,
};

pub(super) const ECONNABORTED: u16 = 103;
pub(super) const ECONNRESET: u16 = 104;
pub(super) const EPIPE: u16 = 32;
pub(super) const ETIMEDOUT: u16 = 110;
pub(super) const EHOSTUNREACH: u16 = 113;

/// `enum sk_rst_reason` as Linux 6.18 numbers it, as far as the tests need it.
pub(super) mod rst {
    pub(in super::super) const NOT_SPECIFIED: u32 = 0;
    pub(in super::super) const ABORT_ON_DATA: u32 = 8;
    pub(in super::super) const ABORT_ON_CLOSE: u32 = 11;
    pub(in super::super) const ABORT_ON_LINGER: u32 = 12;
    pub(in super::super) const ABORT_ON_MEMORY: u32 = 13;
    pub(in super::super) const STATE: u32 = 14;
    pub(in super::super) const KEEPALIVE: u32 = 15;
    pub(in super::super) const DISCONNECT_WITH_DATA: u32 = 16;
}

/// Where every history begins: no real clock stands at 0.
const EPOCH_NS: u64 = 1_000_000_000_000;

/// A length in milliseconds.
pub(super) const fn ms(ms: u64) -> u64 {
    ms * 1_000_000
}

/// A moment, in milliseconds from the beginning of the history.
pub(super) const fn at(at_ms: u64) -> u64 {
    EPOCH_NS + ms(at_ms)
}

/// Begins an event of the socket with this key.
pub(super) fn sock(key: u64) -> Sock {
    let end = |last, port| {
        let mut addr = [0; 16];
        addr[..4].copy_from_slice(&[192, 0, 2, last]);
        Endpoint::from_bytes(addr, false, port)
    };
    let socket = Identity { key: SocketKey(key), netns: 4_026_531_840, local: end(1, 45_555), remote: end(2, 80) };
    Sock(Event {
        time_ns: EPOCH_NS,
        socket,
        kind: EventKind::ResetReceived { state: State::Close },
        flags: Flags::default(),
        sk_err: 0,
        owner: None,
        loss_mark: 0,
    })
}

/// Who it is.
pub(super) fn identity(key: u64) -> Identity {
    sock(key).0.socket
}

/// An event in the making.
#[derive(Clone, Copy)]
pub(super) struct Sock(Event);

impl Sock {
    /// Milliseconds from the beginning.
    pub(super) fn at(mut self, at_ms: u64) -> Self {
        self.0.time_ns = at(at_ms);
        self
    }

    /// Any time at all.
    pub(super) fn at_ns(mut self, time_ns: u64) -> Self {
        self.0.time_ns = time_ns;
        self
    }

    /// Another connection under the same key.
    pub(super) fn ports(mut self, local: u16, remote: u16) -> Self {
        self.0.socket.local.port = local;
        self.0.socket.remote.port = remote;
        self
    }

    /// Over loopback, both ends of which are in one namespace.
    pub(super) fn inside(self) -> Self {
        self.over([127, 0, 0, 1], [127, 0, 0, 2])
    }

    /// Between these addresses.
    pub(super) fn over(mut self, local: [u8; 4], remote: [u8; 4]) -> Self {
        let end = |[a, b, c, d]: [u8; 4], port| {
            Endpoint::from_bytes([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], false, port)
        };
        let Identity { local: ours, remote: theirs, .. } = self.0.socket;
        (self.0.socket.local, self.0.socket.remote) = (end(local, ours.port), end(remote, theirs.port));
        self
    }

    /// The other end of the connection.
    pub(super) fn mirrored(mut self) -> Self {
        let Identity { local, remote, .. } = self.0.socket;
        (self.0.socket.local, self.0.socket.remote) = (remote, local);
        self
    }

    /// `close()`, or `shutdown(SHUT_RDWR)`.
    pub(super) fn closed(mut self) -> Self {
        self.0.flags.rcv_shutdown = true;
        self.0.flags.send_shutdown = true;
        self
    }

    /// `shutdown(SHUT_WR)`.
    pub(super) fn half_closed(mut self) -> Self {
        self.0.flags.send_shutdown = true;
        self
    }

    /// `SOCK_DEAD`, which comes with both bits of `sk_shutdown`.
    pub(super) fn orphan(mut self) -> Self {
        self.0.flags.orphan = true;
        self.closed()
    }

    /// `SOCK_DONE`: the peer's FIN is here.
    pub(super) fn done(mut self) -> Self {
        self.0.flags.done = true;
        self
    }

    pub(super) fn err(mut self, errno: u16) -> Self {
        self.0.sk_err = errno;
        self
    }

    pub(super) fn owner(mut self, pid: u32, source: OwnerSource) -> Self {
        let mut comm = [0; 16];
        comm[..4].copy_from_slice(b"prog");
        self.0.owner = Some(Owner { pid, comm: Comm(comm), cgroup_id: 1, source });
        self
    }

    pub(super) fn moves(self, old: State, new: State) -> Event {
        self.moves_with(old, new, None)
    }

    pub(super) fn moves_with(mut self, old: State, new: State, segs_in: Option<u32>) -> Event {
        let totals = Totals { srtt_us: 24, bytes_sent: 1, bytes_received: 2 };
        let totals = (new == State::Close).then_some(totals);
        self.0.kind = EventKind::Transition { old, new, totals, segs_in, retries: None, bound_if: 0 };
        self.0
    }

    /// `-> CLOSE` of a kernel side that counts attempts, so many of which nothing has answered.
    pub(super) fn ends(self, old: State, segs_in: Option<u32>, unanswered: Option<u16>) -> Event {
        let mut event = self.moves_with(old, State::Close, segs_in);
        if let EventKind::Transition { retries, .. } = &mut event.kind {
            *retries = unanswered;
        }
        event
    }

    pub(super) fn retransmits(mut self, state: State, kind: RetransmitKind) -> Event {
        self.0.kind = EventKind::Retransmit { state, kind, tcp_flags: 0x11 };
        self.0
    }

    pub(super) fn receives_reset(mut self, state: State) -> Event {
        self.0.kind = EventKind::ResetReceived { state };
        self.0
    }

    pub(super) fn sends_reset(mut self, state: State, reason: u32) -> Event {
        self.0.kind = EventKind::ResetSent { state, reason: Some(reason) };
        self.0
    }
}

/// An engine and what it said, checked after every step.
pub(super) struct Rig {
    pub(super) engine: Engine,
    handled: u64,
    said: Vec<Output>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    /// One whose questions are answered.
    pub(super) fn looking() -> Self {
        let mut rig = Self::new();
        rig.engine.looks_on = true;
        rig
    }

    /// What it wants to know since the last call.
    pub(super) fn wants(&mut self) -> Vec<Want> {
        std::iter::from_fn(|| self.engine.poll_want()).collect()
    }

    /// Whom it looks for since the last call; dumps aside.
    pub(super) fn looks(&mut self) -> Vec<u64> {
        let key = |want| match want {
            Want::Look(look) => Some(look.socket.key.0),
            Want::Dump(_) | Want::Facts(_) => None,
        };
        self.wants().into_iter().filter_map(key).collect()
    }

    pub(super) fn with(config: Config) -> Self {
        let mut rig = Self { engine: Engine::new(config), handled: 0, said: Vec::new() };
        let reset_reasons = [
            (rst::NOT_SPECIFIED, "NOT_SPECIFIED"),
            (rst::ABORT_ON_DATA, "TCP_ABORT_ON_DATA"),
            (rst::ABORT_ON_CLOSE, "TCP_ABORT_ON_CLOSE"),
            (rst::ABORT_ON_LINGER, "TCP_ABORT_ON_LINGER"),
            (rst::ABORT_ON_MEMORY, "TCP_ABORT_ON_MEMORY"),
            (rst::STATE, "TCP_STATE"),
            (rst::KEEPALIVE, "TCP_KEEPALIVE_TIMEOUT"),
            (rst::DISCONNECT_WITH_DATA, "TCP_DISCONNECT_WITH_DATA"),
        ];
        let reset_reasons = reset_reasons.map(|(number, name)| (number, name.to_owned())).to_vec();
        rig.give(&Input::Host(HostInfo { reset_reasons, ..HostInfo::default() }));
        rig
    }

    pub(super) fn give(&mut self, input: &Input) {
        self.handled += u64::from(matches!(input, Input::Event(_)));
        self.engine.handle(input);
        self.listen();
    }

    pub(super) fn events<const N: usize>(&mut self, events: [Event; N]) -> &mut Self {
        for event in events {
            self.give(&Input::Event(event));
        }
        self
    }

    /// A tick at a moment in milliseconds, with a wall clock that agrees.
    pub(super) fn tick(&mut self, at_ms: u64) -> &mut Self {
        self.give(&Input::Tick(Tick { mono_ns: at(at_ms), real_ns: at(at_ms) + 1 }));
        self
    }

    pub(super) fn finish(&mut self) -> &mut Self {
        self.engine.finish();
        self.listen();
        self
    }

    fn listen(&mut self) {
        while let Some(output) = self.engine.poll() {
            self.said.push(output);
        }
        let open: u64 = self.engine.status().open.iter().sum();
        assert!(open <= self.engine.table.len() as u64, "more open than followed");
        assert_eq!(self.engine.status().books.delivered, self.handled);
        assert!(self.engine.peers.len() as u64 <= self.engine.status().orphans_waiting, "an orphan was left behind");
    }

    /// Everything said since the last call.
    pub(super) fn said(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.said)
    }

    /// The findings said since the last call; anything else is a mistake.
    pub(super) fn findings(&mut self) -> Vec<Finding> {
        let found = self.said().into_iter().map(|output| match output {
            Output::Finding(finding) => finding,
            other => panic!("not a finding: {other:?}"),
        });
        found.collect()
    }

    /// The one finding said since the last call.
    pub(super) fn finding(&mut self) -> Finding {
        let found = self.findings();
        let [finding] = found.as_slice() else { panic!("not one finding: {found:?}") };
        finding.clone()
    }

    /// The closes said since the last call, findings aside.
    pub(super) fn closes(&mut self) -> Vec<Close> {
        let close = |output| match output {
            Output::Close(close) => Some(close),
            _ => None,
        };
        self.said().into_iter().filter_map(close).collect()
    }

    pub(super) fn close(&mut self) -> Close {
        let closes = self.closes();
        let [close] = closes.as_slice() else { panic!("not one close: {closes:?}") };
        *close
    }

    pub(super) fn anomalies(&self) -> Anomalies {
        self.engine.status().anomalies
    }

    pub(super) fn open(&self) -> [u64; 5] {
        self.engine.status().open
    }
}

/// The one close of a history that ends, after which nothing may be left.
pub(super) fn close_of<const N: usize>(events: [Event; N]) -> Close {
    let mut rig = Rig::new();
    let close = rig.events(events).finish().close();
    assert_eq!(rig.open(), [0; 5]);
    assert_eq!(rig.engine.table.len(), 0);
    close
}
