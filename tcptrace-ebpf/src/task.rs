//! Who runs now, for events that the current task makes.
//!
//! A process, not a thread: the name is that of the thread group's leader, so that a program is one owner whatever it
//! calls its threads, and what io_uring's workers (PF_IO_WORKER, threads of the program) do is the program's. Kernel
//! threads own nothing: a worker queue closes sockets for others (MPTCP, io_uring's deferred work), and whose they were
//! is not to be seen there.
//!
//! Loads through the typed pointer instead of helpers: `bpf_get_current_comm()` and `bpf_get_current_cgroup_id()`
//! cost about as much as the rest of a record.

use core::{mem::MaybeUninit, ptr};

use aya_ebpf::helpers::generated::{
    bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_get_current_task, bpf_get_current_task_btf,
    bpf_probe_read_kernel,
};
use tcptrace_ebpf::{filter::comm_key, record::Record};

use crate::{
    maps::{COMMS, FILTER, PIDS, constant, filter, layout},
    sock::load,
};

/// Of `include/linux/sched.h`; the same in all releases.
const PF_KTHREAD: u32 = 0x0020_0000;

/// Two loads and two stores for `comm`; anything else becomes a copy byte by byte.
type Comm = [u64; 2];

/// `struct task_struct`: a typed pointer, or an address where the kernel gives no better.
#[derive(Clone, Copy)]
pub(crate) struct Task(*const u8);

/// What a task's fields are read as: any bytes are a value of it.
trait Bits: Copy {}

impl Bits for u32 {}
impl Bits for Comm {}
impl Bits for *const u8 {}

impl Task {
    /// The current task; `None` for a kernel thread.
    #[inline(always)]
    pub(crate) fn current() -> Option<Self> {
        let task = if layout!(has_task_btf) != 0 {
            // SAFETY: the helper takes nothing.
            Self(unsafe { bpf_get_current_task_btf() }.cast_const().cast())
        } else {
            // SAFETY: the helper takes nothing.
            Self(ptr::with_exposed_provenance(unsafe { bpf_get_current_task() } as usize))
        };
        let flags: u32 = task.read(layout!(task_flags));
        if flags & PF_KTHREAD == 0 { Some(task) } else { None }
    }

    #[inline(always)]
    fn read<T: Bits>(self, offset: u32) -> T {
        if layout!(has_task_btf) != 0 {
            // SAFETY: the offset is that of a field of this size, resolved from BTF.
            return unsafe { load(self.0, offset) };
        }
        let mut value = MaybeUninit::<T>::zeroed();
        let from = self.0.wrapping_add(offset as usize);
        // SAFETY: the helper writes the size of `value`, or zeros where it cannot read; any bytes are a `T`.
        unsafe {
            bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, from.cast());
            value.assume_init()
        }
    }

    /// Whether it is one that `--pid`, `--comm` and `--cgroup` ask for: all that were given must hold.
    #[inline(always)]
    pub(crate) fn is_wanted(self) -> bool {
        (filter!(has_pids) == 0 || PIDS.get_ptr(self.pid()).is_some())
            && (filter!(has_comms) == 0 || COMMS.get_ptr(comm_key(self.comm())).is_some())
            && (filter!(cgroup_count) == 0 || in_cgroups())
    }

    /// Id of the process (`tgid`).
    #[inline(always)]
    fn pid(self) -> u32 {
        self.read(layout!(task_tgid))
    }

    /// Name of the process: its leader's.
    #[inline(always)]
    fn comm(self) -> Comm {
        Self(self.read(layout!(task_leader))).read(layout!(task_comm))
    }

    #[inline(always)]
    fn cgroup_id(self) -> u64 {
        if layout!(task_cgroups) == 0 {
            return 0;
        }
        // SAFETY: the helper takes nothing; each pointer that is loaded from a typed one is typed, too, and the
        // offsets are from BTF.
        unsafe {
            if layout!(has_task_btf) == 0 {
                return bpf_get_current_cgroup_id();
            }
            let set: *const u8 = load(self.0, layout!(task_cgroups));
            let cgroup: *const u8 = load(set, layout!(css_set_cgroup));
            let node: *const u8 = load(cgroup, layout!(cgroup_node));
            load(node, layout!(node_id))
        }
    }

    /// Writes the task into the record.
    ///
    /// # Safety
    /// `to` is valid for writes.
    #[inline(always)]
    pub(crate) unsafe fn fill(self, to: *mut Record) {
        // SAFETY: by the caller; `comm` is 8-byte aligned within the record (offset 104).
        unsafe {
            (*to).pid = self.pid();
            (&raw mut (*to).comm).cast::<Comm>().write(self.comm());
            (*to).cgroup_id = self.cgroup_id();
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
