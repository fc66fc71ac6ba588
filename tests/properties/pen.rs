//! Writes a life down: the events as a kernel sends them, and beside them the truth, kept by other means than the
//! engine's.

use tcptrace::model::{
    Comm, Endpoint, Event, EventKind, FindingKind, Flags, Identity, Outcome, Owner, OwnerSource, Phase, Phases, Reason,
    RetransmitKind, Role, SocketKey, State, Totals,
};

use crate::life::{Life, Truth};

pub(crate) const RST_DATA_AFTER_CLOSE: u32 = 8;
pub(crate) const RST_UNREAD: u32 = 11;
pub(crate) const RST_KEEPALIVE: u32 = 15;
/// The engine's defaults.
pub(crate) const STUCK_NS: u64 = 5_000_000_000;
pub(crate) const LEAK_NS: u64 = 60_000_000_000;
pub(crate) const ECONNRESET: u16 = 104;
pub(crate) const EPIPE: u16 = 32;
pub(crate) const ETIMEDOUT: u16 = 110;
const ECONNREFUSED: u16 = 111;

/// A life in the making.
pub(crate) struct Pen {
    events: Vec<Event>,
    socket: Identity,
    now_ns: u64,
    state: State,
    since_ns: u64,
    begun_ns: u64,
    connected_ns: Option<u64>,
    flags: Flags,
    /// Since when it is in FIN_WAIT2 without a program.
    orphan_fin_wait2_ns: Option<u64>,
    truth: Truth,
}

impl Pen {
    /// A connection between ends that no other life has.
    pub(crate) fn new(key: u64, number: u16, now_ns: u64) -> Self {
        let end = |port| Endpoint::from_bytes([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], false, port);
        let socket =
            Identity { key: SocketKey(key), netns: 1, local: end(10_000 + number), remote: end(20_000 + number) };
        let truth = Truth {
            role: Role::Abort,
            outcome: Outcome::Unknown,
            reason: None,
            phases: Phases::default(),
            close_ns: None,
            complete: true,
            three_way: None,
            lifetime_ns: None,
            owner_pid: None,
            end_ns: 0,
            orphan_ns: None,
            retransmits: 0,
            findings: Vec::new(),
        };
        Self {
            events: Vec::new(),
            socket,
            now_ns,
            state: State::Established,
            since_ns: now_ns,
            begun_ns: now_ns,
            connected_ns: None,
            flags: Flags::default(),
            orphan_fin_wait2_ns: None,
            truth,
        }
    }

