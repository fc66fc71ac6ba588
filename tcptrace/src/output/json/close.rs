//! `"type":"close"`.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::parts::{Head, RetransmitsObject};
use crate::model::{Close, Phase, Phases, Reason};
use crate::report::Context;

pub(super) struct Line<'a> {
    pub(super) head: Head<'a>,
    pub(super) close: &'a Close,
    pub(super) context: &'a Context,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let close = self.close;
        let totals = close.totals;
        let mut object = serializer.serialize_struct("Close", 25)?;
        self.head.fields(&mut object)?;
        self.head.origin(&mut object, self.context)?;
        object.serialize_field("role", close.role.as_str())?;
        object.serialize_field("outcome", close.outcome.as_str())?;
        object.serialize_field("reason", &close.reason.map(Reason::as_str))?;
        self.head.owner(&mut object, close.owner.as_ref(), self.context)?;
        object.serialize_field("phases_ns", &PhasesObject::from(&close.phases))?;
        object.serialize_field("close_ns", &close.close_ns)?;
        object.serialize_field("orphan", &close.orphan)?;
        object.serialize_field("three_way", &close.three_way)?;
        object.serialize_field("complete", &close.complete)?;
        object.serialize_field("fin_retransmits", &RetransmitsObject::from(close.retransmits))?;
        object.serialize_field("srtt_us", &totals.map(|totals| totals.srtt_us))?;
        object.serialize_field("bytes_sent", &totals.map(|totals| totals.bytes_sent))?;
        object.serialize_field("bytes_received", &totals.map(|totals| totals.bytes_received))?;
        object.serialize_field("lifetime_ns", &close.lifetime_ns)?;
        object.end()
    }
}

#[derive(serde::Serialize)]
struct PhasesObject {
    fin_wait1: Option<u64>,
    fin_wait2: Option<u64>,
    closing: Option<u64>,
    close_wait: Option<u64>,
    last_ack: Option<u64>,
}

impl From<&Phases> for PhasesObject {
    fn from(phases: &Phases) -> Self {
        Self {
            fin_wait1: phases.get(Phase::FinWait1),
            fin_wait2: phases.get(Phase::FinWait2),
            closing: phases.get(Phase::Closing),
            close_wait: phases.get(Phase::CloseWait),
            last_ack: phases.get(Phase::LastAck),
        }
    }
}
