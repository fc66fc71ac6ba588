//! Loads the BPF object for the running kernel and attaches its programs.

use std::os::fd::{AsFd, OwnedFd};

use aya::{
    Btf as AyaBtf, Ebpf, EbpfError, EbpfLoader, include_bytes_aligned,
    maps::{MapData, MapType, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, ProgramError, ProgramFd},
    sys::is_map_supported,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use tcptrace_ebpf::{counters::Counters, filter::Filter, layout::Layout, names};

use super::{
    btf::Btf,
    differences::{Difference, RING_BUFFER},
    error::SourceError,
    filter::KernelFilter,
    held::Held,
    layout::{reset_reasons, resolve},
    time_wait,
};

/// The compiled kernel side.
pub(super) static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tcptrace-object"));

/// [`Layout`] as the BPF library takes globals.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct GlobalLayout(Layout);

// SAFETY: integers alone, `repr(C)`, no padding (48 `u32` and one `u64`), so any bytes are valid.
unsafe impl aya::Pod for GlobalLayout {}

/// [`Filter`] in the same way.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct GlobalFilter(Filter);

// SAFETY: integers alone, `repr(C)`, no padding (16 `u64`, then 32 `u32`).
unsafe impl aya::Pod for GlobalFilter {}

#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct CpuCounters(pub(super) Counters);

// SAFETY: four `u64`, `repr(C)`.
unsafe impl aya::Pod for CpuCounters {}

/// The kernel side, loaded; attached by [`Kernel::attach`].
pub struct Kernel {
    ebpf: Ebpf,
    /// Names of `enum sk_rst_reason`.
    pub reset_reasons: Vec<(u32, String)>,
    /// What was resolved for this kernel.
    pub layout: Layout,
    /// Whether TIME_WAIT of orphans comes as an event, as far as was tried; or why not.
    time_wait: Result<(), String>,
    /// What it leaves out.
    filter: KernelFilter,
}

impl Kernel {
    /// Resolves the kernel's layout and loads the object with it.
    ///
    /// # Errors
    /// Sorted by what the user can do; see [`SourceError`].
    pub fn load(ring_bytes: u32, log_level: u8, filter: &KernelFilter) -> Result<Self, SourceError> {
        // Kernels before 5.11 charge maps to this limit. Without the right to raise it, loading says so.
        let unlimited = Rlimit { current: None, maximum: None };
        let _ = setrlimit(Resource::Memlock, unlimited);
        let kernel_btf = Btf::of_running_kernel()?;
        let mut layout = resolve(&kernel_btf)?;
        layout.wake_bytes = ring_bytes / 4;
        (layout.has_cookie, layout.has_task_btf) = (1, 1);
        layout.address_mask = random();
        let reset_reasons = reset_reasons(&kernel_btf);
        let btf = AyaBtf::from_sys_fs().map_err(|error| SourceError::from_bpf("read BTF", &error))?;
        let mut filter = filter.clone();
        let mut ebpf = loop {
            match load_programs(&layout, &filter, &btf, ring_bytes, log_level) {
                Err(error) if layout.has_cookie == 1 && lacks(&error, "bpf_get_socket_cookie") => {
                    layout.has_cookie = 0;
                    // `bpf_get_current_task_btf()` came shortly before the cookie.
                    layout.has_task_btf = 0;
                }
                Err(error) if filter.has_cgroups() && lacks(&error, "bpf_get_current_ancestor_cgroup_id") => {
                    filter = filter.without_cgroups();
                }
                other => break other?,
            }
        };
        let time_wait = time_wait::load(&mut ebpf, &btf, &layout);
        Ok(Self { ebpf, reset_reasons, layout, time_wait, filter })
    }

    /// What the kernel side leaves out: all that was asked for, as far as this kernel can.
    #[must_use]
    pub fn filter(&self) -> &KernelFilter {
        &self.filter
    }

    /// Attaches every program; events flow from here on.
    ///
    /// # Errors
    /// Names the tracepoint that refused.
    pub fn attach(&mut self) -> Result<(), SourceError> {
        if let Err(why) = self.attach_time_wait() {
            log::debug!("no event tells when an orphan's peer closes: {why}");
        }
        for (name, tracepoint) in names::PROGRAMS {
            let program = program(&mut self.ebpf, name)?;
            let what = format!("attach to tracepoint {tracepoint}");
            program.attach().map_err(|error| SourceError::from_bpf(&what, &error))?;
        }
        Ok(())
    }

    /// Attaches the one program that a run can do without.
    ///
    /// # Errors
    /// Says why there are no events of TIME_WAIT.
    pub fn attach_time_wait(&mut self) -> Result<(), String> {
        if self.time_wait.is_ok() {
            self.time_wait = time_wait::attach(&mut self.ebpf);
        }
        self.time_wait.clone()
    }

    /// Detaches and unloads every program; [`Kernel::unaided_programs`] keep their counts.
    pub(super) fn detach(&mut self) -> Result<(), SourceError> {
        time_wait::unload(&mut self.ebpf);
        for (name, _) in names::PROGRAMS {
            let program = program(&mut self.ebpf, name)?;
            program.unload().map_err(|error| SourceError::from_bpf("detach", &error))?;
        }
        Ok(())
    }

    /// File descriptors of the programs whose skipped runs are lost events.
    pub(super) fn unaided_programs(&mut self) -> Result<Vec<OwnedFd>, SourceError> {
        let mut fds = Vec::new();
        for (name, tracepoint) in names::PROGRAMS {
            // Its two programs stand in for each other: a skipped run loses nothing.
            if tracepoint == names::PROGRAM_SET_STATE {
                continue;
            }
            let fd = program(&mut self.ebpf, name)?.fd();
            fds.push(cloned(fd.map_err(|error| SourceError::from_bpf("find a program", &error))?)?);
        }
        if let Some(fd) = time_wait::fd(&mut self.ebpf) {
            fds.push(cloned(fd)?);
        }
        Ok(fds)
    }

    pub(super) fn take_ring(&mut self) -> Result<RingBuf<MapData>, SourceError> {
        let map = self.ebpf.take_map(names::MAP_EVENTS).ok_or_else(|| absent(names::MAP_EVENTS))?;
        RingBuf::try_from(map).map_err(|error| SourceError::from_bpf("open the ring buffer", &error))
    }

    pub(super) fn take_counters(&mut self) -> Result<PerCpuArray<MapData, CpuCounters>, SourceError> {
        let name = names::MAP_COUNTERS;
        let map = self.ebpf.take_map(name).ok_or_else(|| absent(name))?;
        PerCpuArray::try_from(map).map_err(|error| SourceError::from_bpf("open the counters", &error))
    }

    /// What waits for its owner, where owners are asked for.
    pub(super) fn take_held(&mut self, release_after_ns: u64) -> Result<Option<Held>, SourceError> {
        if !self.filter.has_owners() {
            return Ok(None);
        }
        let mut take = |name| self.ebpf.take_map(name).ok_or_else(|| absent(name));
        let (records, refused) = (take(names::MAP_HELD)?, take(names::MAP_REFUSED)?);
        Held::new(records, refused, release_after_ns).map(Some)
    }

    pub(super) fn ebpf_mut(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }
}

fn load_programs(
    layout: &Layout,
    filter: &KernelFilter,
    btf: &AyaBtf,
    ring_bytes: u32,
    log_level: u8,
) -> Result<Ebpf, SourceError> {
    let (layout, switches) = (GlobalLayout(*layout), GlobalFilter(filter.switches()));
    let mut loader = EbpfLoader::new();
    loader
        .btf(Some(btf))
        .override_global(names::GLOBAL_LAYOUT, &layout, true)
        .override_global(names::GLOBAL_FILTER, &switches, true)
        .override_global(aya_log::LEVEL, &log_level, true)
        .map_max_entries(names::MAP_EVENTS, ring_bytes);
    filter.size_maps(&mut loader);
    let mut ebpf = loader.load(OBJECT).map_err(|error| maps_refused(&error))?;
    filter.fill_maps(&mut ebpf)?;
    for (name, tracepoint) in names::PROGRAMS {
        let loaded = program(&mut ebpf, name)?.load(tracepoint, btf);
        loaded.map_err(|error| SourceError::from_bpf(&format!("load the program {name}"), &error))?;
    }
    Ok(ebpf)
}

/// A kernel without ring buffers says no more than "invalid argument".
fn maps_refused(error: &EbpfError) -> SourceError {
    if !matches!(is_map_supported(MapType::RingBuf), Ok(false)) {
        return SourceError::from_bpf("create the BPF maps", error);
    }
    let Difference { name, since: (major, minor), .. } = RING_BUFFER;
    SourceError::Kernel(format!("it has no {name}, which Linux {major}.{minor} and later have"))
}

fn cloned(fd: &ProgramFd) -> Result<OwnedFd, SourceError> {
    fd.as_fd().try_clone_to_owned().map_err(|source| SourceError::Io { what: "clone a descriptor", source })
}

/// 5.10 has no `bpf_get_socket_cookie()` for tracing programs, 5.13 no `bpf_get_current_ancestor_cgroup_id()`.
fn lacks(error: &SourceError, helper: &str) -> bool {
    matches!(error, SourceError::Kernel(text) if text.contains(helper))
}

pub(super) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut BtfTracePoint, SourceError> {
    let program = ebpf.program_mut(name).ok_or_else(|| absent(name))?;
    let typed: Result<&mut BtfTracePoint, ProgramError> = program.try_into();
    typed.map_err(|error| SourceError::from_bpf("use the BPF object", &error))
}

fn absent(name: &str) -> SourceError {
    SourceError::Kernel(format!("the BPF object has no `{name}`: it was built wrong"))
}

/// Unpredictable enough to hide addresses; std seeds its hashers from the system's random numbers.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
