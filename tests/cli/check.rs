//! `tcptrace check`, whatever this host can do.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::support::{json, run};

/// Ready, no privilege, or a kernel that cannot: all of these are answers.
fn is_an_answer(code: Option<i32>) -> bool {
    matches!(code, Some(0 | 3 | 4))
}

fn text<'a>(need: &'a Value, name: &str) -> Result<&'a str> {
    need[name].as_str().with_context(|| format!("no text {name:?} in {need}"))
}

#[test]
fn json_is_one_object_a_line() -> Result<()> {
    let finished = run(["check", "--output", "json"])?;
    ensure!(is_an_answer(finished.status.code()), "{finished:?}");
    ensure!(finished.stderr.is_empty(), "talk: {}", finished.stderr);
    let needs = json(&finished.stdout)?;
    ensure!(needs.len() > 2, "too few: {}", finished.stdout);
    for need in &needs {
        ensure!(need["type"] == "check" && need["schema"] == 1, "not one of ours: {need}");
        let group = text(need, "group")?;
        ensure!(["privilege", "required", "optional"].contains(&group), "an unknown group: {need}");
        ensure!(!text(need, "name")?.is_empty() && !text(need, "found")?.is_empty(), "it says nothing: {need}");
        let met = need["met"].as_bool().with_context(|| format!("met or not? {need}"))?;
        // Whoever misses something learns what to do.
        let remedy = need.get("remedy").with_context(|| format!("no remedy in {need}"))?;
        ensure!(if met { remedy.is_null() } else { remedy.is_string() }, "the remedy does not fit: {need}");
    }
    Ok(())
}

#[test]
fn the_exit_code_says_what_is_missing() -> Result<()> {
    let finished = run(["check", "--output", "json"])?;
    let needs = json(&finished.stdout)?;
    let missing = |group: &str| needs.iter().any(|need| need["group"] == group && need["met"] == false);
    let wanted = match (missing("privilege"), missing("required")) {
        (true, _) => 3,
        (false, true) => 4,
        (false, false) => 0,
    };
    finished.expect_code(wanted)
}

#[test]
fn the_table_tells_the_same() -> Result<()> {
    let table = run(["check"])?;
    let listed = run(["check", "--output", "json"])?;
    ensure!(table.status == listed.status, "{} and {}", table.status, listed.status);
    ensure!(table.stderr.is_empty(), "talk: {}", table.stderr);
    for need in json(&listed.stdout)? {
        let mark = match (need["met"] == true, text(&need, "group")?) {
            (true, _) => "ok",
            (false, "optional") => "off",
            (false, _) => "MISSING",
        };
        let name = text(&need, "name")?;
        let is_told = |line: &str| line.starts_with(mark) && line.contains(&format!(" {name}: "));
        ensure!(table.stdout.lines().any(is_told), "no {name} as {mark} in:\n{}", table.stdout);
    }
    Ok(())
}
