//! Who runs now, for events that the current task makes.
//!
//! Loads through the typed pointer instead of helpers: `bpf_get_current_comm()` and `bpf_get_current_cgroup_id()`
//! cost about as much as the rest of a record.

use aya_ebpf::helpers::generated::{
    bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_task_btf,
};
use tcptrace_ebpf::{filter::comm_key, record::Record};

use crate::{
    maps::{COMMS, FILTER, PIDS, constant, filter, layout},
    sock::load,
};

/// Two loads and two stores for `comm`; anything else becomes a copy byte by byte.
type Comm = [u64; 2];

/// Whether the current task is one that `--pid`, `--comm` and `--cgroup` ask for: all that were given must hold.
#[inline(always)]
pub(crate) fn is_wanted() -> bool {
    (filter!(has_pids) == 0 || PIDS.get_ptr(pid()).is_some())
        && (filter!(has_comms) == 0 || COMMS.get_ptr(comm_key(comm())).is_some())
        && (filter!(cgroup_count) == 0 || in_cgroups())
}

#[inline(always)]
fn pid() -> u32 {
    // SAFETY: as in `fill`.
    unsafe {
        if layout!(task_comm) == 0 {
            (bpf_get_current_pid_tgid() >> 32) as u32
        } else {
            load(bpf_get_current_task_btf().cast_const().cast(), layout!(task_tgid))
        }
    }
}

#[inline(always)]
fn comm() -> Comm {
    // SAFETY: as in `fill`; the helper writes exactly the 16 bytes of `comm`.
    unsafe {
        if layout!(task_comm) == 0 {
            let mut comm = [0; 2];
            bpf_get_current_comm((&raw mut comm).cast(), 16);
            comm
        } else {
            load(bpf_get_current_task_btf().cast_const().cast(), layout!(task_comm))
        }
    }
}

/// In one of them, or below it.
#[inline(always)]
fn in_cgroups() -> bool {
    let count = filter!(cgroup_count) as usize;
    for (id, level) in FILTER.cgroup_ids.iter().zip(&FILTER.cgroup_levels).take(count) {
        // SAFETY: the helper takes a number and reads the current task; 0 where there is no such ancestor.
        let ancestor = unsafe { bpf_get_current_ancestor_cgroup_id(constant(level) as i32) };
        if ancestor == constant(id) {
            return true;
        }
    }
    false
}

/// Writes the current task into the record.
///
/// # Safety
/// `to` is valid for writes.
#[inline(always)]
pub(crate) unsafe fn fill(to: *mut Record) {
    // SAFETY: by the caller; the helper writes exactly the 16 bytes of `comm`. The task is a typed pointer, and so
    // is each that is loaded from it; offsets and sizes are from BTF.
    unsafe {
        if layout!(task_comm) == 0 {
            (*to).pid = (bpf_get_current_pid_tgid() >> 32) as u32;
            (*to).cgroup_id = bpf_get_current_cgroup_id();
            bpf_get_current_comm((&raw mut (*to).comm).cast(), 16);
            return;
        }
        let task = bpf_get_current_task_btf().cast_const().cast::<u8>();
        (*to).pid = load(task, layout!(task_tgid));
        let comm: Comm = load(task, layout!(task_comm));
        (&raw mut (*to).comm).cast::<Comm>().write(comm);
        let set: *const u8 = load(task, layout!(task_cgroups));
        let cgroup: *const u8 = load(set, layout!(css_set_cgroup));
        let node: *const u8 = load(cgroup, layout!(cgroup_node));
        (*to).cgroup_id = load(node, layout!(node_id));
    }
}

/// Writes that no task is known.
///
/// # Safety
/// `to` is valid for writes.
#[inline(always)]
pub(crate) unsafe fn clear(to: *mut Record) {
    // SAFETY: by the caller; `comm` is 8-byte aligned within the record (offset 104).
    unsafe {
        (*to).pid = 0;
        (*to).cgroup_id = 0;
        let comm = (&raw mut (*to).comm).cast::<u64>();
        comm.write_volatile(0);
        comm.add(1).write_volatile(0);
    }
}
