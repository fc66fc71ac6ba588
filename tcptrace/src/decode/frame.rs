//! Frames: what a source hands over, and what a capture stores, byte for byte the same.

use crate::model::{
    Absent, CgroupName, DumpMark, HostInfo, InterfaceName, KernelCounters, NetnsFacts, NetnsName, Sighting, Tick,
};

/// One unit of a source's stream, in the order in which it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The recording host; the first frame of every stream.
    Host(Box<HostInfo>),
    /// One ring buffer record, as the kernel side wrote it, whatever its length.
    Record(&'a [u8]),
    /// The kernel side's counters.
    Counters(KernelCounters),
    /// Time.
    Tick(Tick),
    /// A cgroup's path.
    Cgroup(CgroupName),
    /// An interface's name.
    Interface(InterfaceName),
    /// A socket, as sock_diag shows it.
    Sighting(Box<Sighting>),
    /// A look-up that found nothing.
    Absent(Absent),
    /// A dump begins or ends.
    Dump(DumpMark),
    /// Settings and counters of a network namespace.
    Netns(Box<NetnsFacts>),
    /// A network namespace's name.
    NetnsName(NetnsName),
}
