use crate::diagnosis::{advice, leak_cause};
use crate::model::{Holders, LeakCause, Snapshot, State};

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
}
