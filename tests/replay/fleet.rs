//! Several captures as one fleet, and lines held back.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::support::{Folder, golden, json, run};

fn replay(captures: &[&str], more: &[&str]) -> Result<Vec<Value>> {
    let finished = run(["replay"].iter().chain(captures).chain(&["--output", "json"]).chain(more))?;
    finished.expect_code(0)?;
    json(&finished.stdout)
}

fn split(mut lines: Vec<Value>) -> Result<(Vec<Value>, Value)> {
    let summary = lines.pop().context("no line")?;
    ensure!(summary["type"] == "summary", "the last line is {summary}");
    Ok((lines, summary))
}

/// Lines without the host's name, each with how often it is there.
fn counted(lines: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let mut line = line.clone();
        line.as_object_mut().map(|line| line.remove("host"));
        *counts.entry(line.to_string()).or_default() += 1;
    }
    counts
}

#[test]
fn a_fleet_is_its_hosts_together() -> Result<()> {
    let captures = ["closes.cap", "resets.cap", "looks.cap"];
    let (lines, summary) = split(replay(&captures, &[])?)?;
    let mut apart = Vec::new();
    let (mut closes, mut seen, mut open) = (0, 0, 0);
    for capture in captures {
        let (lines, summary) = split(replay(&[capture], &[])?)?;
        ensure!(lines.iter().all(|line| line.get("host").is_none()), "one host goes without saying");
        ensure!(summary["hosts"] == Value::Array(Vec::new()), "{summary}");
        apart.extend(lines);
        closes += summary["closes"].as_u64().context("no closes")?;
        seen += summary["events"]["seen"].as_u64().context("no events")?;
        open += summary["open"]["close_wait"].as_u64().context("no open sockets")?;
    }
    ensure!(lines.iter().all(|line| line["host"] == "demo"), "a line without its host");
    ensure!(counted(&lines) == counted(&apart), "lines are missing, or others are there");
    ensure!(summary["closes"] == closes && summary["events"]["seen"] == seen, "{summary}");
    ensure!(summary["open"]["close_wait"] == open && summary["events"]["balanced"] == true, "{summary}");
    ensure!(summary["hosts"] == serde_json::json!(["demo", "demo", "demo"]), "{summary}");
    Ok(())
}

/// These two were recorded at different times: what came first is told first, whatever the order of the arguments.
#[test]
fn a_fleet_has_one_clock() -> Result<()> {
    let times = |captures: &[&str]| -> Result<Vec<String>> {
        let (lines, _) = split(replay(captures, &[])?)?;
        Ok(lines.iter().filter_map(|line| line["time"].as_str()).map(ToOwned::to_owned).collect())
    };
    let (first, second) = (times(&["closes.cap"])?, times(&["resets.cap"])?);
    let both = if first.first() < second.first() { [first, second] } else { [second, first] }.concat();
    ensure!(times(&["closes.cap", "resets.cap"])? == both, "not in the order of time");
    ensure!(times(&["resets.cap", "closes.cap"])? == both, "the order of the arguments counts");
    Ok(())
}

/// Of the same capture twice, every line comes twice, one behind the other or nearly.
#[test]
fn hosts_do_not_mix() -> Result<()> {
    let (one, _) = split(replay(&["closes.cap"], &[])?)?;
    let (two, summary) = split(replay(&["closes.cap", "closes.cap"], &[])?)?;
    let twice: BTreeMap<_, _> = counted(&one).into_iter().map(|(line, count)| (line, 2 * count)).collect();
    ensure!(counted(&two) == twice, "the same cookies on two hosts disturb each other");
    ensure!(summary["anomalies"]["duplicates"] == 0 && summary["anomalies"]["replaced"] == 0, "{summary}");
    Ok(())
}

#[test]
fn one_bad_capture_is_named() -> Result<()> {
    let folder = Folder::new()?;
    let torn = folder.file("torn.cap");
    let bytes = std::fs::read(golden("closes.cap"))?;
    std::fs::write(&torn, bytes.get(..bytes.len() / 2).context("an empty capture")?)?;
    let torn = torn.to_str().context("an odd name")?;
    let finished = run(["replay", "closes.cap", torn, "--summary"])?;
    finished.expect_code(0)?;
    ensure!(finished.stderr.contains("torn.cap") && !finished.stderr.contains("closes.cap"), "{}", finished.stderr);
    ensure!(finished.stdout.contains("TORN"), "{}", finished.stdout);
    let finished = run(["replay", "closes.cap", "closes.txt"])?;
    finished.expect_code(5)?;
    ensure!(finished.stderr.contains("closes.txt") && finished.stdout.is_empty(), "{}", finished.stderr);
    Ok(())
}

