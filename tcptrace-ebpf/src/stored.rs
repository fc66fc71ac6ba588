//! Records that wait in a map until it is known whether they are wanted, and are sent late, as they were.

use core::mem::MaybeUninit;

use tcptrace_ebpf::record::Record;

use crate::{
    emit::{Event, fill, reserve, unsee},
    maps::{CONNECTS, HELD},
    sock::{Sock, TcpSock},
};

/// A record as words, so that its copy is no loop over bytes.
type Words = [u64; 16];

const _: () = assert!(size_of::<Words>() == size_of::<Record>() && align_of::<Words>() == align_of::<Record>());

/// Holds the beginning of a close until its owner is known; false where there is no room, and then it is to be sent.
#[inline(always)]
pub(crate) fn hold(sk: Sock, tcp: Option<TcpSock>, event: &Event) -> bool {
    HELD.insert(event.key, filled(sk, tcp, event), 0).is_ok()
}

/// Keeps a `connect()` until its local port is known; false where that failed.
#[inline(always)]
pub(crate) fn keep_connect(sk: Sock, tcp: Option<TcpSock>, event: &Event) -> bool {
    CONNECTS.insert(event.key, filled(sk, tcp, event), 0).is_ok()
}

/// Sends what is held for a socket, unless user space has taken it.
#[inline(always)]
pub(crate) fn send_held(key: u64, counter_set: u32) {
    if let Some(record) = HELD.get_ptr(key) {
        send(record, counter_set, || HELD.remove(key).is_ok());
    }
}

/// Whether a `connect()` waits for its local port.
#[inline(always)]
pub(crate) fn has_connect(key: u64) -> bool {
    CONNECTS.get_ptr(key).is_some()
}

/// Sends it: it is wanted.
#[inline(always)]
pub(crate) fn send_connect(key: u64, counter_set: u32) {
    if let Some(record) = CONNECTS.get_ptr(key) {
        send(record, counter_set, || CONNECTS.remove(key).is_ok());
    }
}

/// Forgets it: it is not.
#[inline(always)]
pub(crate) fn forget_connect(key: u64) {
    let _ = CONNECTS.remove(key);
}

/// Whoever takes the element out of its map has the record. Until then its memory is the element's, and if somebody
/// else took it, what was copied may be anybody's.
#[inline(always)]
fn send(record: *const Record, counter_set: u32, take: impl FnOnce() -> bool) {
    let Some((mut entry, wake)) = reserve(counter_set) else {
        if !take() {
            unsee(counter_set, false);
        }
        return;
    };
    // SAFETY: both are memory of one record, and of its alignment; elements stay readable when they are freed.
    unsafe { entry.as_mut_ptr().cast::<Words>().write(record.cast::<Words>().read()) };
    if take() {
        entry.submit(wake);
    } else {
        entry.discard(wake);
        unsee(counter_set, true);
    }
}

#[inline(always)]
fn filled(sk: Sock, tcp: Option<TcpSock>, event: &Event) -> Record {
    let mut record = MaybeUninit::<Record>::uninit();
    // SAFETY: memory for one record, all of which is written.
    unsafe {
        fill(record.as_mut_ptr(), sk, tcp, event);
        record.assume_init()
    }
}
