//! A running kernel side, drained in batches.

use std::time::Duration;

use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya_log::EbpfLogger;
use tcptrace_ebpf::{
    counters::COUNTER_SETS,
    record::{FLAG_OWNER, KIND_TRANSITION, Record},
};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    cgroups::Cgroups,
    clock::now,
    error::SourceError,
    filter::KernelFilter,
    held::Held,
    interfaces::Interfaces,
    load::{CpuCounters, Kernel},
    proc::NetnsNames,
    skips::Skips,
};
use crate::{
    decode::Frame,
    model::{HostInfo, InterfaceName, KernelCounters, Tick},
};

/// The reader looks at least this often; together with a busy scheduler, events are at most 100 ms late.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Between two readings of the counters.
const COUNT_INTERVAL_NS: u64 = 40_000_000;
/// Records taken in one go, so that signals and output get their turn under any load.
const BATCH_MAX: usize = 1 << 16;

/// How to run the kernel side.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Size of the ring buffer, bytes: a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Level of debug messages from the programs, 0 (off, costs nothing) to 5.
    pub log_level: u8,
    /// What the kernel side leaves out.
    pub filter: KernelFilter,
    /// A passive close without an owner is handed on after this time, nanoseconds: `--leak-after`.
    pub leak_after_ns: u64,
}

/// The kernel side, attached.
pub struct Live {
    kernel: Kernel,
    ring: AsyncFd<RingBuf<MapData>>,
    counters: PerCpuArray<MapData, CpuCounters>,
    skips: Vec<Skips>,
    cgroups: Cgroups,
    interfaces: Interfaces,
    netns_names: NetnsNames,
    held: Option<Held>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    /// When the counters were read last, CLOCK_MONOTONIC nanoseconds.
    counted_ns: u64,
    /// From then on each count may be the last.
    stopped: bool,
}

impl Live {
    /// Loads and attaches the kernel side. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn start(options: LiveOptions) -> Result<Self, SourceError> {
        let mut kernel = Kernel::load(options.ring_bytes, options.log_level, &options.filter)?;
        let ring = kernel.take_ring()?;
        // SAFETY: the map behind `ring` owns its descriptor and gives the same one for all its life.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        let ring = ring.map_err(|error| SourceError::Io { what: "watch the ring buffer", source: error.into() })?;
        let counters = kernel.take_counters()?;
        let logger = (options.log_level > 0).then(|| EbpfLogger::init(kernel.ebpf_mut())).transpose();
        let logger = logger.map_err(|error| SourceError::from_bpf("open the debug log", &error))?;
        let held = kernel.take_held(options.leak_after_ns)?;
        kernel.attach()?;
        // Only now is it known which programs run.
        let skips = kernel.unaided_programs()?.into_iter().map(Skips::new).collect();
        let (cgroups, interfaces, netns_names) = (Cgroups::new(), Interfaces::new(), NetnsNames::new());
        let (counted_ns, stopped) = (0, false);
        Ok(Self { kernel, ring, counters, skips, cgroups, interfaces, netns_names, held, logger, counted_ns, stopped })
    }

    /// What is known of this host, thresholds left to the caller.
    #[must_use]
    pub fn host(&self) -> HostInfo {
        let uname = rustix::system::uname();
        HostInfo {
            kernel_release: uname.release().to_string_lossy().into_owned(),
            hostname: uname.nodename().to_string_lossy().into_owned(),
            tcptrace_version: env!("CARGO_PKG_VERSION").to_owned(),
            reset_reasons: self.kernel.reset_reasons.clone(),
            ..HostInfo::default()
        }
    }

    /// Whether sockets are known by their cookies, as sock_diag knows them.
    #[must_use]
    pub fn has_cookies(&self) -> bool {
        self.kernel.layout.has_cookie != 0
    }

    /// Whether the kernel side leaves out what the asked-for owners have nothing to do with.
    #[must_use]
    pub fn filters_owners(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the kernel side keeps the events of the socket with this key back.
    #[must_use]
    pub fn keeps_back(&self, key: u64) -> bool {
        self.held.as_ref().is_some_and(|held| held.keeps_back(key))
    }

    /// The time now, for a stream's beginning: wall-clock time must be known before the first event.
    #[must_use]
    pub fn tick(&self) -> Tick {
        now()
    }

    /// Waits until there may be something to drain: a while, or until the buffer fills up.
    pub async fn wait(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            ready = self.ring.readable() => if let Ok(mut ready) = ready { ready.clear_ready() },
        }
    }

    /// Hands over what the kernel side has written, up to a batch; true when nothing was left. Then, time
    /// follows, and the counters every now and then; after [`Live::stop`] always.
    ///
    /// # Errors
    /// Whatever `sink` says, at once; and when the counters cannot be read.
    pub fn drain<E: From<SourceError>>(&mut self, mut sink: impl FnMut(Frame<'_>) -> Result<(), E>) -> Result<bool, E> {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        // Taken before the look: everything that happened earlier is in the buffer by now.
        let tick = now();
        self.netns_names.tick(tick.mono_ns);
        let mut taken = 0;
        while let Some(item) = self.ring.get_mut().next() {
            if let Some(name) = netns(&item).and_then(|inode| self.netns_names.name_for(inode)) {
                sink(Frame::NetnsName(name))?;
            }
            if let Some(name) = owner_cgroup(&item).and_then(|id| self.cgroups.name_for(id)) {
                sink(Frame::Cgroup(name))?;
            }
            if let Some((netns, index)) = bound_interface(&item) {
                for name in self.interfaces.names_for(netns, index, owner_pid(&item)) {
                    sink(Frame::Interface(name))?;
                }
            }
            sink(Frame::Record(&item))?;
            taken += 1;
            if taken >= BATCH_MAX {
                return Ok(false);
            }
        }
        for record in self.held.as_mut().map(|held| held.release(tick.mono_ns)).unwrap_or_default() {
            sink(Frame::Record(&record))?;
        }
        sink(Frame::Tick(tick))?;
        if self.count_due(tick.mono_ns) {
            sink(Frame::Counters(self.count()?))?;
        }
        Ok(true)
    }

    /// Interfaces of other namespaces that events named and nobody has looked up: namespace and index, each once for a
    /// while.
    pub fn interfaces_wanted(&mut self) -> Vec<(u32, u32)> {
        self.interfaces.take_wanted()
    }

    /// Somebody has looked up the name of an interface.
    pub fn interface_told(&mut self, name: &InterfaceName) {
        self.interfaces.told(name);
    }

    /// Detaches the kernel side. What it wrote before can still be drained, and then the books are closed.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn stop(&mut self) -> Result<(), SourceError> {
        self.stopped = true;
        self.kernel.detach()
    }

    /// Under load there are hundreds of drains a second, and counting takes ten system calls.
    fn count_due(&mut self, now_ns: u64) -> bool {
        let due = self.stopped || now_ns.saturating_sub(self.counted_ns) >= COUNT_INTERVAL_NS;
        if due {
            self.counted_ns = now_ns;
        }
        due
    }

    fn count(&self) -> Result<KernelCounters, SourceError> {
        let mut sum = KernelCounters::default();
        for set in 0..COUNTER_SETS {
            let values = self.counters.get(&set, 0);
            let values = values.map_err(|error| SourceError::from_bpf("read the counters", &error))?;
            for CpuCounters(cpu) in values.iter() {
                sum.seen += cpu.seen;
                sum.lost += cpu.lost;
                sum.data_retransmits += cpu.data_retransmits;
                sum.foreign_resets += cpu.foreign_resets;
            }
        }
        // The kernel side counts what it sends.
        sum.seen += self.held.as_ref().map_or(0, Held::released);
        sum.missed = self.skips.iter().map(Skips::count).sum();
        Ok(sum)
    }
}

