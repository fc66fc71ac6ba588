//! Records byte by byte, as a kernel of this machine's byte order writes them.

mod literals;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tcptrace_ebpf::record::{
    FLAG_DETAIL, FLAG_FAILED, FLAG_OWNER, FLAG_RTO, FLAG_SEGS_IN, FLAG_TLP, FLAG_TOTALS, FLAGS_KNOWN, RECORD_LEN,
};

use super::{Frame, decode, decode_record};
use crate::model::{
    Endpoint, Event, EventKind, Family, Flags, Identity, Input, OwnerSource, Refusal, RetransmitKind, SocketKey, State,
    Totals,
};
use literals::{RESET_RECEIVED, RESET_SENT, RETRANSMIT, TIME_WAIT, TRANSITION, native};

fn decoded(bytes: [u8; RECORD_LEN]) -> Event {
    decode_record(&native(bytes)).unwrap()
}

/// A record with some bytes other than in the literal.
fn with(mut bytes: [u8; RECORD_LEN], offset: usize, new: &[u8]) -> Result<Event, Refusal> {
    bytes[offset..offset + new.len()].copy_from_slice(new);
    decode_record(&native(bytes))
}

fn with_flags(bytes: [u8; RECORD_LEN], flags: u16) -> Result<Event, Refusal> {
    with(bytes, 70, &flags.to_le_bytes())
}

#[test]
fn a_transition() {
    let event = decoded(TRANSITION);
    assert_eq!((event.time_ns, event.socket.key, event.socket.netns), (123_456_789, SocketKey(0x74), 4_026_531_840));
    assert_eq!(event.socket.local.to_string(), "127.0.0.1:45555");
    assert_eq!(event.socket.remote.to_string(), "192.0.2.7:49530");
    let (old, new) = (State::CloseWait, State::LastAck);
    let kind = EventKind::Transition { old, new, totals: None, segs_in: None, retries: None, bound_if: 7 };
    assert_eq!((event.kind, event.sk_err), (kind, 0));
    let flags = Flags { rcv_shutdown: true, send_shutdown: true, done: true, ..Flags::default() };
    assert_eq!(event.flags, flags);
    let owner = event.owner.unwrap();
    assert_eq!((owner.pid, owner.cgroup_id, owner.source), (7434, 258, OwnerSource::Close));
    assert_eq!(owner.comm.as_bytes(), b"python3");
}

#[test]
fn a_retransmit() {
    let event = decoded(RETRANSMIT);
    assert_eq!((event.time_ns, event.socket.key, event.socket.netns), (1, SocketKey(0x8899_aabb_ccdd_eeff), 42));
    assert_eq!(event.socket.local.to_string(), "[2001:db8::1]:443");
    assert_eq!(event.socket.remote.to_string(), "[2001:db8::2]:1");
    assert_eq!(event.socket.family(), Family::Ipv6);
    let kind = EventKind::Retransmit { state: State::LastAck, kind: RetransmitKind::Rto, tcp_flags: 0x11 };
    assert_eq!((event.kind, event.sk_err, event.owner), (kind, 110, None));
    let flags =
        Flags { rcv_shutdown: true, send_shutdown: true, orphan: true, key_is_address: true, ..Flags::default() };
    assert_eq!(event.flags, flags);
}

