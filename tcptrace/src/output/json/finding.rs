//! `"type":"finding"`.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::holders::HoldersObject;
use super::parts::{Head, RetransmitsObject};
use crate::model::{Finding, FindingStatus, GivesUp};
use crate::report::Context;

pub(super) struct Line<'a> {
    pub(super) head: Head<'a>,
    pub(super) finding: &'a Finding,
    pub(super) context: &'a Context,
    pub(super) retransmits: RetransmitsObject,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let finding = self.finding;
        let outcome = match finding.status {
            FindingStatus::Ended(outcome) => Some(outcome.as_str()),
            FindingStatus::Raised | FindingStatus::Moved => None,
        };
        let diagnosis = finding.diagnosis;
        let (gives_up_in_ns, never) = match diagnosis.map(|diagnosis| diagnosis.gives_up) {
            Some(GivesUp::In(ns)) => (Some(ns), None),
            Some(GivesUp::Never(why)) => (None, Some(why.as_str())),
            Some(GivesUp::Unknown) | None => (None, None),
        };
        let mut object = serializer.serialize_struct("Finding", 26)?;
        self.head.fields(&mut object)?;
        self.head.origin(&mut object, self.context)?;
        self.head.owner(&mut object, finding.owner.as_ref(), self.context)?;
        object.serialize_field("kind", finding.kind.as_str())?;
        object.serialize_field("status", finding.status.as_str())?;
        object.serialize_field("outcome", &outcome)?;
        object.serialize_field("reason", finding.reason.as_str())?;
        object.serialize_field("age_ns", &finding.age_ns)?;
        object.serialize_field("age_is_lower_bound", &finding.age_is_lower_bound)?;
        object.serialize_field("may_be_over", &finding.may_be_over)?;
        object.serialize_field("fin_retransmits", &self.retransmits)?;
        object.serialize_field("gives_up_in_ns", &gives_up_in_ns)?;
        object.serialize_field("never_gives_up", &never)?;
        object.serialize_field("next_attempt_in_ns", &diagnosis.and_then(|diagnosis| diagnosis.next_attempt_in_ns))?;
        object.serialize_field("unsent_bytes", &diagnosis.and_then(|diagnosis| diagnosis.unsent_bytes))?;
        object.serialize_field("unacked_bytes", &diagnosis.and_then(|diagnosis| diagnosis.unacked_bytes))?;
        object.serialize_field("orphan", &finding.orphan)?;
        object.serialize_field("holders", &finding.holders.as_deref().map(HoldersObject))?;
        object.end()
    }
}
