//! A user without privileges: what is missing is said, and the exit code is 3. Root becomes that user.

use std::{os::unix::process::CommandExt, process::Command};

use anyhow::{Result, ensure};
use tcptrace_tests::tool::{Finished, Tool};

use crate::{
    bad::refused,
    support::{Folder, LIMIT, golden, json},
};

const NOBODY: u32 = 65534;
const PRIVILEGE: i32 = 3;

fn as_nobody(folder: &Folder, arguments: &[&str]) -> Result<Finished> {
    ensure!(rustix::process::geteuid().is_root(), "this test must be run as root");
    let mut command = Command::new(folder.program()?);
    command.args(arguments).current_dir("/").uid(NOBODY).gid(NOBODY);
    Tool::start(command)?.finish(LIMIT)
}

#[test]
fn check_says_what_is_missing() -> Result<()> {
    let folder = Folder::new()?;
    let finished = as_nobody(&folder, &["check"])?;
    finished.expect_code(PRIVILEGE)?;
    ensure!(finished.stderr.is_empty(), "talk: {}", finished.stderr);
    for capability in ["CAP_BPF", "CAP_PERFMON"] {
        let mut lines = finished.stdout.lines().skip_while(|line| !line.contains(capability));
        let what = lines.next().unwrap_or_default();
        ensure!(what.starts_with("MISSING"), "no {capability} in:\n{}", finished.stdout);
        let remedy = lines.next().unwrap_or_default();
        ensure!(remedy.contains("-> ") && remedy.contains("root"), "no remedy in:\n{}", finished.stdout);
    }
    Ok(())
}

#[test]
fn check_says_it_in_json() -> Result<()> {
    let folder = Folder::new()?;
    let finished = as_nobody(&folder, &["check", "--output", "json"])?;
    finished.expect_code(PRIVILEGE)?;
    let needs = json(&finished.stdout)?;
    let missing: Vec<_> = needs.iter().filter(|need| need["group"] == "privilege" && need["met"] == false).collect();
    ensure!(missing.len() == 2, "not two: {missing:?}");
    ensure!(missing.iter().all(|need| need["remedy"].is_string()), "no remedy: {missing:?}");
    Ok(())
}

#[test]
fn trace_and_record_say_it_in_a_sentence() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("none.cap").display().to_string();
    let json = ["trace", "--output", "json", "--duration", "1s"];
    for arguments in [&["trace"][..], &json, &["record", &file]] {
        let finished = as_nobody(&folder, arguments)?;
        refused(&finished, PRIVILEGE, &["CAP_BPF"])?;
        let words = finished.stderr.split_whitespace().count();
        ensure!(words >= 8, "no sentence: {}", finished.stderr);
    }
    Ok(())
}

/// What the own namespace has is everybody's to see. What of the rest cannot be seen is said once, if there is any.
#[test]
fn stuck_and_leaks_see_what_they_may() -> Result<()> {
    let folder = Folder::new()?;
    for command in ["stuck", "leaks"] {
        let once = as_nobody(&folder, &[command, "--output", "json"])?;
        let twice = as_nobody(&folder, &[command, "--output", "json", "--watch", "100ms", "--duration", "450ms"])?;
        for finished in [once, twice] {
            finished.expect_code(0)?;
            let mut said: Vec<&str> = finished.stderr.lines().collect();
            said.sort_unstable();
            ensure!(said.windows(2).all(|pair| pair[0] != pair[1]), "said twice: {}", finished.stderr);
            let advised = said.iter().filter(|line| line.contains("cannot be seen") || line.contains("not looked at"));
            ensure!(advised.clone().all(|line| line.contains("run as root")), "no advice: {}", finished.stderr);
            let lines = json(&finished.stdout)?;
            let summary = lines.last().filter(|line| line["type"] == format!("{command}_summary"));
            ensure!(summary.is_some_and(|line| line["namespaces"] == 1), "{}", finished.stdout);
        }
    }
    Ok(())
}

/// Replaying is for everybody.
#[test]
fn replay_needs_no_privilege() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = std::fs::read(golden("closes.cap"))?;
    let path = folder.write("closes.cap", &bytes)?.display().to_string();
    let finished = as_nobody(&folder, &["replay", &path])?;
    finished.expect_code(0)?;
    let wanted = std::fs::read_to_string(golden("closes.txt"))?;
    ensure!(finished.stdout == wanted, "other output:\n{}", finished.stdout);
    Ok(())
}
