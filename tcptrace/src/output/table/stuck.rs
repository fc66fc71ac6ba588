//! `tcptrace stuck`: a block for each group, the largest first.
//!
//! ```text
//! orphans on port 443 of nginx/9549  12 stuck in fin_wait1: zero_window, oldest >=12.3s, +6 a minute  /web.slice
//!   age       <1m 12
//!   remote    10.0.0.7 (7), 10.0.0.8 (4), 10.0.0.9 (1)
//!   outlook   unsent 2.50MB; given up in 41.0s to 5.52m
//!   advice    ...
//! ```

use super::block::Block;
use super::census::{Count, Held, total};
use super::line::Line;
use super::paint::Paint;
use crate::model::{
    Closer, Closing, Diagnosis, FindingReason, GivesUp, Holder, Listed, ShownName, StuckCause, StuckGroup, StuckOf,
    StuckReport,
};
use crate::output::{
    Home, Style,
    units::{Bytes, DurationNs},
};

/// Threads named that may be the one that waits.
const THREADS_SHOWN: usize = 3;

/// Appends all blocks. Nothing but the last line where no socket is stuck.
pub(super) fn blocks(
    out: &mut Vec<u8>,
    line: &mut Line,
    style: Style,
    report: &StuckReport,
    sockets: bool,
    home: Home<'_>,
) {
    let mut block = Block { out, line, style, home };
    for group in &report.groups {
        title(&mut block, group);
        block.ages(&group.group.ages);
        block.remotes(&group.group.remotes, group.group.remotes_total);
        block.shared(&group.group.shared_with);
        outlook(&mut block, group);
        if let Some(closing) = group.sockets.iter().find_map(|listed| listed.closing.as_ref()) {
            waits(&mut block, closing);
        }
        block.advice(group.advice);
        if sockets {
            list(&mut block, group);
        }
        block.out.push(b'\n');
    }
    let what = Count::of_groups(report.sockets(), "stuck socket", report.groups.len());
    total(block.line, block.out, style, &what, &report.round);
}

fn title(block: &mut Block<'_>, group: &StuckGroup) {
    let line = &mut *block.line;
    match &group.key.of {
        StuckOf::Process { pid, comm } => line.word(Paint::Strong, format_args!("{}/{pid}", ShownName(comm))),
        StuckOf::Left { pid, comm } => line.word(Paint::Strong, format_args!("orphans of {}/{pid}", ShownName(comm))),
        StuckOf::Service { port, .. } => {
            line.word(Paint::Strong, format_args!("orphans on port {port}"));
            if let Some(Holder { comm, pid, .. }) = group.group.listener.first() {
                line.word(Paint::Strong, format_args!("of {}/{pid}", ShownName(comm)));
            }
        }
        StuckOf::Opened { port, .. } => line.word(Paint::Strong, format_args!("orphans opened to port {port}")),
        StuckOf::Orphans => line.word(Paint::Strong, "orphans"),
        StuckOf::Unknown => line.word(Paint::Strong, "holder unknown"),
    }
    block.netns(group.netns());
    let state = group.key.kind.phase().as_str();
    block.line.word(Paint::Bad, format_args!(" {} stuck in {state}:", group.group.count));
    match group.key.cause {
        StuckCause::Unknown => block.line.word(Paint::Faint, "cause unknown,"),
        cause => block.line.word(Paint::Warning, format_args!("{},", FindingReason::Stuck(cause).as_str())),
    }
    block.mptcp(group.group.mptcp, group.group.count, ",");
    block.oldest(group.group.oldest_ns, group.group.oldest_is_lower_bound, group.group.growth_per_minute);
    block.cgroup(&group.group.cgroup);
}

