//! Compares what tcptrace said with what happened.

use std::{error::Error, fmt, net::IpAddr};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tcptrace::source::differences::RESET_REASONS;
use tcptrace_tests::{
    tool::{Finished, Line},
    truth::{Close, Finding, Owner, Phase, Span, Truth},
};

use crate::harness::lacks;

/// Fewer FIN retransmits were told than went out.
///
/// Mainline runs the programs of a tracepoint whoever was interrupted. A patched kernel has been measured not to run
/// them in some softirqs, nor to count that (docs/benchmarks.md), and nothing that the tool can see tells.
#[derive(Debug)]
pub(crate) struct RetransmitsUnseen {
    resent: u64,
    told: u64,
}

impl RetransmitsUnseen {
    /// An error where some are not told.
    pub(crate) fn check(resent: u64, told: u64) -> Result<()> {
        ensure!(told <= resent, "the FIN went out {resent} times again, told are {told}");
        if told < resent { Err(Self { resent, told }.into()) } else { Ok(()) }
    }
}

impl fmt::Display for RetransmitsUnseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the FIN went out {} times again, told are no more than {}", self.resent, self.told)
    }
}

impl Error for RetransmitsUnseen {}

/// Every close once, as it was, and no other. The lines are those of the scenario's namespace.
pub(crate) fn closes(truth: &Truth, lines: &[Line]) -> Result<()> {
    let mut told: Vec<&Line> = lines.iter().filter(|line| line.is("close")).collect();
    for close in &truth.closes {
        let found = told.iter().position(|line| line.has_ends(close.ends));
        let line = told.remove(found.with_context(|| format!("no record of {} in:\n{}", close.ends, shown(lines)))?);
        compare(close, line).with_context(|| format!("{} was told as\n{}", close.ends, line.text))?;
    }
    let extra: Vec<&str> = told.iter().map(|line| line.text.as_str()).collect();
    ensure!(extra.is_empty(), "records of closes that never happened:\n{}", extra.join("\n"));
    Ok(())
}

/// No finding in the namespace.
pub(crate) fn no_findings(lines: &[Line]) -> Result<()> {
    let found: Vec<&str> = findings_in(lines).map(|line| line.text.as_str()).collect();
    ensure!(found.is_empty(), "findings that should not be:\n{}", found.join("\n"));
    Ok(())
}

/// Every finding raised once and cleared once, and no other.
pub(crate) fn findings(truth: &Truth, lines: &[Line], threshold_ms: u64) -> Result<()> {
    for finding in &truth.findings {
        let told: Vec<&Line> = findings_in(lines).filter(|line| line.has_ends(finding.ends)).collect();
        let [raised, cleared] = told.as_slice() else {
            anyhow::bail!("{} lines of a finding about {}, not 2:\n{}", told.len(), finding.ends, shown(lines));
        };
        compare_raised(finding, raised, threshold_ms).with_context(|| format!("raised as\n{}", raised.text))?;
        compare_cleared(finding, cleared).with_context(|| format!("cleared as\n{}", cleared.text))?;
    }
    let told = findings_in(lines).count();
    ensure!(told == 2 * truth.findings.len(), "{told} lines of findings:\n{}", shown(lines));
    Ok(())
}

/// Everything adds up. Events of others on this host may be lost, and are no matter of a test's.
pub(crate) fn books(summary: &Line) -> Result<()> {
    let count = |name: &str| summary.count(&format!("/events/{name}"));
    let (seen, delivered, lost, refused) = (count("seen"), count("delivered"), count("lost"), count("refused"));
    ensure!(seen == delivered + lost + refused, "the books do not balance: {}", summary.text);
    ensure!(*summary.at("/events/balanced") == true, "not balanced: {}", summary.text);
    ensure!(seen > 0 && refused == 0, "nothing was seen, or not understood: {}", summary.text);
    Ok(())
}

/// Besides, nothing was lost.
pub(crate) fn whole_books(summary: &Line) -> Result<()> {
    ensure!(summary.count("/events/lost") == 0, "events were lost: {}", summary.text);
    books(summary)
}

/// What a run says of its own completeness, for messages: a close that was told wrongly may be one whose
/// events were lost.
pub(crate) fn books_in_words(finished: &Finished) -> String {
    match finished.summary() {
        Ok(summary) => {
            let (events, open) = (summary.at("/events"), summary.at("/open"));
            format!("the books say {events}, open {open}, anomalies {}", summary.at("/anomalies"))
        }
        Err(error) => format!("there are no books: {error}"),
    }
}

fn findings_in(lines: &[Line]) -> impl Iterator<Item = &Line> {
    lines.iter().filter(|line| line.is("finding"))
}

/// For messages.
pub(crate) fn shown(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}\n", line.text)).collect()
}

