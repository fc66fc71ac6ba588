//! Events of a host on which a given number of connections are closing at any time: whole lives, each event
//! advances one connection chosen at random. The same seed gives the same events.

use tcptrace_ebpf::{
    record::{
        FLAG_DONE, FLAG_ORPHAN, FLAG_OWNER, FLAG_RCV_SHUTDOWN, FLAG_SEGS_IN, FLAG_SEND_SHUTDOWN, FLAG_TOTALS,
        KIND_TRANSITION, RECORD_LEN, Record,
    },
    state::{CLOSE, CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, LAST_ACK, SYN_SENT},
};

/// One ring buffer record.
pub(crate) type Raw = [u8; RECORD_LEN];

struct Step {
    old: u8,
    new: u8,
    flags: u16,
    /// First of its connection.
    first: bool,
    /// Leaves the connection closing, that is open for the engine.
    open: bool,
}

const fn step(old: u8, new: u8, flags: u16) -> Step {
    let first = matches!((old, new), (CLOSE, SYN_SENT) | (ESTABLISHED, CLOSE_WAIT));
    Step { old, new, flags, first, open: !matches!(new, SYN_SENT | CLOSE) }
}

const CLOSED: u16 = FLAG_RCV_SHUTDOWN | FLAG_SEND_SHUTDOWN;
const END: u16 = CLOSED | FLAG_ORPHAN | FLAG_TOTALS | FLAG_SEGS_IN;

/// Lives, one after the other: `close()` with the peer's FIN soon after; `close()` before the peer does, which the
/// kernel hands to a timewait socket and the engine judges a moment later; and the peer first.
const LIVES: [Step; 11] = [
    step(CLOSE, SYN_SENT, FLAG_OWNER),
    step(ESTABLISHED, FIN_WAIT1, FLAG_OWNER | CLOSED),
    step(FIN_WAIT1, FIN_WAIT2, CLOSED | FLAG_ORPHAN | FLAG_SEGS_IN),
    step(FIN_WAIT2, CLOSE, END | FLAG_DONE),
    step(CLOSE, SYN_SENT, FLAG_OWNER),
    step(ESTABLISHED, FIN_WAIT1, FLAG_OWNER | CLOSED),
    step(FIN_WAIT1, FIN_WAIT2, CLOSED | FLAG_ORPHAN | FLAG_SEGS_IN),
    step(FIN_WAIT2, CLOSE, END),
    step(ESTABLISHED, CLOSE_WAIT, FLAG_RCV_SHUTDOWN | FLAG_DONE),
    step(CLOSE_WAIT, LAST_ACK, FLAG_OWNER | CLOSED | FLAG_DONE),
    step(LAST_ACK, CLOSE, END | FLAG_DONE),
];
const OPEN_STEPS: usize = {
    let mut open = 0;
    let mut rest = LIVES.as_slice();
    while let [step, others @ ..] = rest {
        open += step.open as usize;
        rest = others;
    }
    open
};

/// Where its programs run.
pub(crate) const CGROUP_ID: u64 = 4_242;
/// Between two events: a host that makes 330,000 a second, as one does that opens and closes 47,000 connections.
pub(crate) const EVENT_DISTANCE_NS: u64 = 3_000;

#[derive(Clone, Copy)]
struct Slot {
    key: u64,
    at: usize,
}

/// The host.
pub(crate) struct Load {
    slots: Vec<Slot>,
    next_key: u64,
    time_ns: u64,
    random: u64,
}

impl Load {
    /// A host with about that many closing connections, and the events that tell an engine how it came to that.
    pub(crate) fn new(open: usize, mut event: impl FnMut(&Raw)) -> Self {
        let slots = open.saturating_mul(LIVES.len()) / OPEN_STEPS;
        let mut load =
            Self { slots: Vec::with_capacity(slots), next_key: 0x1000, time_ns: 1_000_000_000_000, random: 0x5eed };
        for _ in 0..slots {
            let now = load.below(LIVES.len());
            let begin = LIVES.iter().take(now + 1).rposition(|step| step.first).unwrap_or(0);
            let key = load.new_key();
            for at in begin..=now {
                event(&load.record(Slot { key, at }));
            }
            load.slots.push(Slot { key, at: now });
        }
        load
    }

