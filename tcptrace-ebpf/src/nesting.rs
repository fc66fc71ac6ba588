//! Which events the first of two programs has handled on this CPU, so that the second handles the others.
//!
//! The first program notes each event that it has handled; the second, which runs after it for the same event, takes
//! the note away, and handles the event itself when there is none. An event in softirq may come between any two
//! instructions of both. TCP nests two deep (a softirq in a task), so:
//!
//! - while the first runs, it is skipped for the inner event, and the second finds no note for it: handled once;
//! - while the second runs, it is skipped for the inner event, which the first handles: the note stays behind, above
//!   that of the outer event or alone. Taking a note also drops those above it, and a full list drops its oldest.
//!
//! A note left behind could stand for a later event only if the same socket made the same transition, and the first
//! program were interrupted just then.

use aya_ebpf::{macros::map, maps::PerCpuArray};

use crate::sock::Sock;

/// Two for what nests, two for what was left behind.
const NOTES: usize = 4;

#[repr(C)]
struct Notes {
    len: u64,
    /// Addresses of sockets. Here they are plain numbers to the verifier, which allows no arithmetic on pointers.
    sockets: [u64; NOTES],
    moves: [u64; NOTES],
}

#[map]
static HANDLED: PerCpuArray<Notes> = PerCpuArray::with_max_entries(1, 0);

#[inline(always)]
fn notes() -> Option<&'static mut Notes> {
    let notes = HANDLED.get_ptr_mut(0)?;
    // SAFETY: this CPU's own element; what an interrupting program does to it is allowed for above.
    Some(unsafe { &mut *notes })
}

#[inline(always)]
fn movement(old: u8, new: u8) -> u64 {
    u64::from(old) << 8 | u64::from(new)
}

impl Notes {
    #[inline(always)]
    fn put(&mut self, at: usize, sk: Sock, movement: u64) {
        self.sockets[at] = sk.as_ptr() as u64;
        self.moves[at] = movement;
        self.len = at as u64 + 1;
    }

    #[inline(always)]
    fn is(&self, at: usize, sk: Sock, movement: u64) -> bool {
        self.moves[at] == movement && self.sockets[at] == sk.as_ptr() as u64
    }
}

/// Notes that the first program has handled this event.
#[inline(always)]
pub(crate) fn handled(sk: Sock, old: u8, new: u8) {
    let Some(list) = notes() else { return };
    let movement = movement(old, new);
    match list.len {
        0 => list.put(0, sk, movement),
        1 => list.put(1, sk, movement),
        2 => list.put(2, sk, movement),
        3 => list.put(3, sk, movement),
        _ => {
            let ([_, a, b, c], [_, x, y, z]) = (list.sockets, list.moves);
            list.sockets = [a, b, c, 0];
            list.moves = [x, y, z, 0];
            list.put(3, sk, movement);
        }
    }
}

/// Whether the first program has handled this event; takes its note away.
#[inline(always)]
pub(crate) fn take(sk: Sock, old: u8, new: u8) -> bool {
    let Some(list) = notes() else { return false };
    let movement = movement(old, new);
    // The newest first: it is nearly always the one.
    if list.len > 3 && list.is(3, sk, movement) {
        list.len = 3;
    } else if list.len > 2 && list.is(2, sk, movement) {
        list.len = 2;
    } else if list.len > 1 && list.is(1, sk, movement) {
        list.len = 1;
    } else if list.len > 0 && list.is(0, sk, movement) {
        list.len = 0;
    } else {
        return false;
    }
    true
}
