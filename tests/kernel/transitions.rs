//! `--transitions`: every step of a teardown, in order.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tcptrace::source::differences::TIMEWAIT_RESETS;
use tcptrace_tests::{
    pair::Ends,
    scenario::{
        lost_fin,
        orderly::{self, First},
        orphan, reset,
    },
    tool::Line,
};

use crate::{
    harness::{HOLD, bounded, is_older_than, observe},
    judge::{RetransmitsUnseen, shown},
};

/// Steps of one socket, `old>new`, without those of its connect and of its timewait socket, which not every kernel
/// shows.
fn steps(lines: &[Line], ends: Ends) -> Vec<String> {
    let word = |line: &Line, pointer: &str| line.at(pointer).as_str().unwrap_or("?").to_owned();
    lines
        .iter()
        .filter(|line| line.is("transition") && line.has_ends(ends))
        .filter(|line| *line.at("/new") != "syn_sent" && *line.at("/new") != "time_wait")
        .map(|line| format!("{}>{}", word(line, "/old"), word(line, "/new")))
        .collect()
}

fn of_kind<'a>(lines: &'a [Line], kind: &str, ends: Ends) -> Vec<&'a Line> {
    lines.iter().filter(|line| line.is(kind) && line.has_ends(ends)).collect()
}

#[test]
fn an_orderly_close_step_by_step() -> Result<()> {
    bounded(|| {
        let (truth, finished) = observe(&["--transitions"], |netns| orderly::half_close(netns, HOLD))?;
        let lines = finished.lines_in(truth.netns)?;
        let [active, passive] = truth.closes.as_slice() else { anyhow::bail!("not two sides") };
        let told = steps(&lines, active.ends);
        let expected = ["established>fin_wait1", "fin_wait1>fin_wait2", "fin_wait2>close"];
        ensure!(told == expected, "the active side did {expected:?}, told are {told:?} in:\n{}", shown(&lines));
        let told = steps(&lines, passive.ends);
        let expected = ["established>close_wait", "close_wait>last_ack", "last_ack>close"];
        ensure!(told == expected, "the passive side did {expected:?}, told are {told:?} in:\n{}", shown(&lines));
        Ok(())
    })
}

#[test]
fn close_after_shutdown_is_a_step_of_its_own() -> Result<()> {
    bounded(|| {
        let (truth, finished) = observe(&["--transitions"], |netns| lost_fin::self_transition(netns, HOLD))?;
        let active = truth.closes.first().context("no close")?;
        let lines = finished.lines_in(truth.netns)?;
        let told = steps(&lines, active.ends);
        let expected = ["established>fin_wait1", "fin_wait1>fin_wait1", "fin_wait1>fin_wait2", "fin_wait2>close"];
        ensure!(told == expected, "it did {expected:?}, told are {told:?} in:\n{}", shown(&lines));
        Ok(())
    })
}

/// A tail loss probe first, then the retransmission timer, at doubling distances.
#[test]
fn fin_retransmits_one_by_one() -> Result<()> {
    bounded(|| {
        let lost = Duration::from_millis(1200);
        let (truth, finished) = observe(&["--transitions"], |netns| lost_fin::lost_then_restored(netns, lost))?;
        let lines = finished.lines_in(truth.netns)?;
        let active = truth.closes.first().context("no close")?;
        let told = of_kind(&lines, "fin_retransmit", active.ends);
        let resent = active.fin_resent.context("not counted")?;
        RetransmitsUnseen::check(resent.into(), told.len() as u64).with_context(|| shown(&lines))?;
        let kinds: Vec<&str> = told.iter().map(|line| line.at("/kind").as_str().unwrap_or("?")).collect();
        let (first, rest) = kinds.split_first().context("none told")?;
        ensure!(*first == "tlp" && rest.iter().all(|kind| *kind == "rto"), "their kinds are told as {kinds:?}");
        let record = of_kind(&lines, "close", active.ends);
        let record = record.first().context("no record")?;
        ensure!(record.count("/fin_retransmits/tlp") == 1, "not 1 tlp in {}", record.text);
        ensure!(record.count("/fin_retransmits/rto") == rest.len() as u64, "not {} rto in {}", rest.len(), record.text);
        doubling(&told)
    })
}

/// Each pause between two timeouts is about twice the one before. The first one is a probe's.
fn doubling(told: &[&Line]) -> Result<()> {
    let times: Vec<f64> = told.iter().map(|line| line.seconds()).collect::<Result<_>>()?;
    let pauses: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for pair in pauses.windows(2).skip(1) {
        let ratio = pair[1] / pair[0];
        ensure!((1.5..2.6).contains(&ratio), "pauses do not double: {pauses:?}");
    }
    Ok(())
}

#[test]
fn resets_of_both_sides() -> Result<()> {
    bounded(|| {
        let (truth, finished) = observe(&["--transitions"], |netns| reset::linger_0(netns, First::Client))?;
        let lines = finished.lines_in(truth.netns)?;
        let [closer, victim] = truth.closes.as_slice() else { anyhow::bail!("not two sides") };
        for (kind, ends) in [("reset_sent", closer.ends), ("reset_received", victim.ends)] {
            let told = of_kind(&lines, kind, ends).len();
            ensure!(told == 1, "{told} lines of type {kind} about {ends} in:\n{}", shown(&lines));
        }
        for ends in [closer.ends, victim.ends] {
            let told = steps(&lines, ends);
            ensure!(told == ["established>close"], "told are {told:?}");
        }
        Ok(())
    })
}

/// The closer's full socket is gone; its timewait socket answers data with a reset, under the same cookie.
#[test]
fn a_reset_of_a_timewait_socket() -> Result<()> {
    if is_older_than(&TIMEWAIT_RESETS) {
        return Ok(());
    }
    bounded(|| {
        let (truth, finished) = observe(&["--transitions"], |netns| orphan::data_after_close(netns, HOLD))?;
        let lines = finished.lines_in(truth.netns)?;
        let closer = truth.closes.first().context("no close")?;
        let told = of_kind(&lines, "reset_sent", closer.ends);
        let [reset] = told.as_slice() else { anyhow::bail!("not one reset in:\n{}", shown(&lines)) };
        ensure!(*reset.at("/state") == "time_wait" && *reset.at("/orphan") == true, "{}", reset.text);
        ensure!(reset.count("/sk_err") == 0 && reset.at("/reason").is_u64(), "{}", reset.text);
        let record = of_kind(&lines, "close", closer.ends);
        let record = record.first().context("no record")?;
        ensure!(reset.at("/cookie") == record.at("/cookie"), "not of this socket: {}", reset.text);
        Ok(())
    })
}
