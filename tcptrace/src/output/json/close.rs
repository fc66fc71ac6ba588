//! `"type":"close"`.

use super::object::Object;
use super::parts::{Head, RetransmitsObject};
use crate::model::{Close, Phase, Reason};
use crate::report::Context;

pub(super) fn line(out: &mut Vec<u8>, head: &Head<'_>, close: &Close, context: &Context) {
    let totals = close.totals;
    let mut object = Object::begin(out);
    head.fields(&mut object);
    head.origin(&mut object, context);
    object.word("role", close.role.as_str());
    object.word("outcome", close.outcome.as_str());
    object.word_or_null("reason", close.reason.map(Reason::as_str));
    head.owner(&mut object, close.owner.as_ref(), context);
    object.nested("phases_ns", |phases| {
        phases.number_or_null("fin_wait1", close.phases.get(Phase::FinWait1));
        phases.number_or_null("fin_wait2", close.phases.get(Phase::FinWait2));
        phases.number_or_null("closing", close.phases.get(Phase::Closing));
        phases.number_or_null("close_wait", close.phases.get(Phase::CloseWait));
        phases.number_or_null("last_ack", close.phases.get(Phase::LastAck));
    });
    object.number_or_null("close_ns", close.close_ns);
    object.truth("orphan", close.orphan);
    object.truth_or_null("three_way", close.three_way);
    object.truth("complete", close.complete);
    RetransmitsObject::from(close.retransmits).fill(&mut object);
    object.number_or_null("srtt_us", totals.map(|totals| totals.srtt_us));
    object.number_or_null("bytes_sent", totals.map(|totals| totals.bytes_sent));
    object.number_or_null("bytes_received", totals.map(|totals| totals.bytes_received));
    object.number_or_null("lifetime_ns", close.lifetime_ns);
    object.truth_if("mptcp", close.mptcp);
    object.end();
}
