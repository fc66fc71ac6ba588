//! Maps and globals. Names are those of [`tcptrace_ebpf::names`].

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf},
};
use tcptrace_ebpf::{
    counters::{COUNTER_SETS, Counters},
    filter::{CommWords, Filter, PrefixData},
    layout::Layout,
    record::Record,
};

/// User space sets the size at load (`--ring-bytes`).
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// One element for each program: a program never interrupts itself on a CPU (the kernel skips such a run), but
/// one in softirq may interrupt another in task context, and would lose a count of a shared element.
#[map]
pub(crate) static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(COUNTER_SETS, 0);

// User space gives the maps of filters their size where they are used.
#[map]
pub(crate) static PORTS: Array<u64> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static PREFIXES: LpmTrie<PrefixData, u8> = LpmTrie::with_max_entries(1, 0);
#[map]
pub(crate) static NETNS: HashMap<u32, u8> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static PIDS: HashMap<u32, u8> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static COMMS: HashMap<CommWords, u8> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static HELD: HashMap<u64, Record> = HashMap::with_max_entries(1, 0);
#[map]
pub(crate) static REFUSED: LruHashMap<u64, u8> = LruHashMap::with_max_entries(1, 0);
/// The least recently used, because one whose outcome nobody saw would stay for ever.
#[map]
pub(crate) static CONNECTS: LruHashMap<u64, Record> = LruHashMap::with_max_entries(1, 0);

/// For [`tcptrace_ebpf::record::Record::loss_mark`].
#[map]
static LOSS_MARK: Array<u32> = Array::with_max_entries(1, 0);

/// Remembers that an event was lost at `time_ns`. A time, because CPUs could lose each other's counts.
#[inline(always)]
pub(crate) fn mark_loss(time_ns: u64) {
    if let Some(mark) = LOSS_MARK.get_ptr_mut(0) {
        // SAFETY: four aligned bytes of a map, which lives as long as the program; one store.
        unsafe { mark.write_volatile((time_ns >> 10) as u32) };
    }
}

/// The mark of the last loss on any CPU.
#[inline(always)]
pub(crate) fn loss_mark() -> u32 {
    // SAFETY: as above; one load.
    LOSS_MARK.get_ptr(0).map_or(0, |mark| unsafe { mark.read_volatile() })
}

/// Filled by user space before load; frozen, so the verifier treats its fields as constants.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT: Layout = Layout {
    sk_family: 0,
    sk_state: 0,
    sk_dport: 0,
    sk_saddr4: 0,
    sk_daddr4: 0,
    sk_saddr6: 0,
    sk_daddr6: 0,
    sk_net: 0,
    net_inum: 0,
    net_ports: 0,
    net_ports_len: 0,
    sk_flags: 0,
    bit_dead: 0,
    bit_done: 0,
    sk_cookie: 0,
    sk_num: 0,
    sk_bound_if: 0,
    sk_err: 0,
    sk_socket: 0,
    sk_shutdown: 0,
    sk_protocol: 0,
    tp_sport: 0,
    tp_pending: 0,
    tp_retransmits: 0,
    tp_probes_out: 0,
    tp_srtt: 0,
    tp_segs_in: 0,
    tp_bytes_sent: 0,
    tp_bytes_retrans: 0,
    tp_bytes_received: 0,
    tp_mptcp: 0,
    mptcp_mask: 0,
    tw_substate: 0,
    pad: 0,
    task_tgid: 0,
    task_comm: 0,
    task_flags: 0,
    task_leader: 0,
    has_task_btf: 0,
    task_cgroups: 0,
    css_set_cgroup: 0,
    cgroup_node: 0,
    node_id: 0,
    skb_tcp_flags: 0,
    skb_tcp_flags_len: 0,
    has_ipv6: 0,
    has_retransmit_err: 0,
    has_reset_reason: 0,
    has_cookie: 0,
    wake_bytes: 0,
    address_mask: 0,
};

/// Filled and frozen in the same way.
#[unsafe(no_mangle)]
pub(crate) static FILTER: Filter = Filter::NONE;

/// One field of the filter.
macro_rules! filter {
    ($field:ident) => {
        $crate::maps::constant(&$crate::maps::FILTER.$field)
    };
}
pub(crate) use filter;

/// One field of the layout. Volatile, so that the compiler does not fold the zeros above.
macro_rules! layout {
    ($field:ident) => {
        $crate::maps::constant(&$crate::maps::LAYOUT.$field)
    };
}
pub(crate) use layout;

#[inline(always)]
pub(crate) fn constant<T: Copy>(field: &'static T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::read_volatile(field) }
}

/// This CPU's counters, of the set that belongs to the running program.
#[inline(always)]
pub(crate) fn counters(set: u32) -> Option<&'static mut Counters> {
    let counters = COUNTERS.get_ptr_mut(set)?;
    // SAFETY: the element is this CPU's and this program's own, so nothing else writes it meanwhile.
    Some(unsafe { &mut *counters })
}
