//! `tcptrace leaks`: a block for each group, the largest first.
//!
//! ```text
//! python3/7434  37 leaked, oldest 12.0m, +6 a minute  /system.slice/api.service
//!   cause     eof_seen_not_closed 30, not_polled 7
//!   age       <1m 2, <10m 30, <1h 5
//!   remote    10.0.0.7 (20), 10.0.0.8 (10), 10.0.0.9 (5), and 2 others
//!   advice    ...
//! ```

use super::block::Block;
use super::census::{Count, Held, total};
use super::line::Line;
use super::paint::Paint;
use crate::model::{FindingReason, GroupOf, Holder, LeakCause, LeakGroup, LeaksReport, ShownName};
use crate::output::{Home, Style};

/// Appends all blocks. Nothing but the last line where nothing leaks.
pub(super) fn blocks(
    out: &mut Vec<u8>,
    line: &mut Line,
    style: Style,
    report: &LeaksReport,
    sockets: bool,
    home: Home<'_>,
) {
    let mut block = Block { out, line, style, home };
    for group in &report.groups {
        title(&mut block, group);
        let causes = LeakCause::ALL.map(|cause| FindingReason::Leak(cause).as_str());
        block.list("cause", causes.iter().zip(&group.by_cause).filter(|(_, count)| **count > 0));
        block.ages(&group.ages);
        block.remotes(&group.remotes, group.remotes_total);
        block.shared(&group.shared_with);
        block.advice(group.advice);
        if sockets {
            list(&mut block, group);
        }
        block.out.push(b'\n');
    }
    let what = Count::of_groups(report.sockets(), "leaked socket", report.groups.len());
    total(block.line, block.out, style, &what, &report.round);
}

fn title(block: &mut Block<'_>, group: &LeakGroup) {
    let line = &mut *block.line;
    match &group.of {
        GroupOf::Process { pid, comm } => line.word(Paint::Strong, format_args!("{}/{pid}", ShownName(comm))),
        GroupOf::Listener { port, .. } => {
            line.word(Paint::Strong, format_args!("listener on port {port}"));
            if let Some(Holder { comm, pid, .. }) = group.listener.first() {
                line.word(Paint::Strong, format_args!("of {}/{pid}", ShownName(comm)));
            }
        }
        GroupOf::Unknown => line.word(Paint::Strong, "holder unknown"),
    }
    block.netns(group.netns());
    block.line.word(Paint::Warning, format_args!(" {} leaked,", group.count));
    block.mptcp(group.mptcp(), group.count, ",");
    block.oldest(group.oldest_ns, group.oldest_is_lower_bound, group.growth_per_minute);
    block.cgroup(&group.cgroup);
}

fn list(block: &mut Block<'_>, group: &LeakGroup) {
    let layout = block.columns(&group.sockets);
    let netns = group.netns();
    for listed in &group.sockets {
        let finding = &listed.finding;
        block.socket(Paint::Warning, finding, &layout);
        block.line.word(Paint::Plain, finding.reason.as_str());
        block.mptcp(u64::from(finding.mptcp), 1, "");
        if let Some(holders) = finding.holders.as_deref() {
            block.line.word(Paint::Plain, Held(holders));
        }
        block.end_socket(finding, netns, &layout);
    }
}
