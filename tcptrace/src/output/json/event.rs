//! `--transitions`: `"type":"transition"`, `"fin_retransmit"`, `"reset_received"` and `"reset_sent"`.

use super::object::Object;
use super::parts::Head;
use crate::model::{Event, EventKind, RetransmitKind, State};
use crate::report::Context;

/// The value of `type`.
pub(super) fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Transition { .. } | EventKind::TimeWait => "transition",
        EventKind::Retransmit { .. } => "fin_retransmit",
        EventKind::ResetReceived { .. } => "reset_received",
        EventKind::ResetSent { .. } => "reset_sent",
    }
}

pub(super) fn line(out: &mut Vec<u8>, head: &Head<'_>, event: &Event, context: &Context) {
    let mut object = Object::begin(out);
    head.fields(&mut object);
    head.origin(&mut object, context);
    match event.kind {
        EventKind::Transition { old, new, .. } => {
            object.word("old", old.as_str());
            object.word("new", new.as_str());
        }
        EventKind::TimeWait => {
            object.word("old", State::FinWait2.as_str());
            object.word("new", State::TimeWait.as_str());
        }
        EventKind::Retransmit { state, kind, tcp_flags } => {
            object.word("state", state.as_str());
            object.word("kind", kind_word(kind));
            object.number_or_null("errno", errno(kind));
            object.number("tcp_flags", tcp_flags);
        }
        EventKind::ResetReceived { state } => object.word("state", state.as_str()),
        EventKind::ResetSent { state, reason } => {
            object.word("state", state.as_str());
            object.number_or_null("reason", reason);
        }
    }
    object.number("sk_err", event.sk_err);
    object.truth("orphan", event.flags.orphan);
    head.owner(&mut object, event.owner.as_ref(), context);
    object.truth_if("mptcp", event.flags.mptcp);
    object.end();
}

fn kind_word(kind: RetransmitKind) -> &'static str {
    match kind {
        RetransmitKind::Tlp => "tlp",
        RetransmitKind::Rto => "rto",
        RetransmitKind::Fast => "fast",
        RetransmitKind::Failed(_) => "failed",
    }
}

/// 0 stands for a failure whose errno the kernel does not tell.
fn errno(kind: RetransmitKind) -> Option<u32> {
    match kind {
        RetransmitKind::Failed(errno) if errno != 0 => Some(errno),
        _ => None,
    }
}
