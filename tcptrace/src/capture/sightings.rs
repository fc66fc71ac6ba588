//! What sock_diag said, to and from the bytes of a frame's payload; docs/capture-format.md has the layout.

use bytes::{Buf, BufMut, TryGetError};

use crate::model::{
    Absent, AbsentWhy, DumpAt, DumpMark, Endpoint, Identity, NetnsFacts, Sighting, Snapshot, SocketKey, State,
    StateSet, TcpDetail, Timer,
};

const TIMEWAIT: u8 = 1;
const ASKED: u8 = 1 << 1;
const INFO: u8 = 1 << 2;
const WINDOW: u8 = 1 << 3;
const HOLDERS: u8 = 1 << 4;

const LOCAL_V6: u8 = 1;
const REMOTE_V6: u8 = 1 << 1;

pub(super) fn encode_sighting(sighting: &Sighting) -> serde_json::Result<Vec<u8>> {
    let Snapshot { info, .. } = &sighting.snapshot;
    let flag = |bit: u8, is: bool| if is { bit } else { 0 };
    let flags = flag(TIMEWAIT, sighting.snapshot.timewait)
        | flag(ASKED, sighting.asked)
        | flag(INFO, info.is_some())
        | flag(WINDOW, info.is_some_and(|info| info.snd_wnd_bytes.is_some()))
        | flag(HOLDERS, sighting.holders.is_some());
    let mut out = Vec::with_capacity(136);
    let snapshot = &sighting.snapshot;
    out.put_u64_le(snapshot.time_ns);
    put_identity(&mut out, &snapshot.socket);
    out.put_u8(snapshot.state.to_kernel());
    out.put_u8(snapshot.timer.to_kernel());
    out.put_u8(flags);
    out.put_u8(0);
    for value in
        [snapshot.bound_if, snapshot.expires_ms, snapshot.inode, snapshot.recv_queue_bytes, snapshot.send_queue_bytes]
    {
        out.put_u32_le(value);
    }
    if let Some(info) = info {
        put_info(&mut out, info);
    }
    if let Some(holders) = &sighting.holders {
        out.extend(serde_json::to_vec(holders)?);
    }
    Ok(out)
}

fn put_identity(out: &mut Vec<u8>, socket: &Identity) {
    out.put_u64_le(socket.key.0);
    out.put_u32_le(socket.netns);
    out.put_u16_le(socket.local.port);
    out.put_u16_le(socket.remote.port);
    out.put_slice(&socket.local.octets());
    out.put_slice(&socket.remote.octets());
    let v6 = |end: &Endpoint, bit: u8| if end.ip().is_ipv6() { bit } else { 0 };
    out.put_u8(v6(&socket.local, LOCAL_V6) | v6(&socket.remote, REMOTE_V6));
    out.put_bytes(0, 3);
}

fn put_info(out: &mut Vec<u8>, info: &TcpDetail) {
    out.put_slice(&[info.retransmits, info.probes, info.backoff, 0]);
    for value in [
        info.rto_us,
        info.unacked_segments,
        info.notsent_bytes,
        info.snd_wnd_bytes.unwrap_or(0),
        info.snd_mss_bytes,
        info.retrans_out,
        info.total_retrans,
        info.last_data_sent_ms,
        info.last_data_recv_ms,
        info.last_ack_recv_ms,
        info.srtt_us,
    ] {
        out.put_u32_le(value);
    }
}

/// `None` of a payload that no version writes.
pub(super) fn sighting(payload: &[u8]) -> Option<Sighting> {
    let mut b = payload;
    let (snapshot, flags) = snapshot(&mut b).ok()??;
    let holders = if flags & HOLDERS != 0 { Some(serde_json::from_slice(b).ok()?) } else { None };
    Some(Sighting { snapshot, holders, asked: flags & ASKED != 0 })
}

fn snapshot(b: &mut &[u8]) -> Result<Option<(Snapshot, u8)>, TryGetError> {
    let time_ns = b.try_get_u64_le()?;
    let socket = identity(b)?;
    let (state, timer, flags) = (b.try_get_u8()?, b.try_get_u8()?, b.try_get_u8()?);
    b.try_get_u8()?;
    let Some(state) = State::from_kernel(state) else { return Ok(None) };
    let mut snapshot = Snapshot {
        time_ns,
        socket,
        state,
        timewait: flags & TIMEWAIT != 0,
        timer: Timer::from_kernel(timer),
        bound_if: b.try_get_u32_le()?,
        expires_ms: b.try_get_u32_le()?,
        inode: b.try_get_u32_le()?,
        recv_queue_bytes: b.try_get_u32_le()?,
        send_queue_bytes: b.try_get_u32_le()?,
        mptcp: crate::model::Mptcp::No,
        info: None,
    };
    if flags & INFO != 0 {
        snapshot.info = Some(info(b, flags & WINDOW != 0)?);
    }
    Ok(Some((snapshot, flags)))
}