    /// What happens next.
    pub(crate) fn next(&mut self) -> Raw {
        let number = self.below(self.slots.len());
        let Some(mut slot) = self.slots.get(number).copied() else {
            return [0; RECORD_LEN];
        };
        slot.at = (slot.at + 1) % LIVES.len();
        if LIVES.get(slot.at).is_some_and(|step| step.first) {
            slot.key = self.new_key();
        }
        if let Some(kept) = self.slots.get_mut(number) {
            *kept = slot;
        }
        self.record(slot)
    }

    /// Cookies come in sequence.
    fn new_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    /// xorshift64 (Marsaglia), scaled down without a division.
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let scaled = (u128::from(self.random) * bound as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    fn record(&mut self, slot: Slot) -> Raw {
        self.time_ns += EVENT_DISTANCE_NS;
        let Some(step) = LIVES.get(slot.at) else {
            return [0; RECORD_LEN];
        };
        transition(self.time_ns, slot.key, step)
    }
}

/// A connection that becomes open and stays so.
pub(crate) fn close_wait(time_ns: u64, key: u64) -> Raw {
    transition(time_ns, key, &step(ESTABLISHED, CLOSE_WAIT, FLAG_RCV_SHUTDOWN | FLAG_DONE))
}

/// A connection that is only remembered.
pub(crate) fn connect(time_ns: u64, key: u64) -> Raw {
    transition(time_ns, key, &step(CLOSE, SYN_SENT, FLAG_OWNER))
}

fn transition(time_ns: u64, key: u64, step: &Step) -> Raw {
    let has = |flag| step.flags & flag != 0;
    let owner = has(FLAG_OWNER);
    let totals = has(FLAG_TOTALS);
    let [low, high, ..] = key.to_le_bytes();
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[10, 0, high, low]);
    bytes(&Record {
        time_ns,
        key,
        cgroup_id: if owner { CGROUP_ID } else { 0 },
        bytes_sent: if totals { 1_448 } else { 0 },
        bytes_received: if totals { 64 } else { 0 },
        netns: 4_026_531_840,
        pid: if owner { 7_434 } else { 0 },
        srtt_us: if totals { 24 } else { 0 },
        segs_in: if has(FLAG_SEGS_IN) { 6 } else { 0 },
        detail: 0,
        kind: KIND_TRANSITION,
        old_state: step.old,
        new_state: step.new,
        family: 2,
        local_port: u16::from_le_bytes([low, high]),
        remote_port: 443,
        sk_err: 0,
        flags: step.flags,
        local_addr: address,
        remote_addr: address,
        comm: if owner { *b"nginx\0\0\0\0\0\0\0\0\0\0\0" } else { [0; 16] },
        tcp_flags: 0,
        pad: 0,
        loss_mark: 0,
    })
}

/// As the kernel side leaves it in memory.
fn bytes(record: &Record) -> Raw {
    let mut out = [0; RECORD_LEN];
    let mut rest = out.as_mut_slice();
    let mut put = |bytes: &[u8]| {
        if let Some((head, tail)) = std::mem::take(&mut rest).split_at_mut_checked(bytes.len()) {
            head.copy_from_slice(bytes);
            rest = tail;
        }
    };
    for value in [record.time_ns, record.key, record.cgroup_id, record.bytes_sent, record.bytes_received] {
        put(&value.to_ne_bytes());
    }
    for value in [record.netns, record.pid, record.srtt_us, record.segs_in, record.detail] {
        put(&value.to_ne_bytes());
    }
    put(&[record.kind, record.old_state, record.new_state, record.family]);
    for value in [record.local_port, record.remote_port, record.sk_err, record.flags] {
        put(&value.to_ne_bytes());
    }
    put(&record.local_addr);
    put(&record.remote_addr);
    put(&record.comm);
    put(&record.tcp_flags.to_ne_bytes());
    out
}
