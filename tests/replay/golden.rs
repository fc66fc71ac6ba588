//! What is printed of whole captures, byte for byte.

use std::{collections::BTreeSet, env, fs};

use anyhow::{Context, Result, bail, ensure};

use crate::support::{golden, json, run};

/// Rewrites what does not fit.
const UPDATE: &str = "UPDATE_GOLDEN";

/// Stands for the remote port of the capture's first close.
const PORT: &str = "PORT";

/// The golden file's name begins with the capture's.
const VIEWS: &[(&str, &[&str])] = &[
    ("closes.txt", &[]),
    ("closes.jsonl", &["--output", "json"]),
    ("closes.transitions.txt", &["--transitions"]),
    ("closes.transitions.jsonl", &["--output", "json", "--transitions"]),
    ("closes.summary.txt", &["--summary"]),
    ("closes.summary.jsonl", &["--output", "json", "--summary"]),
    ("closes.port.txt", &["--port", PORT]),
    ("closes.port.jsonl", &["--output", "json", "--port", PORT]),
    ("closes.port.transitions.txt", &["--transitions", "--port", PORT]),
    ("closes.slow.txt", &["--min-latency", "1s"]),
    ("closes.slow.transitions.txt", &["--min-latency", "1s", "--transitions"]),
    ("closes.patient.txt", &["--stuck-after", "1h", "--leak-after", "1h"]),
    ("closes.strict.txt", &["--stuck-after", "200ms", "--leak-after", "200ms"]),
    ("closes.nothing.txt", &["--comm", "nobody"]),
    ("closes.hist.txt", &["--of", "close,network", "--by", "process,role", "--interval", "2s", "--heatmap"]),
    ("closes.hist.jsonl", &["--of", "close,fin-wait2", "--by", "role", "--interval", "2s", "--output", "json"]),
    ("many.hist.txt", &["--of", "close"]),
    ("many.hist.top.txt", &["--by", "remote-port", "--top", "3"]),
    ("orderly.txt", &[]),
    ("orderly.jsonl", &["--output", "json"]),
    ("families.txt", &[]),
    ("families.jsonl", &["--output", "json"]),
    ("families.ipv4.txt", &["--family", "ipv4"]),
    ("families.ipv6.txt", &["--family", "ipv6"]),
    ("families.ipv6.transitions.jsonl", &["--family", "ipv6", "--output", "json", "--transitions"]),
    ("families.addr.txt", &["--addr", "::1"]),
    ("families.transitions.txt", &["--transitions"]),
    ("resets.txt", &[]),
    ("resets.jsonl", &["--output", "json"]),
    ("resets.transitions.txt", &["--transitions"]),
    ("resets.transitions.jsonl", &["--output", "json", "--transitions"]),
    ("left_over.txt", &[]),
    ("left_over.jsonl", &["--output", "json"]),
    ("left_over.transitions.txt", &["--transitions"]),
    ("resets.sent.txt", &["--outcome", "reset-sent,timeout", "--not-reason", "linger-0"]),
    ("resets.hist.txt", &["--by", "outcome,reason", "--heatmap"]),
    ("closes.findings.txt", &["--findings-only"]),
    ("orderly.columns.txt", &["--columns", "lifetime,srtt", "--columns", "bytes-sent,bytes_received"]),
    ("open.txt", &[]),
    ("open.jsonl", &["--output", "json"]),
    ("many.summary.txt", &["--summary"]),
    ("many.summary.jsonl", &["--output", "json", "--summary"]),
    ("names.jsonl", &["--output", "json"]),
    ("names.by.txt", &["--of", "close", "--by", "netns"]),
    ("names.by.jsonl", &["--of", "close", "--by", "netns", "--output", "json"]),
    ("names.web.jsonl", &["--netns", "web", "--output", "json"]),
    ("looks.txt", &[]),
    ("looks.jsonl", &["--output", "json"]),
    ("looks.transitions.txt", &["--transitions"]),
    ("version2.txt", &["--failed-connects"]),
    ("version2.jsonl", &["--output", "json"]),
    ("version2.failed.jsonl", &["--output", "json", "--failed-connects"]),
    ("version2.transitions.txt", &["--transitions"]),
];