#[test]
fn lines_held_back_are_counted() -> Result<()> {
    let (all, whole) = split(replay(&["many.cap"], &[])?)?;
    ensure!(whole["held_back"].is_null(), "{whole}");
    let (lines, summary) = split(replay(&["many.cap"], &["--max-rate", "7"])?)?;
    let (told, printed): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line["type"] == "held_back");
    let held: u64 = told.iter().filter_map(|line| line["lines"].as_u64()).sum();
    ensure!(held > 0 && summary["held_back"] == held, "told of {held}: {summary}");
    ensure!(printed.len() as u64 + held == all.len() as u64, "{} printed", printed.len());
    ensure!(printed.iter().all(|line| all.contains(line)), "a line that is not there without --max-rate");
    for key in ["closes", "by_role", "latency_ns", "events"] {
        ensure!(summary[key] == whole[key], "{key}: {}", summary[key]);
    }
    let mut seconds = BTreeMap::<&str, usize>::new();
    for line in &printed {
        let time = line["time"].as_str().context("no time")?;
        *seconds.entry(time.get(..19).context("a short time")?).or_default() += 1;
    }
    // A close that is told late counts in the second in which it is told.
    ensure!(seconds.values().all(|lines| *lines <= 14), "{seconds:?}");
    Ok(())
}

/// Histograms of a fleet: intervals are cut on the common clock, whatever the order of the captures.
#[test]
fn intervals_of_a_fleet_are_those_of_its_hosts() -> Result<()> {
    let counts = |captures: &[&str]| -> Result<Vec<(String, u64)>> {
        let lines = replay(captures, &["--of", "close", "--interval", "1s"])?;
        let histograms = lines.iter().filter(|line| line["type"] == "histogram");
        let count = |line: &Value| Some((line["from"].as_str()?.to_owned(), line["count"].as_u64()?));
        histograms.map(|line| count(line).with_context(|| line.to_string())).collect()
    };
    let (closes, resets) = (counts(&["closes.cap"])?, counts(&["resets.cap"])?);
    let (one, other) = (counts(&["closes.cap", "resets.cap"])?, counts(&["resets.cap", "closes.cap"])?);
    ensure!(one == other, "the order of the captures counts: {one:?} and {other:?}");
    // The last line is the total, and begins with the fleet.
    let (total, intervals) = one.split_last().context("no histogram")?;
    let first = closes.first().into_iter().chain(resets.first()).map(|(from, _)| from).min();
    ensure!(Some(&total.0) == first, "the total begins at {}", total.0);
    ensure!(intervals.iter().map(|(_, count)| count).sum::<u64>() == total.1, "intervals do not add up: {one:?}");
    let wanted = closes.last().into_iter().chain(resets.last()).map(|(_, count)| count).sum::<u64>();
    ensure!(total.1 == wanted, "{} closes and not {wanted}", total.1);
    // Those of the earlier capture are in the intervals in which they are without the other one.
    let (earlier, _) = if closes.first() < resets.first() { (closes, resets) } else { (resets, closes) };
    let whole = earlier.len().saturating_sub(2);
    ensure!(one.get(..whole) == earlier.get(..whole), "{one:?} and alone {earlier:?}");
    Ok(())
}

/// Findings are few, and what one looks for.
#[test]
fn findings_are_never_held_back() -> Result<()> {
    let all = run(["replay", "closes.cap", "--output", "json"])?;
    let few = run(["replay", "closes.cap", "--output", "json", "--max-rate", "1"])?;
    let findings = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with(r#"{"type":"finding""#)).map(str::to_owned).collect()
    };
    ensure!(!findings(&all.stdout).is_empty() && few.stdout.contains(r#""type":"held_back""#), "{}", few.stdout);
    ensure!(findings(&all.stdout) == findings(&few.stdout), "held back:\n{}", few.stdout);
    Ok(())
}
