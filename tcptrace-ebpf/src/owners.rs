//! Whose a close is, as far as the kernel side can know: `--pid`, `--comm` and `--cgroup`.
//!
//! A task is known only where it acts on the socket (`record owner` of the programs), which may be late: a passive
//! close begins in softirq and gets its owner with the move to LAST_ACK. So its first record is held until then, and
//! follows, or is dropped. Who was refused is remembered, for what comes in softirq afterwards. As in user space
//! (`take_owner`): who closes first counts, and outranks who connected.
//!
//! Without an entry in either map an event passes, so a full map and an aged mark lose nothing. A socket's lock keeps
//! its events apart; only user space may take a held record away in between.

use tcptrace_ebpf::{
    record::KIND_TRANSITION,
    state::{CLOSE_WAIT, ESTABLISHED, LISTEN, SYN_RECV, SYN_SENT},
};

use crate::{
    emit::Event,
    maps::{HELD, REFUSED, filter},
    task::Task,
};

/// Another task connected: whoever closes may still be the one.
const BY_CONNECTOR: u8 = 1;
/// Another task closed first: decided for this life.
const BY_CLOSER: u8 = 2;

/// What becomes of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// After the record that is held for its socket, if there is one.
    PassAfterHeld,
    /// Until the owner is known.
    Hold,
    Drop,
}

/// Judges an event by its owner.
#[inline(always)]
pub(crate) fn judge(event: &Event) -> Fate {
    if filter!(owners) == 0 {
        return Fate::Pass;
    }
    let (key, old, new) = (event.key, event.old_state, event.new_state);
    let moves = event.kind == KIND_TRANSITION;
    if let Some(task) = event.owner {
        return by_owner(task, key, old, new);
    }
    // A kernel thread connects: nobody's, whatever was said of this key before.
    if moves && new == SYN_SENT {
        forgive(key, refusal(key));
        return Fate::Pass;
    }
    // A listener answers strays with resets. They belong to no close, and to nobody.
    if old == LISTEN {
        return Fate::Drop;
    }
    if moves && new == CLOSE_WAIT && old != CLOSE_WAIT {
        return Fate::Hold;
    }
    let refused = refusal(key) != 0;
    if old == CLOSE_WAIT && HELD.get_ptr(key).is_some() {
        if !refused {
            return Fate::PassAfterHeld;
        }
        // Also to LAST_ACK, which a kernel thread may make.
        if moves && new != CLOSE_WAIT {
            let _ = HELD.remove(key);
        }
    }
    if refused { Fate::Drop } else { Fate::Pass }
}

/// The current task acts on the socket.
#[inline(always)]
fn by_owner(task: Task, key: u64, old: u8, new: u8) -> Fate {
    let matches = task.is_wanted();
    if new == SYN_SENT {
        if matches {
            forgive(key, refusal(key));
            return Fate::Pass;
        }
        return refuse(key, BY_CONNECTOR);
    }
    let refused = refusal(key);
    // close() after shutdown(), perhaps by another task: who was first is known, unless nobody was seen.
    if old == new {
        if refused == BY_CLOSER || (refused != 0 && !matches) {
            return Fate::Drop;
        }
        forgive(key, refused);
        return Fate::Pass;
    }
    if matches {
        forgive(key, refused);
        return if old == CLOSE_WAIT { Fate::PassAfterHeld } else { Fate::Pass };
    }
    // What is not held any more although it was, user space has: it needs the rest.
    let held = old == CLOSE_WAIT && HELD.remove(key).is_ok();
    if held || refused != 0 || old == ESTABLISHED || old == SYN_RECV {
        return refuse(key, BY_CLOSER);
    }
    Fate::Pass
}

#[inline(always)]
fn refusal(key: u64) -> u8 {
    // SAFETY: one byte of a preallocated element, which stays readable whoever has it by now.
    REFUSED.get_ptr(key).map_or(0, |by| unsafe { by.read_volatile() })
}

/// Remembers it, where there is room; without, what comes later passes.
#[inline(always)]
fn refuse(key: u64, by: u8) -> Fate {
    let _ = REFUSED.insert(key, by, 0);
    Fate::Drop
}

#[inline(always)]
fn forgive(key: u64, refused: u8) {
    if refused != 0 {
        let _ = REFUSED.remove(key);
    }
}
