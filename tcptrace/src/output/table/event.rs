//! A single event, for `--transitions`.

use super::close::mptcp;
use super::line::Line;
use super::paint::Paint;
use crate::model::{Event, EventKind, RetransmitKind};

/// In place of a role and what follows it.
pub(super) fn text(line: &mut Line, event: &Event) {
    match event.kind {
        EventKind::Transition { old, new, .. } => {
            line.word(Paint::Faint, format_args!("{} -> {}", old.as_str(), new.as_str()));
        }
        EventKind::TimeWait => line.word(Paint::Faint, "fin_wait2 -> time_wait"),
        EventKind::Retransmit { state, kind, .. } => {
            line.word(Paint::Warning, "fin_rtx");
            match kind {
                RetransmitKind::Tlp => line.word(Paint::Plain, "tlp"),
                RetransmitKind::Rto => line.word(Paint::Plain, "rto"),
                RetransmitKind::Fast => line.word(Paint::Plain, "fast"),
                RetransmitKind::Failed(0) => line.word(Paint::Plain, "failed"),
                RetransmitKind::Failed(errno) => line.word(Paint::Plain, format_args!("failed errno {errno}")),
            }
            line.word(Paint::Faint, format_args!("in {}", state.as_str()));
        }
        EventKind::ResetReceived { state } => {
            line.word(Paint::Warning, "reset_received");
            line.word(Paint::Faint, format_args!("in {}", state.as_str()));
        }
        EventKind::ResetSent { state, reason } => {
            line.word(Paint::Warning, "reset_sent");
            line.word(Paint::Faint, format_args!("in {}", state.as_str()));
            if let Some(reason) = reason {
                line.word(Paint::Plain, format_args!("reason {reason}"));
            }
        }
    }
    if event.sk_err != 0 {
        line.word(Paint::Plain, format_args!("sk_err {}", event.sk_err));
    }
    if event.flags.orphan {
        line.word(Paint::Plain, "orphan");
    }
    mptcp(line, event.flags.mptcp);
}