fn compare(close: &Close, line: &Line) -> Result<()> {
    ensure!(line.count("/schema") == 1, "schema is not 1");
    let family = match close.ends.remote.ip() {
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(_) => "ipv6",
    };
    same("family", line.at("/family"), family)?;
    same("role", line.at("/role"), close.role)?;
    same("outcome", line.at("/outcome"), close.outcome)?;
    reason(close, line)?;
    owner(&close.owner, line)?;
    for (name, expected) in close.phases() {
        phase(expected, line.at(&format!("/phases_ns/{name}"))).with_context(|| format!("phase {name}"))?;
    }
    same("complete", line.at("/complete"), close.complete)?;
    let told = [("orphan", close.orphan), ("three_way", close.three_way)];
    for (name, expected) in told.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        same(name, line.at(&format!("/{name}")), expected)?;
    }
    let counts = [("bytes_sent", close.bytes_sent), ("bytes_received", close.bytes_received)];
    for (name, expected) in counts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        same(name, line.at(&format!("/{name}")), expected)?;
    }
    if let Some(resent) = close.fin_resent {
        let told: u64 = ["tlp", "rto", "fast"].iter().map(|kind| line.count(&format!("/fin_retransmits/{kind}"))).sum();
        RetransmitsUnseen::check(resent.into(), told)?;
        same("failed", line.at("/fin_retransmits/failed"), 0)?;
    }
    sums(close, line)
}

/// The total of a close that was seen from end to end is that of its phases.
fn sums(close: &Close, line: &Line) -> Result<()> {
    if close.complete && close.role != "abort" {
        let phases = line.at("/phases_ns").as_object().context("no phases")?;
        let sum: u64 = phases.values().filter_map(Value::as_u64).sum();
        same("close_ns", line.at("/close_ns"), sum)?;
    }
    let lifetime = line.at("/lifetime_ns").as_u64();
    let close_ns = line.at("/close_ns").as_u64();
    if let (Some(lifetime), Some(close_ns)) = (lifetime, close_ns) {
        ensure!(lifetime >= close_ns, "a lifetime shorter than its close");
    }
    Ok(())
}

fn compare_raised(finding: &Finding, line: &Line, threshold_ms: u64) -> Result<()> {
    same("status", line.at("/status"), "raised")?;
    same("kind", line.at("/kind"), finding.kind)?;
    same("reason", line.at("/reason"), finding.reason)?;
    same("age_is_lower_bound", line.at("/age_is_lower_bound"), false)?;
    owner(&finding.owner, line)?;
    let age = line.count("/age_ns");
    ensure!(age >= threshold_ms * 1_000_000, "raised before its threshold");
    ensure!(u128::from(age) <= finding.age.at_most.as_nanos(), "raised after its end");
    Ok(())
}

fn compare_cleared(finding: &Finding, line: &Line) -> Result<()> {
    same("status", line.at("/status"), "cleared")?;
    same("kind", line.at("/kind"), finding.kind)?;
    phase(Phase::Within(finding.age), line.at("/age_ns")).context("age")?;
    match finding.outcome {
        Some(outcome) => same("outcome", line.at("/outcome"), outcome),
        None => ensured_null("outcome", line.at("/outcome")),
    }
}

fn reason(close: &Close, line: &Line) -> Result<()> {
    let told = line.at("/reason");
    match close.reason {
        None => ensured_null("reason", told),
        Some(_) if told.is_null() && close.outcome == "reset_sent" && lacks(&RESET_REASONS) => Ok(()),
        Some(reason) => same("reason", told, reason),
    }
}

fn owner(expected: &Owner, line: &Line) -> Result<()> {
    match expected {
        Owner::Any => Ok(()),
        Owner::Null => ensured_null("owner", line.at("/owner")),
        Owner::Known(who) => {
            same("owner's pid", line.at("/owner/pid"), who.pid)?;
            same("owner's comm", line.at("/owner/comm"), who.comm.as_str())?;
            same("owner's source", line.at("/owner/source"), who.source)
        }
    }
}

fn phase(expected: Phase, told: &Value) -> Result<()> {
    let Phase::Within(Span { at_least, at_most }) = expected else {
        return ensured_null("phase", told);
    };
    let ns = u128::from(told.as_u64().with_context(|| format!("expected a time up to {at_most:?}, told is {told}"))?);
    ensure!(
        at_least.as_nanos() <= ns && ns <= at_most.as_nanos(),
        "it was between {at_least:?} and {at_most:?}, told are {ns} ns"
    );
    Ok(())
}

fn same<T>(what: &str, told: &Value, expected: T) -> Result<()>
where
    Value: PartialEq<T>,
    T: std::fmt::Debug,
{
    ensure!(*told == expected, "{what}: expected {expected:?}, told is {told}");
    Ok(())
}

fn ensured_null(what: &str, told: &Value) -> Result<()> {
    ensure!(told.is_null(), "{what}: expected null, told is {told}");
    Ok(())
}
