//! Literal bytes, as Linux 6.18 sent them but for the numbers made telling.

use super::{
    messages::{Body, Messages},
    *,
};
use crate::model::{Family, Look, Snapshot, SocketKey, State, TcpDetail, Timer};

pub(super) const NETNS: u32 = 4_026_531_840;
pub(super) const TIME_NS: u64 = 1_000_000_000_000;

/// `struct inet_diag_msg`: family, state, timer, ends, cookie and expiry differ.
pub(super) struct Header {
    pub(super) family: u8,
    pub(super) state: u8,
    pub(super) timer: u8,
    pub(super) local: [u8; 16],
    pub(super) remote: [u8; 16],
    pub(super) expires_ms: u32,
}

const fn v4(address: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = address;
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

const fn mapped(address: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = address;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

pub(super) const ESTABLISHED: Header =
    Header { family: 2, state: 1, timer: 0, local: v4([127, 0, 0, 1]), remote: v4([10, 1, 2, 3]), expires_ms: 0 };

impl Header {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.family, self.state, self.timer, 0];
        // Ports are in network order: 8080 and 443.
        bytes.extend([0x1f, 0x90, 0x01, 0xbb]);
        bytes.extend(self.local);
        bytes.extend(self.remote);
        bytes.extend(3_u32.to_ne_bytes());
        bytes.extend(0x1122_3344_u32.to_ne_bytes());
        bytes.extend(0x5566_7788_u32.to_ne_bytes());
        bytes.extend(self.expires_ms.to_ne_bytes());
        for word in [17_u32, 19, 1000, 4242] {
            bytes.extend(word.to_ne_bytes());
        }
        assert_eq!(bytes.len(), 72);
        bytes
    }

    /// With INET_DIAG_SHUTDOWN before and an unknown attribute after INET_DIAG_INFO of this length.
    pub(super) fn with_info(&self, length: u16) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.extend(attribute(8, &[3]));
        bytes.extend(attribute(2, &tcp_info()[..usize::from(length)]));
        bytes.extend(attribute(999, &[1, 2, 3, 4, 5]));
        bytes
    }
}

pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = Vec::from(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// 280 bytes, as of Linux 6.18: each word from 8 on holds its own place.
fn tcp_info() -> Vec<u8> {
    let mut bytes = vec![1, 0, 7, 8, 9, 0, 0, 0];
    for at in (8_u32..280).step_by(4) {
        bytes.extend(at.to_ne_bytes());
    }
    bytes
}

const DETAIL: TcpDetail = TcpDetail {
    retransmits: 7,
    probes: 8,
    backoff: 9,
    rto_us: 8,
    unacked_segments: 24,
    notsent_bytes: 144,
    snd_wnd_bytes: Some(228),
    snd_mss_bytes: 16,
    retrans_out: 36,
    total_retrans: 100,
    last_data_sent_ms: 44,
    last_data_recv_ms: 52,
    last_ack_recv_ms: 56,
    srtt_us: 68,
    send_memory_bytes: None,
};

pub(super) fn parsed(bytes: &[u8]) -> Snapshot {
    parse_message(bytes, NETNS, TIME_NS).unwrap()
}

#[test]
fn ipv4() {
    let snapshot = parsed(&ESTABLISHED.with_info(280));
    assert_eq!(snapshot.time_ns, TIME_NS);
    assert_eq!(snapshot.socket.key, SocketKey(0x5566_7788_1122_3344));
    assert_eq!(snapshot.socket.netns, NETNS);
    assert_eq!(snapshot.socket.local.to_string(), "127.0.0.1:8080");
    assert_eq!(snapshot.socket.remote.to_string(), "10.1.2.3:443");
    assert_eq!((snapshot.bound_if, snapshot.inode), (3, 4242));
    assert_eq!((snapshot.state, snapshot.timewait), (State::Established, false));
    assert_eq!((snapshot.timer, snapshot.expires_ms), (Timer::None, 0));
    assert_eq!((snapshot.recv_queue_bytes, snapshot.send_queue_bytes), (17, 19));
    assert_eq!(snapshot.info, Some(DETAIL));
}

#[test]
fn ipv6() {
    let mut loopback = [0; 16];
    loopback[15] = 1;
    let mut global = loopback;
    global[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    let header = Header { family: 10, state: 4, timer: 1, local: loopback, remote: global, expires_ms: 200 };
    let snapshot = parsed(&header.bytes());
    assert_eq!(snapshot.socket.local.to_string(), "[::1]:8080");
    assert_eq!(snapshot.socket.remote.to_string(), "[2001:db8::1]:443");
    assert_eq!(snapshot.state, State::FinWait1);
    assert_eq!((snapshot.timer, snapshot.expires_ms), (Timer::Retransmit, 200));
    assert_eq!(snapshot.info, None);
}

#[test]
fn mapped_addresses_are_ipv4() {
    let header = Header { family: 10, local: mapped([127, 0, 0, 1]), remote: mapped([10, 1, 2, 3]), ..ESTABLISHED };
    let snapshot = parsed(&header.with_info(280));
    assert_eq!(snapshot.socket.family(), Family::Ipv4);
    assert_eq!(snapshot, parsed(&ESTABLISHED.with_info(280)));
}

#[test]
fn timewait_keeps_its_expiry() {
    for (state, expected) in [(5, State::FinWait2), (6, State::TimeWait)] {
        let snapshot = parsed(&Header { state, timer: 3, expires_ms: 59_996, ..ESTABLISHED }.bytes());
        assert_eq!((snapshot.state, snapshot.timewait), (expected, true));
        assert_eq!((snapshot.timer, snapshot.expires_ms), (Timer::TimeWait, 59_996));
        assert_eq!(snapshot.expires_at_ns(), TIME_NS + 59_996_000_000);
        let since = (expected == State::TimeWait).then_some(TIME_NS - 4_000_000);
        assert_eq!(snapshot.time_wait_since_ns(), since);
    }
}

#[test]
fn every_timer() {
    let timers =
        [Timer::None, Timer::Retransmit, Timer::Keepalive, Timer::TimeWait, Timer::Probe, Timer::None, Timer::None];
    for (timer, expected) in (0..).zip(timers) {
        assert_eq!(parsed(&Header { timer, ..ESTABLISHED }.bytes()).timer, expected);
    }
}

#[test]
fn older_kernels_say_less() {
    assert_eq!(parsed(&ESTABLISHED.with_info(232)).info, Some(DETAIL));
    // Linux 4.19 to 5.3
    assert_eq!(parsed(&ESTABLISHED.with_info(224)).info, Some(TcpDetail { snd_wnd_bytes: None, ..DETAIL }));
    assert_eq!(parsed(&ESTABLISHED.with_info(148)).info, Some(TcpDetail { snd_wnd_bytes: None, ..DETAIL }));
    // Without `tcpi_notsent_bytes` there is none.
    assert_eq!(parsed(&ESTABLISHED.with_info(144)).info, None);
    assert_eq!(parsed(&ESTABLISHED.with_info(0)).info, None);
}

#[test]
fn damaged_attributes_cost_the_details_alone() {
    for garbage in [&[0, 0, 0, 0][..], &[0xff; 40], &[3], &[200, 0, 2, 0, 1]] {
        let mut bytes = ESTABLISHED.bytes();
        bytes.extend(garbage);
        assert_eq!(parsed(&bytes), parsed(&ESTABLISHED.bytes()), "{garbage:?}");
    }
}

#[test]
fn truncated_at_every_byte() {
    let whole = ESTABLISHED.with_info(280);
    // INET_DIAG_INFO ends before the unknown attribute of 12 bytes.
    let info_until = whole.len() - 12;
    for length in 0..=whole.len() {
        match parse_message(&whole[..length], NETNS, TIME_NS) {
            Err(error) => assert_eq!((error, length < 72), (DiagError::Short(length), true)),
            Ok(snapshot) => {
                let info = (length >= info_until).then_some(DETAIL);
                assert_eq!(snapshot, Snapshot { info, ..parsed(&whole) }, "{length}");
            }
        }
    }
}

#[test]
fn garbage_is_refused() {
    assert_eq!(parse_message(&[], NETNS, TIME_NS), Err(DiagError::Short(0)));
    assert_eq!(parse_message(&[0xff; 400], NETNS, TIME_NS), Err(DiagError::Family(255)));
    assert_eq!(parse_message(&[0; 72], NETNS, TIME_NS), Err(DiagError::Family(0)));
    for state in [0, 13, 255] {
        let bytes = Header { state, ..ESTABLISHED }.bytes();
        assert_eq!(parse_message(&bytes, NETNS, TIME_NS), Err(DiagError::State(state)));
    }
}

/// `struct nlmsghdr` and a payload.
pub(super) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(u32::try_from(16 + payload.len()).unwrap().to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn words(datagram: &[u8]) -> Vec<String> {
    let word = |message: messages::Message<'_>| match message.body {
        Body::Socket(bytes) => format!("{} socket {} {}", message.sequence, bytes.len(), message.interrupted),
        Body::Failed(errno) => format!("{} failed {errno}", message.sequence),
        Body::Done(errno) => format!("{} done {errno:?}", message.sequence),
        Body::Unknown => "unknown".to_owned(),
    };
    Messages(datagram).map(word).collect()
}

#[test]
fn a_datagram_has_messages() {
    let mut datagram = message(20, 2, 5, &[0; 73]);
    datagram.extend(message(20, 2 | 0x10, 5, &[]));
    datagram.extend(message(2, 0, 6, &(-116_i32).to_ne_bytes()));
    datagram.extend(message(2, 0, 6, &0_i32.to_ne_bytes()));
    datagram.extend(message(3, 2, 7, &0_i32.to_ne_bytes()));
    datagram.extend(message(3, 2, 7, &(-2_i32).to_ne_bytes()));
    datagram.extend(message(4, 2, 7, &[]));
    let expected =
        ["5 socket 73 false", "5 socket 0 true", "6 failed 116", "unknown", "7 done None", "7 done Some(2)", "unknown"];
    assert_eq!(words(&datagram), expected);
    for length in 0..datagram.len() {
        assert!(words(&datagram[..length]).len() <= expected.len());
    }
}

#[test]
fn what_cannot_be_split_is_one_unknown_message() {
    assert_eq!(words(&[0; 100]), ["unknown"]);
    assert_eq!(words(&[0xff; 100]), ["unknown"]);
    assert_eq!(words(&[1]), ["unknown"]);
}

#[test]
fn a_look_up_names_the_socket() {
    let look = |header: &Header| {
        let socket = parsed(&header.bytes()).socket;
        let mut bytes = Vec::new();
        requests::look(&mut bytes, 9, &Look { socket, bound_if: 3, holders: false });
        bytes
    };
    // `struct inet_diag_req_v2`; the ends are as in `struct inet_diag_msg`, and any cookie will do.
    let expected = |header: &Header| {
        let mut payload = vec![header.family, 6, 2, 0, 0xff, 0xff, 0xff, 0xff];
        payload.extend(&header.bytes()[4..44]);
        payload.extend([0xff; 8]);
        message(20, 1, 9, &payload)
    };
    assert_eq!(look(&ESTABLISHED), expected(&ESTABLISHED));
    let v6 = Header { family: 10, local: [1; 16], remote: [2; 16], ..ESTABLISHED };
    assert_eq!(look(&v6), expected(&v6));
    let v4_mapped = Header { family: 10, local: mapped([127, 0, 0, 1]), remote: mapped([10, 1, 2, 3]), ..ESTABLISHED };
    assert_eq!(look(&v4_mapped), expected(&ESTABLISHED));
}

#[test]
fn a_dump_names_the_states() {
    let mut bytes = Vec::new();
    // `1 << (INET_DIAG_INFO - 1)`, and the same of INET_DIAG_SKMEMINFO.
    for (detail, extensions) in [(Detail::None, 0), (Detail::Info, 2), (Detail::Memory, 0x42)] {
        bytes.clear();
        requests::dump(&mut bytes, 4, 10, StateSet::of(&[State::FinWait2, State::TimeWait]), detail);
        let mut payload = vec![10, 6, extensions, 0];
        payload.extend(0x60_u32.to_ne_bytes());
        payload.extend([0; 48]);
        assert_eq!(bytes, message(20, 0x301, 4, &payload));
    }
}
