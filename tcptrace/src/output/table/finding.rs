//! A finding, as it arises and as it clears.

use super::census::Held;
use super::close::{mptcp, retransmits};
use super::line::Line;
use super::paint::Paint;
use super::stuck::prospects;
use crate::model::{Finding, FindingKind, FindingStatus, Holders};
use crate::output::units::DurationNs;

/// In place of a role and what follows it.
pub(super) fn text(line: &mut Line, finding: &Finding) {
    let phase = finding.kind.phase().as_str();
    let is_leak = finding.kind == FindingKind::LeakCloseWait;
    let least = if finding.age_is_lower_bound { ">=" } else { "" };
    let age = DurationNs(finding.age_ns);
    match finding.status {
        FindingStatus::Raised => {
            let (paint, word) = if is_leak { (Paint::Warning, "LEAK") } else { (Paint::Bad, "STUCK") };
            line.word(paint, format_args!("{word} {phase}"));
            line.word(paint, format_args!("{least}{age}"));
            match finding.reason.as_str() {
                "unknown" => line.word(Paint::Faint, "cause unknown"),
                reason => line.word(Paint::Plain, reason),
            }
            if let Some(diagnosis) = finding.diagnosis.as_ref().filter(|_| !is_leak) {
                prospects(line, diagnosis);
            }
            if let Some(holders) = finding.holders.as_deref() {
                held(line, finding, holders);
            }
            if finding.may_be_over {
                line.word(Paint::Bad, "(events were lost: may be over)");
            }
        }
        FindingStatus::Moved | FindingStatus::Ended(_) => {
            line.word(Paint::Good, format_args!("cleared {phase}"));
            line.word(Paint::Plain, format_args!("after {least}{age}"));
        }
    }
    if let FindingStatus::Ended(outcome) = finding.status {
        line.word(Paint::Plain, format_args!("ended {}", outcome.as_str()));
    }
    retransmits(line, finding.retransmits);
    if finding.orphan == Some(true) {
        line.word(Paint::Plain, "orphan");
    }
    mptcp(line, finding.mptcp);
}

/// Who holds the socket, as far as the owner's column does not say it.
fn held(line: &mut Line, finding: &Finding, holders: &Holders) {
    let is_leak = finding.kind == FindingKind::LeakCloseWait;
    let Some(first) = holders.list.first().filter(|_| is_leak || holders.total > 1) else { return };
    let is_owner = finding.owner.is_some_and(|owner| owner.pid == first.pid);
    match holders.total {
        _ if !is_owner => line.word(Paint::Plain, format_args!("held by {}", Held(holders))),
        0 | 1 => line.word(Paint::Plain, format_args!("fd {}", first.fd)),
        total => line.word(Paint::Plain, format_args!("fd {}, {} more hold it", first.fd, total - 1)),
    }
}
