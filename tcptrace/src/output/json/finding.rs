//! `"type":"finding"`.

use super::holders::HoldersObject;
use super::object::Object;
use super::parts::{Head, RetransmitsObject};
use super::stuck::Waits;
use crate::model::{Closing, Finding, FindingStatus, GivesUp};
use crate::report::Context;

pub(super) fn line(
    out: &mut Vec<u8>,
    head: &Head<'_>,
    finding: &Finding,
    retransmits: &RetransmitsObject,
    closing: Option<&Closing>,
    context: &Context,
) {
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
    let mut object = Object::begin(out);
    head.fields(&mut object);
    head.origin(&mut object, context);
    head.owner(&mut object, finding.owner.as_ref(), context);
    object.word("kind", finding.kind.as_str());
    object.word("status", finding.status.as_str());
    object.word_or_null("outcome", outcome);
    object.word("reason", finding.reason.as_str());
    object.number("age_ns", finding.age_ns);
    object.truth("age_is_lower_bound", finding.age_is_lower_bound);
    object.truth("may_be_over", finding.may_be_over);
    retransmits.fill(&mut object);
    object.number_or_null("gives_up_in_ns", gives_up_in_ns);
    object.word_or_null("never_gives_up", never);
    object.number_or_null("next_attempt_in_ns", diagnosis.and_then(|diagnosis| diagnosis.next_attempt_in_ns));
    object.number_or_null("unsent_bytes", diagnosis.and_then(|diagnosis| diagnosis.unsent_bytes));
    object.number_or_null("unacked_bytes", diagnosis.and_then(|diagnosis| diagnosis.unacked_bytes));
    object.truth_or_null("orphan", finding.orphan);
    object.value("holders", &finding.holders.as_deref().map(HoldersObject));
    object.truth_if("mptcp", finding.mptcp);
    if let Some(closing) = closing {
        object.value("close_waits", &Waits(closing));
    }
    object.end();
}
