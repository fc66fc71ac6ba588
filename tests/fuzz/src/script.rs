//! A small language: the fuzzer's bytes as frames that look like a kernel's, so that the engine is reached and not
//! only the refusals in front of it. Every byte string is a script.

use tcptrace::{
    decode::{Frame, decode},
    engine::{Bounds, Config},
    model::{HostInfo, Input, KernelCounters, Tick},
};
use tcptrace_ebpf::record::{FLAGS_KNOWN, RECORD_LEN};

/// What is left of the bytes; zeros when nothing is.
pub struct Script<'a>(&'a [u8]);

const ERRNOS: [u16; 8] = [0, 104, 32, 110, 103, 113, 111, 71];

impl<'a> Script<'a> {
    /// Reads from the front.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let len = self.0.len().min(N);
        let (now, rest) = self.0.split_at(len);
        out[..len].copy_from_slice(now);
        self.0 = rest;
        out
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// The configuration: tight bounds and early thresholds find more than generous ones.
    pub fn config(&mut self) -> Config {
        let [bounds, stuck, leak] = self.take();
        let max = |bits: u8| if bits == 15 { 1 << 20 } else { usize::from(bits) };
        Config {
            stuck_after_ns: distance_ns(stuck),
            leak_after_ns: distance_ns(leak),
            echo_events: bounds & 1 == 1 && leak & 1 == 1,
            bounds: Bounds { closes_max: max(bounds & 15), connects_max: max(bounds >> 4) },
        }
    }

    /// The next input; `now_ns` is the script's clock.
    pub fn input(&mut self, now_ns: &mut u64) -> Option<Input> {
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
            230..=239 => {
                let raw: [u8; RECORD_LEN] = self.take();
                decode(Frame::Record(&raw))
            }
            240..=249 => {
                let len = usize::from(self.byte()).min(self.0.len());
                let (bytes, rest) = self.0.split_at(len);
                self.0 = rest;
                decode(Frame::Record(bytes))
            }
            _ => {
                let reasons = ["TCP_ABORT_ON_CLOSE", "TCP_STATE", "TCP_ABORT_ON_DATA", "TCP_KEEPALIVE_TIMEOUT", "?"];
                let numbered = (0..).zip(reasons.map(str::to_owned)).collect();
                Input::Host(HostInfo { reset_reasons: numbered, ..HostInfo::default() })
            }
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
fn distance_ns(step: u8) -> u64 {
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
