//! `--transitions`: `"type":"transition"`, `"fin_retransmit"`, `"reset_received"` and `"reset_sent"`.

use serde::ser::{Serialize, SerializeStruct, Serializer};

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

pub(super) struct Line<'a> {
    pub(super) head: Head<'a>,
    pub(super) event: &'a Event,
    pub(super) context: &'a Context,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.event;
        let mut object = serializer.serialize_struct("Event", 17)?;
        self.head.fields(&mut object)?;
        self.head.origin(&mut object, self.context)?;
        match event.kind {
            EventKind::Transition { old, new, .. } => {
                object.serialize_field("old", old.as_str())?;
                object.serialize_field("new", new.as_str())?;
            }
            EventKind::TimeWait => {
                object.serialize_field("old", State::FinWait2.as_str())?;
                object.serialize_field("new", State::TimeWait.as_str())?;
            }
            EventKind::Retransmit { state, kind, tcp_flags } => {
                object.serialize_field("state", state.as_str())?;
                object.serialize_field("kind", kind_word(kind))?;
                object.serialize_field("errno", &errno(kind))?;
                object.serialize_field("tcp_flags", &tcp_flags)?;
            }
            EventKind::ResetReceived { state } => object.serialize_field("state", state.as_str())?,
            EventKind::ResetSent { state, reason } => {
                object.serialize_field("state", state.as_str())?;
                object.serialize_field("reason", &reason)?;
            }
        }
        object.serialize_field("sk_err", &event.sk_err)?;
        object.serialize_field("orphan", &event.flags.orphan)?;
        self.head.owner(&mut object, event.owner.as_ref(), self.context)?;
        object.end()
    }
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
