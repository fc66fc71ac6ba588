//! MPTCP connections and their subflows. Literal bytes, as Linux 6.18 sent them but for the numbers made telling.

use super::{
    tests::{ESTABLISHED, Header, NETNS, TIME_NS, attribute, message, parsed},
    *,
};
use crate::model::{Mptcp, MptcpDetail, Snapshot, State};

/// `struct inet_diag_req_v2` with protocol 0, and INET_DIAG_REQ_PROTOCOL of 262, as `ss -M` asks.
#[test]
fn a_dump_of_mptcp_names_its_protocol() {
    let mut bytes = vec![1, 2, 3, 4];
    requests::dump_mptcp(&mut bytes, 4, 2, StateSet::of(&[State::FinWait2, State::TimeWait]));
    let mut payload = vec![2, 0, 2, 0];
    payload.extend(0x60_u32.to_ne_bytes());
    payload.extend([0; 48]);
    payload.extend(attribute(3, &262_u32.to_ne_bytes()));
    assert_eq!(bytes[4..], message(20, 0x301, 4, &payload));
}

/// 96 bytes of `struct mptcp_info`, as of Linux 6.18.
fn mptcp_info() -> Vec<u8> {
    let mut bytes = vec![0; 16];
    for long in [1_000_501_u64, 1_000_000, 7] {
        bytes.extend(long.to_ne_bytes());
    }
    bytes.resize(84, 0);
    for word in [11_u32, 12, 13] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

#[test]
fn mptcp_connections_say_what_they_remember() {
    let with = |info: &[u8]| {
        let mut bytes = Header { state: 8, ..ESTABLISHED }.bytes();
        bytes.extend(attribute(2, info));
        parse_mptcp(&bytes, NETNS, TIME_NS).unwrap()
    };
    let detail = |info: &[u8]| {
        let snapshot = with(info);
        assert_eq!((snapshot.info, snapshot.state, snapshot.inode), (None, State::CloseWait, 4242));
        let Mptcp::Connection(detail) = snapshot.mptcp else { panic!("{snapshot:?}") };
        detail
    };
    let whole = mptcp_info();
    let expected = MptcpDetail { unacked_bytes: Some(501), last_data_recv_ms: Some(12), last_ack_recv_ms: Some(13) };
    assert_eq!(detail(&whole), expected);
    assert_eq!(detail(&[&whole[..], &[1; 40]].concat()), expected);
    // Before 6.10, and before `write_seq`.
    let older = MptcpDetail { last_data_recv_ms: None, last_ack_recv_ms: None, ..expected };
    assert_eq!(detail(&whole[..84]), older);
    assert_eq!(detail(&whole[..20]), MptcpDetail::default());
    for length in 0..whole.len() {
        detail(&whole[..length]);
    }
    assert_eq!(parse_mptcp(&[0xff; 71], NETNS, TIME_NS), Err(DiagError::Short(71)));
}

#[test]
fn subflows_are_told_by_their_upper_layer() {
    let with = |name: &[u8]| {
        let mut bytes = ESTABLISHED.with_info(280);
        // NLA_F_NESTED
        bytes.extend(attribute(20 | 0x8000, &attribute(1, name)));
        parsed(&bytes)
    };
    assert_eq!(with(b"mptcp\0").mptcp, Mptcp::Subflow);
    assert_eq!(with(b"mptcp").mptcp, Mptcp::Subflow);
    for name in [&b"tls\0"[..], b"", b"\0mptcp", b"mptcpx\0"] {
        assert_eq!(with(name).mptcp, Mptcp::No, "{name:?}");
    }
    assert_eq!(Snapshot { mptcp: Mptcp::No, ..with(b"mptcp\0") }, parsed(&ESTABLISHED.with_info(280)));
}
