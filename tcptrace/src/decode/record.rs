//! One ring buffer record. The layout is [`tcptrace_ebpf::record::Record`].

use bytes::{Buf, TryGetError};
use tcptrace_ebpf::record::{
    FLAG_DETAIL, FLAG_DONE, FLAG_FAILED, FLAG_KEY_IS_ADDRESS, FLAG_MPTCP, FLAG_ORPHAN, FLAG_OWNER, FLAG_RCV_SHUTDOWN,
    FLAG_RTO, FLAG_SEGS_IN, FLAG_SEND_SHUTDOWN, FLAG_TLP, FLAG_TOTALS, FLAG_UNACCEPTED, FLAGS_KNOWN,
    KIND_RESET_RECEIVED, KIND_RESET_SENT, KIND_RETRANSMIT, KIND_TIME_WAIT, KIND_TRANSITION, RECORD_LEN, RETRIES_KNOWN,
    Record,
};

use crate::model::{
    Comm, Endpoint, Event, EventKind, Flags, Identity, Owner, OwnerSource, Refusal, RetransmitKind, SocketKey, State,
    Totals,
};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Decodes one record, of any wire version that can be read: see [`tcptrace_ebpf::record::WIRE_VERSION`].
///
/// # Errors
/// Says which part of the record is none that this version knows.
pub fn decode_record(bytes: &[u8]) -> Result<Event, Refusal> {
    if bytes.len() != RECORD_LEN {
        return Err(Refusal::Length);
    }
    let raw = read(bytes).map_err(|_| Refusal::Length)?;
    if raw.flags & !FLAGS_KNOWN != 0 {
        return Err(Refusal::Flags);
    }
    let v6 = match raw.family {
        AF_INET => false,
        AF_INET6 => true,
        _ => return Err(Refusal::Family),
    };
    let socket = Identity {
        key: SocketKey(raw.key),
        netns: raw.netns,
        local: Endpoint::from_bytes(raw.local_addr, v6, raw.local_port),
        remote: Endpoint::from_bytes(raw.remote_addr, v6, raw.remote_port),
    };
    let kind = kind(&raw)?;
    Ok(Event {
        time_ns: raw.time_ns,
        socket,
        flags: flags(&raw),
        sk_err: raw.sk_err,
        owner: owner(&raw, kind),
        loss_mark: raw.loss_mark,
        kind,
    })
}

/// Field by field, in the order of the struct.
fn read(mut bytes: &[u8]) -> Result<Record, TryGetError> {
    let b = &mut bytes;
    Ok(Record {
        time_ns: b.try_get_u64_ne()?,
        key: b.try_get_u64_ne()?,
        cgroup_id: b.try_get_u64_ne()?,
        bytes_sent: b.try_get_u64_ne()?,
        bytes_received: b.try_get_u64_ne()?,
        netns: b.try_get_u32_ne()?,
        pid: b.try_get_u32_ne()?,
        srtt_us: b.try_get_u32_ne()?,
        segs_in: b.try_get_u32_ne()?,
        detail: b.try_get_u32_ne()?,
        kind: b.try_get_u8()?,
        old_state: b.try_get_u8()?,
        new_state: b.try_get_u8()?,
        family: b.try_get_u8()?,
        local_port: b.try_get_u16_ne()?,
        remote_port: b.try_get_u16_ne()?,
        sk_err: b.try_get_u16_ne()?,
        flags: b.try_get_u16_ne()?,
        local_addr: sixteen(b)?,
        remote_addr: sixteen(b)?,
        comm: sixteen(b)?,
        tcp_flags: b.try_get_u16_ne()?,
        pad: b.try_get_u16_ne()?,
        loss_mark: b.try_get_u32_ne()?,
    })
}

fn sixteen(bytes: &mut &[u8]) -> Result<[u8; 16], TryGetError> {
    let mut out = [0; 16];
    bytes.try_copy_to_slice(&mut out)?;
    Ok(out)
}

fn state(number: u8) -> Result<State, Refusal> {
    State::from_kernel(number).ok_or(Refusal::State)
}

fn kind(raw: &Record) -> Result<EventKind, Refusal> {
    let has = |flag: u16| raw.flags & flag != 0;
    let new = state(raw.new_state)?;
    Ok(match raw.kind {
        KIND_TRANSITION => EventKind::Transition {
            old: state(raw.old_state)?,
            new,
            totals: has(FLAG_TOTALS).then(|| totals(raw)),
            segs_in: has(FLAG_SEGS_IN).then_some(raw.segs_in),
            retries: (raw.tcp_flags & RETRIES_KNOWN != 0).then_some(raw.tcp_flags & !RETRIES_KNOWN),
            bound_if: raw.detail,
        },
        KIND_TIME_WAIT if new == State::TimeWait => EventKind::TimeWait,
        KIND_TIME_WAIT => return Err(Refusal::State),
        KIND_RETRANSMIT => EventKind::Retransmit { state: new, kind: retransmit(raw), tcp_flags: raw.tcp_flags },
        KIND_RESET_RECEIVED => EventKind::ResetReceived { state: new },
        KIND_RESET_SENT => EventKind::ResetSent { state: new, reason: has(FLAG_DETAIL).then_some(raw.detail) },
        _ => return Err(Refusal::Kind),
    })
}

fn retransmit(raw: &Record) -> RetransmitKind {
    if raw.flags & FLAG_FAILED != 0 {
        RetransmitKind::Failed(raw.detail)
    } else if raw.flags & FLAG_TLP != 0 {
        RetransmitKind::Tlp
    } else if raw.flags & FLAG_RTO != 0 {
        RetransmitKind::Rto
    } else {
        RetransmitKind::Fast
    }
}

/// The peer's FIN counts as one received byte (`tcp_rcv_nxt_update()`), which is no payload.
fn totals(raw: &Record) -> Totals {
    let fin = u64::from(raw.flags & FLAG_DONE != 0);
    Totals { srtt_us: raw.srtt_us, bytes_sent: raw.bytes_sent, bytes_received: raw.bytes_received.saturating_sub(fin) }
}

fn flags(raw: &Record) -> Flags {
    let has = |flag: u16| raw.flags & flag != 0;
    Flags {
        rcv_shutdown: has(FLAG_RCV_SHUTDOWN),
        send_shutdown: has(FLAG_SEND_SHUTDOWN),
        // `tcp_time_wait(sk, TCP_FIN_WAIT2, ..)` is for sockets that no program holds.
        orphan: has(FLAG_ORPHAN) || raw.kind == KIND_TIME_WAIT,
        done: has(FLAG_DONE),
        key_is_address: has(FLAG_KEY_IS_ADDRESS),
        mptcp: has(FLAG_MPTCP),
        unaccepted: has(FLAG_UNACCEPTED),
    }
}

fn owner(raw: &Record, kind: EventKind) -> Option<Owner> {
    if raw.flags & FLAG_OWNER == 0 {
        return None;
    }
    let source = match kind {
        EventKind::Transition { new: State::SynSent, .. } => OwnerSource::Connect,
        _ => OwnerSource::Close,
    };
    Some(Owner { pid: raw.pid, comm: Comm(raw.comm), cgroup_id: raw.cgroup_id, source })
}
