//! What the kernel side counts, one set for each CPU and program, summed in user space.

use core::mem::size_of;

/// Sets of counters on each CPU: one for each program.
pub const COUNTER_SETS: u32 = 6;
/// The set of the program that handles nested transitions.
pub const SET_NESTED: u32 = 5;

/// The set of the program that yields `kind` (`KIND_*`).
#[must_use]
pub const fn set_of(kind: u8) -> u32 {
    kind as u32 - 1
}

/// Counters of one program on one CPU. Every event of interest is `seen`, and then either reaches the ring buffer
/// or is one of the `lost`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events of interest, whether or not they found room.
    pub seen: u64,
    /// Events for which `bpf_ringbuf_reserve()` found no room.
    pub lost: u64,
    /// Retransmits of data alone: looked at and not sent on.
    pub data_retransmits: u64,
    /// Resets sent for no socket of a known life (closed port, request, timewait without a cookie): not sent on.
    pub foreign_resets: u64,
}

/// Size of [`Counters`] on the wire.
pub const COUNTERS_LEN: usize = 32;

const _: () = assert!(size_of::<Counters>() == COUNTERS_LEN);