/// What waits, and what the kernel will do about it.
fn outlook(block: &mut Block<'_>, group: &StuckGroup) {
    let bytes = |word, bytes: u64| (bytes > 0).then(|| format!("{word} {}", Bytes(bytes)));
    let end = group.gives_up_ns.map(|(first, last)| {
        let (first, last) = (DurationNs(first).to_string(), DurationNs(last).to_string());
        if first == last { format!("gives up in {first}") } else { format!("gives up in {first} to {last}") }
    });
    let why = group.sockets.iter().find_map(|listed| match listed.finding.diagnosis?.gives_up {
        GivesUp::Never(why) => Some(why.as_str()),
        GivesUp::In(_) | GivesUp::Unknown => None,
    });
    let never = why.map(|why| match group.never_give_up {
        count if count == group.group.count => format!("never gives up: {why}"),
        count => format!("never gives up {count}: {why}"),
    });
    let words = [bytes("unsent", group.unsent_bytes), bytes("unacked", group.unacked_bytes), end, never];
    let words: Vec<String> = words.into_iter().flatten().collect();
    if !words.is_empty() {
        block.name("outlook");
        block.words(Paint::Plain, &words.join(", "));
        block.flush();
    }
}

/// A `close()` that waits, and what comes after.
fn waits(block: &mut Block<'_>, closing: &Closing) {
    block.name("close()");
    let shown: Vec<String> = closing.threads.iter().take(THREADS_SHOWN).map(thread).collect();
    let more = closing.threads.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {}", Count(more as u64, "other")) } else { String::new() };
    let place = match closing.thread() {
        Some(one) => thread(one),
        None => format!("one of {}{more}", shown.join(", ")),
    };
    let then = match closing.then {
        GivesUp::In(ns) => format!("an orphan afterwards, which the kernel gives up in {}", DurationNs(ns)),
        GivesUp::Never(_) => "an orphan afterwards, which the kernel never gives up as things are".to_owned(),
        GivesUp::Unknown => "an orphan afterwards".to_owned(),
    };
    block.words(Paint::Warning, &format!("waits in {place} until SO_LINGER ends it; {then}"));
    block.flush();
}

/// `api/123`, and which thread of it.
fn thread(closer: &Closer) -> String {
    let Closer { pid, comm, tid, thread, .. } = closer;
    match (tid == pid, thread == comm) {
        (true, _) => format!("{comm}/{pid}"),
        (false, true) => format!("{comm}/{pid} thread {tid}"),
        (false, false) => format!("{comm}/{pid} thread {thread}/{tid}"),
    }
}

fn list(block: &mut Block<'_>, group: &StuckGroup) {
    let layout = block.columns(&group.sockets);
    let netns = group.netns();
    for listed in &group.sockets {
        let finding = &listed.finding;
        block.socket(Paint::Bad, finding, &layout);
        if let Some(holders) = finding.holders.as_deref().filter(|holders| holders.total > 0) {
            block.line.word(Paint::Plain, Held(holders));
        }
        block.mptcp(u64::from(finding.mptcp), 1, "");
        why(block.line, listed);
        block.end_socket(finding, netns, &layout);
    }
}

fn why(line: &mut Line, listed: &Listed) {
    if let Some(count) = listed.fin_rto.filter(|count| *count > 0) {
        line.word(Paint::Warning, format_args!("fin_rtx {count}"));
    }
    if let Some(diagnosis) = &listed.finding.diagnosis {
        prospects(line, diagnosis);
    }
}

/// What waits, and what the kernel will do about it.
pub(super) fn prospects(line: &mut Line, diagnosis: &Diagnosis) {
    let Diagnosis { gives_up, next_attempt_in_ns, unsent_bytes, unacked_bytes, .. } = *diagnosis;
    let bytes =
        |word, bytes: Option<u32>| bytes.filter(|bytes| *bytes > 0).map(|n| format!("{word} {}", Bytes(n.into())));
    let end = match gives_up {
        GivesUp::In(ns) => Some(format!("gives up in {}", DurationNs(ns))),
        GivesUp::Never(why) => Some(format!("never gives up: {}", why.as_str())),
        GivesUp::Unknown => None,
    };
    let next = next_attempt_in_ns.map(|ns| format!("next in {}", DurationNs(ns)));
    let words = [bytes("unsent", unsent_bytes), bytes("unacked", unacked_bytes), next, end];
    let mut words = words.iter().flatten().peekable();
    while let Some(word) = words.next() {
        let comma = if words.peek().is_some() { "," } else { "" };
        line.word(Paint::Plain, format_args!("{word}{comma}"));
    }
}
