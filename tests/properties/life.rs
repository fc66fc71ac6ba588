//! One connection: a plan that proptest can shrink, the events that a kernel would send, and the truth.

use proptest::prelude::*;
use tcptrace::model::{Event, FindingKind, Identity, Outcome, Phases, Reason, RetransmitKind, Role, State};

use crate::pen::{ECONNRESET, EPIPE, ETIMEDOUT, LEAK_NS, Pen, RST_DATA_AFTER_CLOSE, RST_KEEPALIVE, STUCK_NS};

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// FIN_WAIT1, FIN_WAIT2, TIME_WAIT.
    Active,
    /// FIN_WAIT1, FIN_WAIT2, handed to a timewait socket in FIN_WAIT2.
    ActiveOrphan,
    /// FIN_WAIT1, CLOSING, TIME_WAIT.
    Simultaneous,
    /// CLOSE_WAIT, LAST_ACK.
    Passive,
    /// A reset of the peer, from a state.
    Reset(State),
    /// Linger 0 or unread data: the reset goes out after the end.
    Abort(State),
    /// Data after `close()` in FIN_WAIT1: reset by ourselves, then a reset for the peer.
    DataAfterClose,
    /// Nobody answered, from a state.
    Timeout(State),
    /// Keep-alive: the reset goes out before the end.
    Keepalive,
    /// `connect()` failed: there was never a connection.
    Refused,
}

/// When our program calls `close()` on what it has shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// `close()` to begin with.
    Close,
    /// `shutdown()`, and never `close()` before the end.
    Half,
    /// `shutdown()`, then `close()` at this share (of 255) of the phase.
    HalfThenClose(u8),
}

/// All that a life depends on.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) ending: Ending,
    shut: Shut,
    begin_ns: u64,
    /// Lengths of the phases, in their order.
    length_ns: [u64; 2],
    connects: bool,
    named: bool,
    three_way: Option<bool>,
    retransmits: Vec<RetransmitKind>,
    /// Which of the few keys it gets where keys are addresses.
    pub(crate) slot: u8,
}

/// What the record of a life must say.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    pub(crate) role: Role,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<Reason>,
    pub(crate) phases: Phases,
    pub(crate) close_ns: Option<u64>,
    pub(crate) complete: bool,
    pub(crate) three_way: Option<bool>,
    pub(crate) lifetime_ns: Option<u64>,
    pub(crate) owner_pid: Option<u32>,
    pub(crate) end_ns: u64,
    /// Time in FIN_WAIT2 without a program.
    pub(crate) orphan_ns: Option<u64>,
    pub(crate) retransmits: u32,
    /// Thresholds that it passes, with those of `Config::default()`.
    pub(crate) findings: Vec<FindingKind>,
}

/// Events and truth; no truth where there was no connection.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) events: Vec<Event>,
    pub(crate) socket: Identity,
    pub(crate) truth: Option<Truth>,
}

/// Lengths as they occur: none, microseconds, beside the thresholds, hours.
fn length() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        1..1_000_000_u64,
        1_000_000..2_000_000_000_u64,
        STUCK_NS - 2..STUCK_NS + 3,
        LEAK_NS - 2..LEAK_NS + 3,
        LEAK_NS..20_000_000_000_000_u64,
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    use State::{CloseWait, Established, FinWait1, LastAck};
    prop_oneof![
        3 => Just(Ending::Active),
        1 => Just(Ending::ActiveOrphan),
        1 => Just(Ending::Simultaneous),
        3 => Just(Ending::Passive),
        1 => prop::sample::select(vec![Established, CloseWait, FinWait1, LastAck]).prop_map(Ending::Reset),
        1 => prop::sample::select(vec![Established, CloseWait]).prop_map(Ending::Abort),
        1 => Just(Ending::DataAfterClose),
        1 => prop::sample::select(vec![Established, FinWait1, LastAck]).prop_map(Ending::Timeout),
        1 => Just(Ending::Keepalive),
        1 => Just(Ending::Refused),
    ]
}

fn retransmit() -> impl Strategy<Value = RetransmitKind> {
    prop::sample::select(vec![
        RetransmitKind::Tlp,
        RetransmitKind::Rto,
        RetransmitKind::Fast,
        RetransmitKind::Failed(105),
    ])
}

fn shut() -> impl Strategy<Value = Shut> {
    prop_oneof![2 => Just(Shut::Close), 1 => Just(Shut::Half), 1 => any::<u8>().prop_map(Shut::HalfThenClose)]
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    (
        (ending(), shut(), 0..100_000_000_000_u64, [length(), length()]),
        (any::<bool>(), any::<bool>(), prop::option::of(any::<bool>())),
        (prop::collection::vec(retransmit(), 0..4), 0..6_u8),
    )
        .prop_map(|((ending, shut, begin_ns, length_ns), (connects, named, three_way), (retransmits, slot))| {
            Plan { ending, shut, begin_ns, length_ns, connects, named, three_way, retransmits, slot }
        })
}

