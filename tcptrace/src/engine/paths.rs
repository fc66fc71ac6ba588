//! Which ways a TCP socket can go.

use crate::model::State;

/// Whether a life that was seen in `from` can be in `to` now; events in between may be lost.
pub(super) const fn leads_to(from: State, to: State) -> bool {
    use State::{CloseWait, Closing, FinWait1, FinWait2, LastAck};
    match from {
        FinWait1 => matches!(to, FinWait1 | FinWait2 | Closing),
        CloseWait => matches!(to, CloseWait | LastAck),
        FinWait2 => matches!(to, FinWait2),
        Closing => matches!(to, Closing),
        LastAck => matches!(to, LastAck),
        _ => false,
    }
}

/// Transitions that `tcp_set_state()` makes.
pub(super) const fn legal(old: State, new: State) -> bool {
    use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynRecv};
    match new {
        State::SynSent => matches!(old, State::Close),
        FinWait1 => matches!(old, Established | SynRecv | FinWait1),
        FinWait2 => matches!(old, FinWait1 | FinWait2),
        Closing => matches!(old, FinWait1 | Closing),
        CloseWait => matches!(old, Established | SynRecv),
        LastAck => matches!(old, CloseWait | LastAck),
        State::Close => !matches!(old, State::Close | State::Listen | State::TimeWait | State::NewSynRecv),
        _ => false,
    }
}
