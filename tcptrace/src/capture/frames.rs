//! Frames to and from the bytes of a frame's payload.

use bytes::{Buf, BufMut, TryGetError};

use super::{
    format::{
        FRAME_ABSENT, FRAME_CGROUP, FRAME_COUNTERS, FRAME_DUMP, FRAME_HOST, FRAME_INTERFACE, FRAME_NETNS,
        FRAME_NETNS_NAME, FRAME_SIGHTING, FRAME_TICK,
    },
    sightings,
};
use crate::{
    decode::Frame,
    model::{CgroupName, InterfaceName, KernelCounters, NetnsName, Tick},
};

pub(super) fn encode_counters(c: &KernelCounters) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    for value in [c.seen, c.lost, c.missed, c.data_retransmits, c.foreign_resets] {
        out.put_u64_le(value);
    }
    out
}

pub(super) fn encode_tick(t: Tick) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.put_u64_le(t.mono_ns);
    out.put_u64_le(t.real_ns);
    out
}

pub(super) fn encode_cgroup(name: &CgroupName) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + name.path.len());
    out.put_u64_le(name.id);
    out.put_slice(name.path.as_bytes());
    out
}

pub(super) fn encode_interface(interface: &InterfaceName) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + interface.name.len());
    out.put_u32_le(interface.netns);
    out.put_u32_le(interface.index);
    out.put_slice(interface.name.as_bytes());
    out
}

pub(super) fn encode_netns_name(name: &NetnsName) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + name.name.len());
    out.put_u32_le(name.netns);
    out.put_slice(name.name.as_bytes());
    out
}

/// What a frame that is no record turned out to be.
pub(super) enum Decoded {
    Frame(Frame<'static>),
    /// Of a kind from a newer minor version.
    Unknown,
    /// Of a known kind, with a payload that no version writes.
    Malformed,
}

/// Decodes a frame that is no record. A longer payload than expected is a newer minor version's, whose additions
/// stand at the end.
pub(super) fn decode(kind: u16, payload: &[u8]) -> Decoded {
    let frame = match kind {
        FRAME_HOST => serde_json::from_slice(payload).ok().map(Box::new).map(Frame::Host),
        FRAME_COUNTERS => counters(payload).ok().map(Frame::Counters),
        FRAME_TICK => tick(payload).ok().map(Frame::Tick),
        FRAME_CGROUP => cgroup(payload).map(Frame::Cgroup),
        FRAME_INTERFACE => interface(payload).map(Frame::Interface),
        FRAME_SIGHTING => sightings::sighting(payload).map(Box::new).map(Frame::Sighting),
        FRAME_ABSENT => sightings::absent(payload).map(Frame::Absent),
        FRAME_DUMP => sightings::dump(payload).map(Frame::Dump),
        FRAME_NETNS => sightings::netns(payload).map(Box::new).map(Frame::Netns),
        FRAME_NETNS_NAME => netns_name(payload).map(Frame::NetnsName),
        _ => return Decoded::Unknown,
    };
    frame.map_or(Decoded::Malformed, Decoded::Frame)
}

fn counters(mut b: &[u8]) -> Result<KernelCounters, TryGetError> {
    Ok(KernelCounters {
        seen: b.try_get_u64_le()?,
        lost: b.try_get_u64_le()?,
        missed: b.try_get_u64_le()?,
        data_retransmits: b.try_get_u64_le()?,
        foreign_resets: b.try_get_u64_le()?,
    })
}

fn tick(mut b: &[u8]) -> Result<Tick, TryGetError> {
    Ok(Tick { mono_ns: b.try_get_u64_le()?, real_ns: b.try_get_u64_le()? })
}

fn cgroup(mut b: &[u8]) -> Option<CgroupName> {
    let id = b.try_get_u64_le().ok()?;
    Some(CgroupName { id, path: str::from_utf8(b).ok()?.to_owned() })
}

fn interface(mut b: &[u8]) -> Option<InterfaceName> {
    let (netns, index) = (b.try_get_u32_le().ok()?, b.try_get_u32_le().ok()?);
    Some(InterfaceName { netns, index, name: str::from_utf8(b).ok()?.to_owned() })
}

fn netns_name(mut b: &[u8]) -> Option<NetnsName> {
    let netns = b.try_get_u32_le().ok()?;
    Some(NetnsName { netns, name: str::from_utf8(b).ok()?.to_owned() })
}
