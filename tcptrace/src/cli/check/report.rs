//! How the needs are printed.

use std::fmt::Write;

use crate::{model::Shown, output::to_json};

use super::needs::Need;

/// A line each, and under it what to do.
pub(super) fn table(needs: &[Need]) -> String {
    let mut text = String::new();
    for need in needs {
        let mark = match (need.met, need.group.as_str()) {
            (true, _) => "ok     ",
            (false, "optional") => "off    ",
            (false, _) => "MISSING",
        };
        let first = need.found.lines().next().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark}  {}: {}", need.name, Shown(first));
        for line in need.found.lines().skip(1) {
            let _ = writeln!(text, "           {}", Shown(line));
        }
        if let Some(difference) = need.difference.filter(|_| !need.met) {
            let _ = writeln!(
                text,
                "         since Linux {}.{}: {}",
                difference.since.0, difference.since.1, difference.source
            );
        }
        if !need.remedy.is_empty() {
            let _ = writeln!(text, "         -> {}", Shown(&need.remedy));
        }
    }
    text
}

/// One object a line.
pub(super) fn json(needs: &[Need]) -> String {
    let mut text = String::new();
    for need in needs {
        let object = serde_json::json!({
            "type": "check",
            "schema": 1,
            "group": need.group.as_str(),
            "name": need.name,
            "met": need.met,
            "found": need.found,
            "remedy": if need.remedy.is_empty() { None } else { Some(&need.remedy) },
            "since": need.difference.map(|one| format!("{}.{}", one.since.0, one.since.1)),
            "source": need.difference.map(|one| one.source),
            "program": need.program.as_ref().map(|one| serde_json::json!({
                "name": one.name,
                "verified_instructions": one.verified_instructions,
                "translated_bytes": one.translated_bytes,
                "machine_code_bytes": one.machine_code_bytes,
            })),
        });
        let mut line = Vec::new();
        // Neither a Vec nor these types can fail.
        let _ = to_json(&mut line, &object);
        let _ = writeln!(text, "{}", String::from_utf8_lossy(&line));
    }
    text
}
