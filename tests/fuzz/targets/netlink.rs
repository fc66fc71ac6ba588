//! Any bytes as one answer of sock_diag: refused, or the socket that stands in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcptrace::{
    model::{Mptcp, Snapshot, State, Timer},
    source::diag::{DiagError, parse_message, parse_mptcp},
};

/// `sizeof(struct inet_diag_msg)`
const HEADER_LEN: usize = 72;

fuzz_target!(|bytes: &[u8]| {
    let result = parse_message(bytes, 7, 9);
    match result {
        Ok(socket) => {
            assert_eq!((socket.time_ns, socket.socket.netns), (9, 7));
            assert_eq!(Some(socket.state), State::from_kernel(bytes[1]));
            assert_eq!(socket.timer, Timer::from_kernel(bytes[2]));
            assert_eq!(socket.timewait, bytes[2] == 3);
            assert_eq!(socket.socket.local.port.to_be_bytes(), bytes[4..6]);
            assert_eq!(socket.socket.remote.port.to_be_bytes(), bytes[6..8]);
            assert_eq!(socket.bound_if.to_ne_bytes(), bytes[40..44]);
            assert_eq!(socket.expires_ms.to_ne_bytes(), bytes[52..56]);
            assert_eq!(socket.inode.to_ne_bytes(), bytes[68..72]);
            // What stands behind changes the details alone.
            let bare = parse_message(&bytes[..HEADER_LEN], 7, 9).map(|mut bare| {
                (bare.info, bare.mptcp) = (socket.info, socket.mptcp);
                bare
            });
            assert_eq!(bare, result);
            // The same bytes as an MPTCP connection, whose details are others.
            let connection = parse_mptcp(bytes, 7, 9).map(|connection| {
                assert!(matches!(connection.mptcp, Mptcp::Connection(_)));
                Snapshot { info: socket.info, mptcp: socket.mptcp, ..connection }
            });
            assert_eq!(connection, result);
        }
        Err(DiagError::Short(length)) => assert!(length == bytes.len() && length < HEADER_LEN),
        Err(DiagError::Family(family)) => assert!(family == bytes[0] && ![2, 10].contains(&family)),
        Err(DiagError::State(state)) => assert!(state == bytes[1] && State::from_kernel(state).is_none()),
    }
});
