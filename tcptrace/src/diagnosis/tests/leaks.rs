use crate::diagnosis::{advice, leak_cause, stuck_advice};
use crate::model::{Holders, LeakCause, Mptcp, MptcpDetail, Snapshot, State, StuckCause};

use super::{HELD, fin_sent};

fn leak(inode: u32, recv_queue_bytes: u32, in_epoll: Option<bool>) -> LeakCause {
    let snapshot = Snapshot { state: State::CloseWait, inode, recv_queue_bytes, ..fin_sent() };
    leak_cause(&snapshot, Some(&Holders { in_epoll, ..Holders::default() }))
}

#[test]
fn the_queue_and_the_holders_tell_the_bug() {
    assert_eq!(leak(0, 1, None), LeakCause::NeverAccepted);
    assert_eq!(leak(HELD, 1, Some(false)), LeakCause::NotPolled);
    assert_eq!(leak(HELD, 1, Some(true)), LeakCause::NeverReadEof);
    assert_eq!(leak(HELD, 1, None), LeakCause::Unknown);
    for in_epoll in [None, Some(false), Some(true)] {
        assert_eq!(leak(HELD, 0, in_epoll), LeakCause::EofSeenNotClosed);
    }
    let nobody_looked = Snapshot { state: State::CloseWait, inode: HELD, ..fin_sent() };
    assert_eq!(leak_cause(&nobody_looked, None), LeakCause::EofSeenNotClosed);
    assert_eq!(leak_cause(&Snapshot { recv_queue_bytes: 1, ..nobody_looked }, None), LeakCause::Unknown);
}

#[test]
fn advice_is_one_line() {
    for cause in [
        LeakCause::NeverAccepted,
        LeakCause::NotPolled,
        LeakCause::NeverReadEof,
        LeakCause::EofSeenNotClosed,
        LeakCause::Unknown,
    ] {
        let words = advice(cause);
        assert!(words.len() < 120 && !words.contains('\n'), "{words}");
    }
    for cause in StuckCause::ALL {
        for words in [false, true].map(|mptcp| stuck_advice(cause, mptcp)) {
            assert!(words.len() < 120 && !words.contains('\n'), "{words}");
        }
    }
}

/// Whether a DATA_FIN was read, the queue of an MPTCP connection does not say.
#[test]
fn mptcp_connections() {
    let snapshot = Snapshot {
        state: State::CloseWait,
        inode: HELD,
        mptcp: Mptcp::Connection(MptcpDetail::default()),
        ..fin_sent()
    };
    let polled = |in_epoll| Holders { in_epoll, ..Holders::default() };
    for (recv_queue_bytes, in_epoll, cause) in [
        (0, Some(false), LeakCause::Unknown),
        (834, Some(false), LeakCause::NotPolled),
        (834, Some(true), LeakCause::NeverReadEof),
    ] {
        let seen = Snapshot { recv_queue_bytes, ..snapshot };
        assert_eq!(leak_cause(&seen, Some(&polled(in_epoll))), cause);
    }
    assert_eq!(leak_cause(&Snapshot { inode: 0, ..snapshot }, None), LeakCause::NeverAccepted);
}