    pub(crate) fn wait(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    fn event(&mut self, kind: EventKind, sk_err: u16, owner: Option<Owner>) {
        let (time_ns, socket, flags) = (self.now_ns, self.socket, self.flags);
        self.events.push(Event { time_ns, socket, kind, flags, sk_err, owner, loss_mark: 0 });
    }

    fn owner(&self, named: bool, source: OwnerSource, base: u32) -> Option<Owner> {
        let pid = base + u32::from(self.socket.local.port);
        named.then_some(Owner { pid, comm: Comm(*b"made up\0\0\0\0\0\0\0\0\0"), cgroup_id: 1, source })
    }

    /// The transition, and what it says of the phase that it ends.
    fn moves(&mut self, new: State, sk_err: u16, owner: Option<Owner>, segs_in: Option<u32>) {
        let totals = (new == State::Close).then_some(Totals { srtt_us: 9, bytes_sent: 1, bytes_received: 2 });
        self.event(
            EventKind::Transition { old: self.state, new, totals, segs_in, retries: None, bound_if: 0 },
            sk_err,
            owner,
        );
        if new == self.state {
            return;
        }
        let age_ns = self.now_ns - self.since_ns;
        let (phase, limit_ns, finding) = match self.state {
            State::FinWait1 => (Phase::FinWait1, STUCK_NS, FindingKind::StuckFinWait1),
            State::FinWait2 => (Phase::FinWait2, STUCK_NS, FindingKind::StuckFinWait2),
            State::Closing => (Phase::Closing, STUCK_NS, FindingKind::StuckClosing),
            State::CloseWait => (Phase::CloseWait, LEAK_NS, FindingKind::LeakCloseWait),
            State::LastAck => (Phase::LastAck, STUCK_NS, FindingKind::StuckLastAck),
            _ => return self.enter(new),
        };
        self.truth.phases.set(phase, Some(age_ns));
        let watched_ns = match phase {
            Phase::FinWait2 => self.orphan_fin_wait2_ns.map(|since_ns| self.now_ns - since_ns),
            _ => Some(age_ns),
        };
        if phase == Phase::FinWait2 {
            self.truth.orphan_ns = watched_ns;
        }
        if watched_ns.is_some_and(|ns| ns >= limit_ns) {
            self.truth.findings.push(finding);
        }
        self.enter(new);
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.since_ns = self.now_ns;
        self.truth.role = match state {
            State::FinWait1 => Role::Active,
            State::Closing => Role::Simultaneous,
            State::LastAck => Role::Passive,
            _ => self.truth.role,
        };
        if state == State::FinWait2 && self.flags.orphan {
            self.orphan_fin_wait2_ns = Some(self.now_ns);
        }
    }

    /// `connect()`; the handshake crosses no boundary.
    pub(crate) fn connect(&mut self, named: bool) {
        let owner = self.owner(named, OwnerSource::Connect, 100_000);
        let port = std::mem::take(&mut self.socket.local.port);
        self.state = State::Close;
        self.moves(State::SynSent, 0, owner, None);
        self.socket.local.port = port;
        self.connected_ns = Some(self.now_ns);
        self.truth.owner_pid = owner.map(|owner| owner.pid);
    }

    pub(crate) fn refused(mut self) -> Life {
        self.moves(State::Close, ECONNREFUSED, None, None);
        Life { events: self.events, socket: self.socket, truth: None }
    }

    /// From here on the connection is on its way out.
    pub(crate) fn begin(&mut self) {
        self.state = State::Established;
        self.since_ns = self.now_ns;
        self.begun_ns = self.now_ns;
    }

    fn closes(&mut self, state: State, owner: Option<Owner>) {
        self.flags.send_shutdown = true;
        self.moves(state, 0, owner, None);
        if let Some(owner) = owner {
            self.truth.owner_pid = Some(owner.pid);
        }
    }

    /// `shutdown(SHUT_WR)`.
    pub(crate) fn half_close(&mut self, state: State, named: bool) {
        let owner = self.owner(named, OwnerSource::Close, 200_000);
        self.closes(state, owner);
    }

    /// `close()`; SOCK_DEAD is set a moment later.
    pub(crate) fn close(&mut self, state: State, named: bool) {
        self.flags.rcv_shutdown = true;
        self.half_close(state, named);
        self.flags.orphan = true;
    }

    /// `close()` after `shutdown()`, by another program: it is no owner any more.
    pub(crate) fn close_again(&mut self, named: bool) {
        self.flags.rcv_shutdown = true;
        let owner = self.owner(named, OwnerSource::Close, 300_000);
        self.moves(self.state, 0, owner, None);
        self.flags.orphan = true;
        if self.state == State::FinWait2 {
            self.orphan_fin_wait2_ns = Some(self.now_ns);
        }
    }

    /// The peer's FIN, and where it takes us.
    pub(crate) fn peer_fin(&mut self, state: State) {
        self.flags.done = true;
        self.moves(state, 0, None, None);
    }

    pub(crate) fn our_fin_acked(&mut self, segs_in: Option<u32>) {
        self.moves(State::FinWait2, 0, None, segs_in);
    }

    /// The peer's FIN in FIN_WAIT2: `three_way` says whether it came with the acknowledgement.
    pub(crate) fn time_wait(&mut self, three_way: Option<bool>) {
        self.flags.done = true;
        let segs_in = three_way.map(|same| if same { 7 } else { 8 });
        self.truth.three_way = three_way;
        self.ends(0, Outcome::Fin, None, segs_in);
    }

    /// The kernel lets go of an orphan in FIN_WAIT2: when it ended is not to be seen.
    pub(crate) fn hand_over(&mut self, named: bool) {
        if !self.flags.orphan {
            self.close_again(named);
        }
        self.end(0, Outcome::Unknown, Some(Reason::OrphanFinWait2));
        self.truth.phases.set(Phase::FinWait2, None);
        self.truth.close_ns = None;
        self.truth.lifetime_ns = None;
        self.truth.complete = false;
    }

    pub(crate) fn end(&mut self, sk_err: u16, outcome: Outcome, reason: Option<Reason>) {
        self.ends(sk_err, outcome, reason, None);
    }

    fn ends(&mut self, sk_err: u16, outcome: Outcome, reason: Option<Reason>, segs_in: Option<u32>) {
        if self.state == State::CloseWait {
            // Our FIN never went.
            self.truth.role = Role::Abort;
        }
        self.moves(State::Close, sk_err, None, segs_in);
        self.truth.end_ns = self.now_ns;
        self.truth.close_ns = Some(self.now_ns - self.begun_ns);
        self.truth.lifetime_ns = self.connected_ns.map(|connected_ns| self.now_ns - connected_ns);
        self.truth.outcome = outcome;
        self.truth.reason = reason;
    }

    pub(crate) fn receives_reset(&mut self) {
        self.event(EventKind::ResetReceived { state: self.state }, 0, None);
    }

    /// The peer resets.
    pub(crate) fn reset(&mut self, sk_err: u16) {
        self.receives_reset();
        self.end(sk_err, Outcome::ResetReceived, None);
    }

    pub(crate) fn sends_reset(&mut self, reason: u32) {
        self.event(EventKind::ResetSent { state: self.state, reason: Some(reason) }, 0, None);
    }

    /// `close()` with unread data.
    pub(crate) fn abort(&mut self) {
        self.flags.rcv_shutdown = true;
        self.flags.send_shutdown = true;
        self.end(0, Outcome::ResetSent, Some(Reason::UnreadData));
        self.wait(20_000);
        self.sends_reset(RST_UNREAD);
    }

    pub(crate) fn retransmits(&mut self, kind: RetransmitKind) {
        self.event(EventKind::Retransmit { state: self.state, kind, tcp_flags: 0x11 }, 0, None);
        self.truth.retransmits += u32::from(!matches!(kind, RetransmitKind::Failed(_)));
    }

    pub(crate) fn finish(self) -> Life {
        Life { events: self.events, socket: self.socket, truth: Some(self.truth) }
    }
}