#[test]
fn a_reset_received() {
    let event = decoded(RESET_RECEIVED);
    assert_eq!(event.kind, EventKind::ResetReceived { state: State::FinWait1 });
    assert_eq!(event.socket.local.to_string(), "10.0.0.1:80");
    assert_eq!(event.socket.remote.ip(), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
    assert_eq!((event.socket.remote.port, event.socket.family()), (65_535, Family::Ipv4));
    assert_eq!((event.flags, event.owner), (Flags::default(), None));
}

#[test]
fn a_reset_sent() {
    let event = decoded(RESET_SENT);
    assert_eq!(event.kind, EventKind::ResetSent { state: State::Close, reason: Some(11) });
    // Before 6.10 the tracepoint gives no reason, and 0 is one.
    let without = with_flags(RESET_SENT, 3).unwrap();
    assert_eq!(without.kind, EventKind::ResetSent { state: State::Close, reason: None });
    let zero = with(RESET_SENT, 56, &[0; 4]).unwrap();
    assert_eq!(zero.kind, EventKind::ResetSent { state: State::Close, reason: Some(0) });
}

/// A timewait socket, which nobody holds.
#[test]
fn a_time_wait() {
    let socket = Identity {
        key: SocketKey(0x77),
        netns: 4_026_531_840,
        local: Endpoint::from_bytes(*b"\x0a\x00\x00\x01\0\0\0\0\0\0\0\0\0\0\0\0", false, 80),
        remote: Endpoint::from_bytes(*b"\x0a\x00\x00\x02\0\0\0\0\0\0\0\0\0\0\0\0", false, 45_555),
    };
    let flags = Flags { orphan: true, ..Flags::default() };
    let expected = Event {
        time_ns: 5_000_000_001,
        socket,
        kind: EventKind::TimeWait,
        flags,
        sk_err: 0,
        owner: None,
        loss_mark: 9,
    };
    assert_eq!(decode_record(&native(TIME_WAIT)), Ok(expected));
    assert_eq!(decode(Frame::Record(&native(TIME_WAIT))), Input::Event(expected));
    for state in (0..=u8::MAX).filter(|state| *state != 6) {
        assert_eq!(with(TIME_WAIT, 62, &[state]), Err(Refusal::State), "{state}");
    }
    assert_eq!(with(TIME_WAIT, 63, &[3]), Err(Refusal::Family));
    assert_eq!(with_flags(TIME_WAIT, 1 << 14), Err(Refusal::Flags));
}

/// The one form of IPv6 address that is IPv4; an end of each kind is no pair of this world, but no reason to fail.
#[test]
fn only_mapped_addresses_are_ipv4() {
    let remote = |bytes: [u8; 16]| with(RESET_RECEIVED, 88, &bytes).unwrap().socket.remote;
    let compatible = remote([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    assert_eq!(compatible.ip(), IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0x0a00, 2)));
    let loopback = remote([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(loopback.family(), Family::Ipv6);
    // What an IPv4 socket leaves behind the four bytes means nothing.
    let noisy = with(TRANSITION, 92, &[0xff; 12]).unwrap();
    assert_eq!(noisy.socket.remote, decoded(TRANSITION).socket.remote);
}

/// As captures from before it was recorded have it for all sockets.
#[test]
fn most_sockets_are_bound_to_no_interface() {
    let event = with(TRANSITION, 56, &[0; 4]).unwrap();
    assert!(matches!(event.kind, EventKind::Transition { bound_if: 0, .. }), "{event:?}");
}

/// Each flag means one thing, and none of them another.
#[test]
fn flags_mean_what_they_say() {
    for bit in 0..14 {
        let flags = with_flags(TRANSITION, 1 << bit).unwrap().flags;
        let Flags { rcv_shutdown, send_shutdown, orphan, done, key_is_address, mptcp, unaccepted } = flags;
        let said = [rcv_shutdown, send_shutdown, orphan, done, key_is_address, mptcp, unaccepted];
        let expected = [0, 1, 2, 3, 7, 12, 13].map(|flag| flag == bit);
        assert_eq!(said, expected, "bit {bit}");
        let owner = with_flags(TRANSITION, 1 << bit).unwrap().owner;
        assert_eq!(owner.is_some(), 1 << bit == FLAG_OWNER, "bit {bit}");
    }
}

/// Zero is a number: only the flag says whether it was measured.
#[test]
fn totals_need_their_flag() {
    let parts = |flags| match with_flags(TRANSITION, flags).unwrap().kind {
        EventKind::Transition { totals, segs_in, .. } => (totals, segs_in),
        other => panic!("{other:?}"),
    };
    assert_eq!(parts(0), (None, None));
    assert_eq!(parts(FLAG_SEGS_IN), (None, Some(9)));
    let received = |bytes_received| Some(Totals { srtt_us: 24, bytes_sent: 5, bytes_received });
    assert_eq!(parts(FLAG_TOTALS), (received(11), None));
    // The peer's FIN counts as a byte, which is no payload.
    assert_eq!(parts(FLAG_TOTALS | 1 << 3), (received(10), None));
    let none = with(with_bytes(TRANSITION, 70, &(FLAG_TOTALS | 1 << 3).to_le_bytes()), 32, &[0; 8]).unwrap();
    let EventKind::Transition { totals: Some(totals), .. } = none.kind else { panic!("{none:?}") };
    assert_eq!(totals.bytes_received, 0, "and never less than none");
}

fn with_bytes(mut bytes: [u8; RECORD_LEN], offset: usize, new: &[u8]) -> [u8; RECORD_LEN] {
    bytes[offset..offset + new.len()].copy_from_slice(new);
    bytes
}

/// A failed one did not leave, whichever timer tried.
#[test]
fn retransmits_are_told_apart() {
    let kind = |flags| match with(with_bytes(RETRANSMIT, 56, &[105, 0, 0, 0]), 70, &u16::to_le_bytes(flags)) {
        Ok(Event { kind: EventKind::Retransmit { kind, .. }, .. }) => kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(0), RetransmitKind::Fast);
    assert_eq!(kind(FLAG_TLP), RetransmitKind::Tlp);
    assert_eq!(kind(FLAG_RTO), RetransmitKind::Rto);
    assert_eq!(kind(FLAG_FAILED | FLAG_DETAIL), RetransmitKind::Failed(105));
    assert_eq!(kind(FLAG_FAILED | FLAG_DETAIL | FLAG_TLP), RetransmitKind::Failed(105));
    assert_eq!(kind(FLAG_FAILED | FLAG_DETAIL | FLAG_RTO), RetransmitKind::Failed(105));
}

#[test]
fn a_connect_names_its_source() {
    let event = with(TRANSITION, 61, &[7, 2]).unwrap();
    assert_eq!(event.owner.map(|owner| owner.source), Some(OwnerSource::Connect));
}

#[test]
fn any_other_length_is_refused() {
    let long: Vec<u8> = native(TRANSITION).into_iter().chain([0; 300]).collect();
    for length in 0..=300 {
        let result = decode_record(&long[..length]);
        assert_eq!(result.is_ok(), length == RECORD_LEN, "{length}");
        assert!(result.is_ok() || result == Err(Refusal::Length), "{length}");
    }
}

#[test]
fn unknown_kinds_are_refused() {
    for kind in (0..=u8::MAX).filter(|kind| !(1..=5).contains(kind)) {
        assert_eq!(with(TRANSITION, 60, &[kind]), Err(Refusal::Kind), "{kind}");
    }
}

#[test]
fn unknown_states_are_refused() {
    for state in (0..=u8::MAX).filter(|state| !(1..=12).contains(state)) {
        assert_eq!(with(TRANSITION, 61, &[state]), Err(Refusal::State), "old {state}");
        for literal in [TRANSITION, RETRANSMIT, RESET_RECEIVED, RESET_SENT] {
            assert_eq!(with(literal, 62, &[state]), Err(Refusal::State), "new {state}");
        }
    }
    for (number, state) in (1..=12).zip([
        State::Established,
        State::SynSent,
        State::SynRecv,
        State::FinWait1,
        State::FinWait2,
        State::TimeWait,
        State::Close,
        State::CloseWait,
        State::LastAck,
        State::Listen,
        State::Closing,
        State::NewSynRecv,
    ]) {
        let event = with(RESET_RECEIVED, 62, &[number]).unwrap();
        assert_eq!(event.kind, EventKind::ResetReceived { state });
    }
}

#[test]
fn unknown_families_and_flags_are_refused() {
    for family in (0..=u8::MAX).filter(|family| ![2, 10].contains(family)) {
        assert_eq!(with(TRANSITION, 63, &[family]), Err(Refusal::Family), "{family}");
    }
    for bit in 14..16 {
        assert_eq!(with_flags(TRANSITION, 1 << bit), Err(Refusal::Flags), "bit {bit}");
    }
    assert!(with_flags(TRANSITION, FLAGS_KNOWN).is_ok());
}

#[test]
fn a_refused_record_is_an_input_too() {
    assert_eq!(decode(Frame::Record(&[])), Input::Refused(Refusal::Length));
    let bytes = native(TRANSITION);
    assert_eq!(decode(Frame::Record(&bytes)), Input::Event(decoded(TRANSITION)));
}