#[test]
fn every_view_is_as_it_was() -> Result<()> {
    let update = env::var_os(UPDATE).is_some_and(|value| value == "1");
    let mut differences = String::new();
    for (name, arguments) in VIEWS {
        let printed = view(name, arguments).with_context(|| (*name).to_owned())?;
        let path = golden(name);
        if update {
            fs::write(&path, &printed)?;
            continue;
        }
        let wanted = fs::read(&path).with_context(|| format!("no {}; see {UPDATE}", path.display()))?;
        if printed.as_bytes() != wanted {
            differences.push_str(&difference(name, &printed, &String::from_utf8(wanted)?));
        }
    }
    ensure!(differences.is_empty(), "{UPDATE}=1 rewrites these, see replay/main.rs:\n{differences}");
    Ok(())
}

fn view(name: &str, arguments: &[&str]) -> Result<String> {
    let (stem, _) = name.split_once('.').context("a name without a dot")?;
    let capture = format!("{stem}.cap");
    let port = first_remote_port(&capture)?;
    let arguments = arguments.iter().map(|argument| if *argument == PORT { &port } else { *argument });
    let finished = run(["replay", &capture].into_iter().chain(arguments))?;
    finished.expect_code(0)?;
    ensure!(finished.stderr.is_empty(), "talk: {}", finished.stderr);
    Ok(finished.stdout)
}

fn first_remote_port(capture: &str) -> Result<String> {
    let lines = json(&run(["replay", capture, "--output", "json"])?.stdout)?;
    let remote = lines.iter().find_map(|line| line["remote"].as_str()).context("no line with an address")?;
    let (_, port) = remote.rsplit_once(':').context("no port")?;
    Ok(port.to_owned())
}

/// The first line that is not the same.
fn difference(name: &str, printed: &str, wanted: &str) -> String {
    let count = printed.lines().zip(wanted.lines()).take_while(|(printed, wanted)| printed == wanted).count();
    let line = |text: &str| text.lines().nth(count).unwrap_or("(its end)").to_owned();
    format!("{name}:{}:\n  is     {}\n  should {}\n", count + 1, line(printed), line(wanted))
}

/// A view that was renamed leaves its file behind.
#[test]
fn every_file_is_looked_at() -> Result<()> {
    let known: BTreeSet<&str> = VIEWS.iter().map(|(name, _)| *name).collect();
    for entry in fs::read_dir(golden(""))? {
        let name = entry?.file_name();
        let name = name.to_str().context("an odd name")?;
        let is_used = match name.strip_suffix(".cap") {
            Some(stem) => known.iter().any(|view| view.split('.').next() == Some(stem)),
            None => known.contains(name),
        };
        ensure!(is_used, "{name} is in no test");
    }
    Ok(())
}

/// Filters leave out what is printed, not what is counted as seen.
#[test]
fn filters_leave_the_books_alone() -> Result<()> {
    let books = |arguments: &[&str]| {
        let common = ["replay", "closes.cap", "--output", "json", "--summary"];
        let lines = json(&run(common.iter().chain(arguments))?.stdout)?;
        match &lines[..] {
            [summary] => Ok(summary["events"].clone()),
            _ => bail!("not one line"),
        }
    };
    let all = books(&[])?;
    ensure!(all["balanced"] == true, "unbalanced: {all}");
    for arguments in [["--comm", "nobody"], ["--family", "ipv6"], ["--min-latency", "1h"]] {
        let filtered = books(&arguments)?;
        ensure!(filtered == all, "{arguments:?}: {filtered} and not {all}");
    }
    Ok(())
}

/// They are in every clone of the repository.
#[test]
fn captures_tell_nothing_of_the_recording_machine() -> Result<()> {
    for entry in fs::read_dir(golden(""))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "cap") {
            continue;
        }
        let bytes = fs::read(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        ensure!(text.contains(r#""hostname":"demo""#), "{}: not recorded on `demo`", path.display());
        let (_, release) = text.split_once(r#""kernel_release":""#).context("no kernel release")?;
        let (release, _) = release.split_once('"').context("no end of the kernel release")?;
        let is_version = release.chars().all(|c| c.is_ascii_digit() || c == '.');
        ensure!(is_version && !release.is_empty(), "{}: {release:?} is more than a version", path.display());
        ensure!(bytes.len() < 100 * 1024, "{}: {} bytes", path.display(), bytes.len());
    }
    Ok(())
}
