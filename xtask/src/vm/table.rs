//! The tables that a run prints, which docs/requirements.md repeats.

use std::fmt::Write;

use super::{
    Outcome,
    budget::Size,
    known::{Kernel, Known},
};

/// What is known: `--list`.
pub(super) fn known(known: &Known) -> String {
    let mut text = String::from("KERNEL  RELEASE                       SUITE\n");
    for Kernel { series, release, suite, .. } in &known.kernels {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{series:<7} {release:<29} {suite}");
    }
    text
}

/// A line for each kernel.
pub(super) fn tests(outcomes: &[Outcome]) -> String {
    let mut text =
        String::from("KERNEL  RELEASE                       BY   PASSED AGAIN SKIPPED FAILED    TIME  VERDICT\n");
    for outcome in outcomes {
        let results = &outcome.results;
        let _ = writeln!(
            text,
            "{:<7} {:<29} {:<5}{:>6} {:>5} {:>7} {:>6} {:>6.0}s  {}",
            outcome.series,
            outcome.release,
            outcome.accelerator,
            results.passed.len(),
            results.again.len(),
            results.skipped.len(),
            results.failed.len(),
            outcome.took.as_secs_f64(),
            if outcome.is_good() { "ok" } else { "FAILED" },
        );
    }
    text
}

/// A line for each program: verified instructions, bytes of BPF, bytes of machine code, for each kernel.
pub(super) fn sizes(outcomes: &[Outcome]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in outcomes.iter().flat_map(|outcome| outcome.results.programs().map(|(name, _)| name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut text = format!("{:<28}", "VERIFIED/BPF/MACHINE CODE");
    for outcome in outcomes {
        let _ = write!(text, " {:>16}", outcome.series);
    }
    text.push('\n');
    for name in names {
        let _ = write!(text, "{name:<28}");
        for outcome in outcomes {
            let found = outcome.results.programs().find(|(known, _)| *known == name);
            let _ =
                write!(text, " {:>16}", found.map_or_else(|| "-".to_owned(), |(_, program)| shown(Size::of(program))));
        }
        text.push('\n');
    }
    text
}

fn shown(size: Size) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    format!("{}/{}/{}", number(size.verified), number(size.translated), number(size.machine_code))
}

/// Optional needs of `check` that a kernel does not meet.
pub(super) fn lost(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let absent = outcome.results.checked.iter().filter(|line| line.get("met").is_some_and(|met| met == false));
        for line in absent {
            let word = |name: &str| line.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            let _ = writeln!(text, "{:<7} {}: {}", outcome.series, word("name"), word("found"));
        }
    }
    text
}