impl Plan {
    /// The life of this plan under a key, from `start_ns` on; `number` makes its ends its own.
    pub(crate) fn live(&self, key: u64, number: u16, start_ns: u64) -> Life {
        let mut pen = Pen::new(key, number, start_ns + self.begin_ns);
        if self.connects || self.ending == Ending::Refused {
            pen.connect(self.named);
            pen.wait(1_000_000);
            if self.ending == Ending::Refused {
                return pen.refused();
            }
        }
        self.close(&mut pen);
        pen.finish()
    }

    fn close(&self, pen: &mut Pen) {
        pen.begin();
        match self.ending {
            Ending::Reset(State::Established) => pen.reset(ECONNRESET),
            Ending::Abort(State::Established) => pen.abort(),
            Ending::Timeout(State::Established) => pen.end(ETIMEDOUT, Outcome::Timeout, None),
            Ending::Keepalive => {
                pen.sends_reset(RST_KEEPALIVE);
                pen.end(ETIMEDOUT, Outcome::Timeout, Some(Reason::Keepalive));
            }
            Ending::Reset(State::FinWait1) | Ending::Timeout(State::FinWait1) => self.active(pen),
            Ending::Passive | Ending::Reset(_) | Ending::Abort(_) | Ending::Timeout(_) => self.passive(pen),
            _ => self.active(pen),
        }
    }

    fn passive(&self, pen: &mut Pen) {
        pen.peer_fin(State::CloseWait);
        pen.wait(self.length_ns[0]);
        match self.ending {
            Ending::Reset(State::CloseWait) => return pen.reset(EPIPE),
            Ending::Abort(_) => return pen.abort(),
            _ => {}
        }
        self.shut(pen, State::LastAck, self.length_ns[1]);
        match self.ending {
            Ending::Reset(_) => pen.reset(ECONNRESET),
            Ending::Timeout(_) => pen.end(ETIMEDOUT, Outcome::Timeout, None),
            _ => pen.end(0, Outcome::Fin, None),
        }
    }

    fn active(&self, pen: &mut Pen) {
        let [first_ns, second_ns] = self.length_ns;
        let late = self.ending == Ending::Active && matches!(self.shut, Shut::HalfThenClose(share) if share % 2 == 0);
        if late {
            // close() comes in FIN_WAIT2.
            pen.half_close(State::FinWait1, self.named);
            pen.wait(first_ns);
        } else {
            self.shut(pen, State::FinWait1, first_ns);
        }
        match self.ending {
            Ending::Reset(_) => return pen.reset(ECONNRESET),
            Ending::Timeout(_) => return pen.end(ETIMEDOUT, Outcome::Timeout, None),
            Ending::DataAfterClose => {
                pen.receives_reset();
                pen.end(ECONNRESET, Outcome::ResetSent, Some(Reason::DataAfterClose));
                return pen.sends_reset(RST_DATA_AFTER_CLOSE);
            }
            Ending::Simultaneous => {
                pen.peer_fin(State::Closing);
                pen.wait(second_ns);
                return pen.end(0, Outcome::Fin, None);
            }
            _ => {}
        }
        pen.our_fin_acked(self.three_way.map(|_| 7));
        if self.ending == Ending::ActiveOrphan {
            return pen.hand_over(self.named);
        }
        if late {
            pen.wait(second_ns / 2);
            pen.close_again(self.named);
            pen.wait(second_ns - second_ns / 2);
        } else {
            pen.wait(second_ns);
        }
        pen.time_wait(self.three_way);
    }

    /// Our FIN, and all that happens until it is answered.
    fn shut(&self, pen: &mut Pen, state: State, length_ns: u64) {
        let (before_ns, closes) = match self.shut {
            Shut::Close => (0, true),
            Shut::Half => (0, false),
            Shut::HalfThenClose(share) => (length_ns / 255 * u64::from(share), true),
        };
        if before_ns == 0 && closes {
            pen.close(state, self.named);
        } else {
            pen.half_close(state, self.named);
        }
        if before_ns > 0 {
            pen.wait(before_ns);
            pen.close_again(self.named);
        }
        let rest_ns = length_ns - before_ns;
        let each_ns = rest_ns / 8;
        for kind in &self.retransmits {
            pen.wait(each_ns);
            pen.retransmits(*kind);
        }
        pen.wait(rest_ns - each_ns * self.retransmits.len() as u64);
    }
}
