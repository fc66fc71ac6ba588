//! Which events the first of two programs has handled, so that the second handles the others.
//!
//! The first program leaves a note of each event that it has handled; the second, which runs after it for the same
//! event, takes the note away, and handles the event itself when there is none. An event in softirq may come between
//! any two instructions of both:
//!
//! - while the first runs, it is skipped for the inner event, and the second finds no note for it: handled once;
//! - while the second runs, it is skipped for the inner event, which the first handles: the note stays behind.
//!
//! Notes are kept by socket, because the socket's lock keeps events of one socket apart, while a softirq brings many
//! events of others. What remains: a note that stayed behind hides a later event if the same socket makes the same
//! transition again and the first program is interrupted just then; and two sockets that share a place within one
//! interruption make the second program handle an event again, which the engine drops as a duplicate.

use aya_ebpf::{macros::map, maps::PerCpuArray};

/// A power of two, well above the number of events that one softirq brings.
const PLACES: u32 = 1024;

#[map]
static HANDLED: PerCpuArray<u64> = PerCpuArray::with_max_entries(PLACES, 0);

/// This CPU's place for a socket.
#[inline(always)]
fn place(key: u64) -> Option<*mut u64> {
    // Cookies are given out in sequence, so neighbours in time have places of their own.
    HANDLED.get_ptr_mut((key as u32) & (PLACES - 1))
}

/// Never 0, for no transition has both states 0.
#[inline(always)]
fn note(key: u64, old: u8, new: u8) -> u64 {
    key << 8 | u64::from(old & 15) << 4 | u64::from(new & 15)
}

/// Notes that the first program has handled this event.
#[inline(always)]
pub(crate) fn handled(key: u64, old: u8, new: u8) {
    if let Some(place) = place(key) {
        // SAFETY: this CPU's own element; one aligned store, so nobody sees half of it.
        unsafe { place.write_volatile(note(key, old, new)) };
    }
}

/// Whether the first program has handled this event; takes its note away.
#[inline(always)]
pub(crate) fn take(key: u64, old: u8, new: u8) -> bool {
    let Some(place) = place(key) else { return false };
    // SAFETY: this CPU's own element.
    unsafe {
        let found = place.read_volatile() == note(key, old, new);
        if found {
            place.write_volatile(0);
        }
        found
    }
}