/// Namespace and index of the interface that a transition's socket is bound to, if to any.
fn bound_interface(record: &[u8]) -> Option<(u32, u32)> {
    const KIND_AT: usize = std::mem::offset_of!(Record, kind);
    const NETNS_AT: usize = std::mem::offset_of!(Record, netns);
    const DETAIL_AT: usize = std::mem::offset_of!(Record, detail);
    let word = |at: usize| Some(u32::from_ne_bytes(record.get(at..at + 4)?.try_into().ok()?));
    let index = word(DETAIL_AT).filter(|index| *index != 0)?;
    (*record.get(KIND_AT)? == KIND_TRANSITION).then_some((word(NETNS_AT)?, index))
}

fn has_owner(record: &[u8]) -> Option<()> {
    const FLAGS_AT: usize = std::mem::offset_of!(Record, flags);
    let flags = u16::from_ne_bytes(record.get(FLAGS_AT..FLAGS_AT + 2)?.try_into().ok()?);
    (flags & FLAG_OWNER != 0).then_some(())
}

/// The process id of a record's owner, if it has one.
fn owner_pid(record: &[u8]) -> Option<u32> {
    const PID_AT: usize = std::mem::offset_of!(Record, pid);
    has_owner(record)?;
    Some(u32::from_ne_bytes(record.get(PID_AT..PID_AT + 4)?.try_into().ok()?))
}

/// The network namespace of a record's socket; 0 is none.
fn netns(record: &[u8]) -> Option<u32> {
    const NETNS_AT: usize = std::mem::offset_of!(Record, netns);
    let inode = record.get(NETNS_AT..NETNS_AT + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(inode)).filter(|inode| *inode != 0)
}

/// The cgroup of a record's owner, if it has one.
fn owner_cgroup(record: &[u8]) -> Option<u64> {
    const CGROUP_AT: usize = std::mem::offset_of!(Record, cgroup_id);
    has_owner(record)?;
    let id = record.get(CGROUP_AT..CGROUP_AT + 8)?.try_into().ok()?;
    Some(u64::from_ne_bytes(id))
}
