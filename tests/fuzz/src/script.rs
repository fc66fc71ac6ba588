//! A small language: the fuzzer's bytes as frames that look like a kernel's, so that the engine is reached and not
//! only the refusals in front of it. Every byte string is a script.

use tcptrace::{
    decode::{Frame, decode},
    engine::{Bounds, Config},
    model::{Endpoint, HostInfo, Identity, Input, KernelCounters, SocketKey, Tick},
};
use tcptrace_ebpf::record::{FLAGS_KNOWN, RECORD_LEN};

use crate::looks::World;

/// What is left of the bytes; zeros when nothing is.
pub struct Script<'a>(&'a [u8]);

const ERRNOS: [u16; 8] = [0, 104, 32, 110, 103, 113, 111, 71];

impl<'a> Script<'a> {
    /// Reads from the front.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next bytes.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let len = self.0.len().min(N);
        let (now, rest) = self.0.split_at(len);
        out[..len].copy_from_slice(now);
        self.0 = rest;
        out
    }

    /// Whether bytes are left.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        !self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// The configuration, and if sock_diag answers. Tight bounds and early thresholds find more than generous ones.
    pub fn config(&mut self) -> (Config, bool) {
        let [bounds, stuck, leak] = self.take();
        let max = |bits: u8| if bits == 15 { 1 << 20 } else { usize::from(bits) };
        let config = Config {
            stuck_after_ns: distance_ns(stuck),
            leak_after_ns: distance_ns(leak),
            echo_events: bounds & 1 == 1 && leak & 1 == 1,
            failed_connects: stuck & 2 == 2,
            bounds: Bounds { closes_max: max(bounds & 15), connects_max: max(bounds >> 4) },
        };
        (config, stuck & 1 == 1)
    }

    /// What stands first: in half of the scripts somebody answers the engine's questions.
    #[must_use]
    pub fn host(sock_diag: bool) -> Input {
        let reasons = ["TCP_ABORT_ON_CLOSE", "TCP_STATE", "TCP_ABORT_ON_DATA", "TCP_KEEPALIVE_TIMEOUT", "?"];
        let numbered = (0..).zip(reasons.map(str::to_owned)).collect();
        Input::Host(HostInfo { reset_reasons: numbered, sock_diag, ..HostInfo::default() })
    }

    /// The socket that [`Self::record`] makes of this byte.
    pub(crate) fn identity(key: u8) -> Identity {
        let end = |last: u8, port: u16| {
            let mut addr = [0; 16];
            addr[..4].copy_from_slice(&[10, 0, 0, last]);
            Endpoint::from_bytes(addr, key & 8 != 0, port)
        };
        let (local, remote) = (end(1, 45_000 + u16::from(key >> 4)), end(2, 80));
        Identity { key: SocketKey(u64::from(key & 7)), netns: 1, local, remote }
    }

    /// The next input; `now_ns` is the script's clock.
    pub fn input(&mut self, world: &World, now_ns: &mut u64) -> Option<Input> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.byte() {
            // Most of what comes is events, and most events belong to few sockets.
            op @ 0..=199 => {
                let record = self.record(op, now_ns);
                decode(Frame::Record(&record))
            }
            200..=219 => {
                let step = self.byte();
                *now_ns = now_ns.wrapping_add(distance_ns(step));
                Input::Tick(Tick { mono_ns: *now_ns, real_ns: *now_ns })
            }
            220..=224 => Input::Tick(Tick { mono_ns: self.word(), real_ns: self.word() }),
            225..=229 => Input::Counters(KernelCounters {
                seen: self.word(),
                lost: self.word(),
                missed: self.word(),
                data_retransmits: self.word(),
                foreign_resets: self.word(),
            }),
            230..=233 => {
                let raw: [u8; RECORD_LEN] = self.take();
                decode(Frame::Record(&raw))
            }
            234..=243 => world.unasked(self, now_ns),
            244..=251 => {
                let len = usize::from(self.byte()).min(self.0.len());
                let (bytes, rest) = self.0.split_at(len);
                self.0 = rest;
                decode(Frame::Record(bytes))
            }
            op => Self::host(op & 1 == 1),
        })
    }

    /// A record with few keys, real states and known flags, in the layout of `tcptrace_ebpf::record::Record`.
    fn record(&mut self, op: u8, now_ns: &mut u64) -> [u8; RECORD_LEN] {
        let [key, states, step, flags, more_flags, error] = self.take();
        *now_ns = if step == u8::MAX { self.word() } else { now_ns.wrapping_add(distance_ns(step)) };
        let mut record = [0; RECORD_LEN];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &now_ns.to_ne_bytes());
        put(8, &u64::from(key & 7).to_ne_bytes());
        put(16, &u64::from(key).to_ne_bytes());
        put(24, &u64::from(states).to_ne_bytes());
        put(32, &u64::from(step).to_ne_bytes());
        put(40, &1_u32.to_ne_bytes());
        put(44, &u32::from(error).to_ne_bytes());
        put(52, &u32::from(error >> 6).to_ne_bytes());
        put(56, &u32::from(error & 7).to_ne_bytes());
        let kind = if op < 150 { 1 } else { 2 + op % 3 };
        put(60, &[kind, 1 + (states >> 4) % 12, 1 + (states & 15) % 12, if key & 8 == 0 { 2 } else { 10 }]);
        put(64, &(45_000 + u16::from(key >> 4)).to_ne_bytes());
        put(66, &80_u16.to_ne_bytes());
        put(68, &ERRNOS[usize::from(error & 7)].to_ne_bytes());
        put(70, &(u16::from_le_bytes([flags, more_flags]) & FLAGS_KNOWN).to_ne_bytes());
        put(72, &[10, 0, 0, 1]);
        put(88, &[10, 0, 0, 2]);
        put(104, &[key, states, step, 0]);
        put(120, &0x11_u16.to_ne_bytes());
        record
    }
}

/// From nothing to hours in one byte, dense where the engine decides: microseconds and the thresholds.
pub(crate) fn distance_ns(step: u8) -> u64 {
    match step {
        0..=99 => u64::from(step) * 1_000,
        100..=199 => u64::from(step - 99) * 10_000_000,
        200..=229 => u64::from(step - 199) * 5_000_000_000,
        230..=252 => 1 << (step - 230 + 40),
        // Backwards, by a nanosecond and by a millisecond; and nothing.
        253 => u64::MAX,
        254 => u64::MAX << 20,
        255 => 0,
    }
}