fn identity(b: &mut &[u8]) -> Result<Identity, TryGetError> {
    let (key, netns) = (SocketKey(b.try_get_u64_le()?), b.try_get_u32_le()?);
    let (local_port, remote_port) = (b.try_get_u16_le()?, b.try_get_u16_le()?);
    let (mut local, mut remote) = ([0; 16], [0; 16]);
    b.try_copy_to_slice(&mut local)?;
    b.try_copy_to_slice(&mut remote)?;
    let v6 = b.try_get_u8()?;
    b.try_copy_to_slice(&mut [0; 3])?;
    Ok(Identity {
        key,
        netns,
        local: Endpoint::from_bytes(local, v6 & LOCAL_V6 != 0, local_port),
        remote: Endpoint::from_bytes(remote, v6 & REMOTE_V6 != 0, remote_port),
    })
}

fn info(b: &mut &[u8], window: bool) -> Result<TcpDetail, TryGetError> {
    let (retransmits, probes, backoff) = (b.try_get_u8()?, b.try_get_u8()?, b.try_get_u8()?);
    b.try_get_u8()?;
    Ok(TcpDetail {
        retransmits,
        probes,
        backoff,
        rto_us: b.try_get_u32_le()?,
        unacked_segments: b.try_get_u32_le()?,
        notsent_bytes: b.try_get_u32_le()?,
        snd_wnd_bytes: Some(b.try_get_u32_le()?).filter(|_| window),
        snd_mss_bytes: b.try_get_u32_le()?,
        retrans_out: b.try_get_u32_le()?,
        total_retrans: b.try_get_u32_le()?,
        last_data_sent_ms: b.try_get_u32_le()?,
        last_data_recv_ms: b.try_get_u32_le()?,
        last_ack_recv_ms: b.try_get_u32_le()?,
        srtt_us: b.try_get_u32_le()?,
        send_memory_bytes: None,
    })
}

pub(super) fn encode_absent(absent: &Absent) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.put_u64_le(absent.time_ns);
    put_identity(&mut out, &absent.socket);
    out.put_u8(match absent.why {
        AbsentWhy::Gone => 0,
        AbsentWhy::Replaced => 1,
        AbsentWhy::NotAsked => 2,
        AbsentWhy::NoNamespace => 3,
    });
    out
}

pub(super) fn absent(mut payload: &[u8]) -> Option<Absent> {
    let b = &mut payload;
    let time_ns = b.try_get_u64_le().ok()?;
    let socket = identity(b).ok()?;
    let why = match b.try_get_u8().ok()? {
        0 => AbsentWhy::Gone,
        1 => AbsentWhy::Replaced,
        2 => AbsentWhy::NotAsked,
        3 => AbsentWhy::NoNamespace,
        _ => return None,
    };
    Some(Absent { time_ns, socket, why })
}

pub(super) fn encode_dump(mark: &DumpMark) -> Vec<u8> {
    let mut out = Vec::with_capacity(25);
    out.put_u64_le(mark.time_ns);
    out.put_u32_le(mark.netns);
    out.put_u32_le(mark.states.0);
    let (at, cost_ns) = match mark.at {
        DumpAt::Begin => (0, 0),
        DumpAt::End => (1, 0),
        DumpAt::BrokeOff => (2, 0),
        DumpAt::AllDone { cost_ns } => (3, cost_ns),
    };
    out.put_u8(at);
    out.put_u64_le(cost_ns);
    out
}

pub(super) fn dump(mut payload: &[u8]) -> Option<DumpMark> {
    let b = &mut payload;
    let (time_ns, netns) = (b.try_get_u64_le().ok()?, b.try_get_u32_le().ok()?);
    let states = StateSet(b.try_get_u32_le().ok()?);
    let (at, cost_ns) = (b.try_get_u8().ok()?, b.try_get_u64_le().ok()?);
    let at = match at {
        0 => DumpAt::Begin,
        1 => DumpAt::End,
        2 => DumpAt::BrokeOff,
        3 => DumpAt::AllDone { cost_ns },
        _ => return None,
    };
    Some(DumpMark { time_ns, netns, states, at })
}

pub(super) fn encode_netns(facts: &NetnsFacts) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(facts)
}

pub(super) fn netns(payload: &[u8]) -> Option<NetnsFacts> {
    serde_json::from_slice(payload).ok()
}
