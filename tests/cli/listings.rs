//! `tcptrace stuck` and `tcptrace leaks` where there is nothing to list, and nobody who reads. Filters that no socket
//! passes make every host a quiet one.

use std::{
    io::pipe,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tcptrace_tests::{
    tool::{self, Tool},
    wait,
};

use crate::support::{LIMIT, json, run};

/// Reserved for documentation (RFC 5737), so nobody has it.
const NOBODYS: [&str; 2] = ["--addr", "192.0.2.77"];
const COMMANDS: [&str; 2] = ["stuck", "leaks"];

fn quiet(command: &'static str, more: &[&'static str]) -> Vec<&'static str> {
    [command].into_iter().chain(NOBODYS).chain(more.iter().copied()).collect()
}

#[test]
fn nothing_to_list_is_0_and_said() -> Result<()> {
    for command in COMMANDS {
        for more in [&[][..], &["--exit-code"]] {
            let finished = run(quiet(command, more))?;
            finished.expect_code(0)?;
            ensure!(finished.stderr.contains("no socket is "), "{}", finished.stderr);
            ensure!(finished.stdout.lines().count() == 1 && finished.stdout.starts_with("0 "), "{}", finished.stdout);
        }
        let finished = run(quiet(command, &["--output", "json"]))?;
        finished.expect_code(0)?;
        let lines = json(&finished.stdout)?;
        let [summary] = lines.as_slice() else { anyhow::bail!("{}", finished.stdout) };
        ensure!(summary["type"] == format!("{command}_summary") && summary["sockets"] == 0, "{summary}");
        ensure!(summary["gone"].is_null() && summary["unreachable_namespaces"].is_u64(), "{summary}");
    }
    Ok(())
}

/// An inode that leads nowhere is no quiet host.
#[test]
fn a_namespace_that_is_not_there_is_said() -> Result<()> {
    for command in COMMANDS {
        let finished = run([command, "--netns", "4294967295"])?;
        finished.expect_code(0)?;
        ensure!(finished.stderr.contains("nothing leads to 1 network namespace of --netns"), "{}", finished.stderr);
    }
    Ok(())
}

/// In a pipe, each round is below a line with its time; in JSON each line has it.
#[test]
fn watching_into_a_pipe() -> Result<()> {
    for command in COMMANDS {
        let finished = run(quiet(command, &["--watch", "100ms", "--duration", "800ms"]))?;
        finished.expect_code(0)?;
        ensure!(!finished.stdout.contains('\u{1b}') && !finished.stderr.contains("no socket"), "{}", finished.stdout);
        let times = finished.stdout.lines().filter(|line| line.starts_with("--- ") && line.ends_with(" UTC")).count();
        ensure!(times >= 2 && finished.stdout.lines().count() == 2 * times, "{}", finished.stdout);
        let finished = run(quiet(command, &["--watch", "100ms", "--duration", "800ms", "--output", "json"]))?;
        let lines = json(&finished.stdout)?;
        ensure!(lines.len() >= 2 && lines.iter().all(|line| line["time"].is_string()), "{}", finished.stdout);
        ensure!(lines[0]["gone"].is_null() && lines[1]["gone"] == 0, "{}", finished.stdout);
    }
    Ok(())
}

#[test]
fn signals_end_a_watch_at_once() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM] {
        for command in COMMANDS {
            let tool = Tool::start(tool::command(quiet(command, &["--watch", "1h"]))?)?;
            wait::until("the first round", LIMIT, || Ok(tool.stdout().contains("---").then_some(())))?;
            let asked = Instant::now();
            tool.stop_by(signal)?.expect_code(0)?;
            ensure!(asked.elapsed() < Duration::from_secs(20), "it took {:?}", asked.elapsed());
        }
    }
    Ok(())
}

#[test]
fn nobody_reads() -> Result<()> {
    for command in COMMANDS {
        for more in [&[][..], &["--output", "json"], &["--watch", "100ms"], &["--watch", "100ms", "--output", "json"]] {
            let (reader, writer) = pipe()?;
            drop(reader);
            let mut child = tool::command(quiet(command, more))?.stdout(writer).stderr(Stdio::piped()).spawn()?;
            let status = wait::until("tcptrace to end", LIMIT, || Ok(child.try_wait()?)).inspect_err(|_| {
                let _ = child.kill();
            })?;
            let mut said = String::new();
            std::io::Read::read_to_string(&mut child.stderr.take().context("no standard error")?, &mut said)?;
            ensure!(status.success() && !said.contains("error"), "{command} {more:?}: {status}: {said}");
        }
    }
    Ok(())
}

#[test]
fn a_full_disk_is_5() -> Result<()> {
    for command in COMMANDS {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
        let output = tool::command(quiet(command, &["--watch", "100ms"]))?.stdout(full).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(5) && said.contains("No space left"), "{}: {said}", output.status);
    }
    Ok(())
}

/// A watch without a floor would take a whole processor.
#[test]
fn watching_has_a_floor() -> Result<()> {
    for command in COMMANDS {
        for interval in ["1ns", "1ms", "99ms"] {
            let finished = run(quiet(command, &["--watch", interval]))?;
            finished.expect_code(2)?;
            ensure!(finished.stderr.contains("must be at least 100ms"), "{}", finished.stderr);
        }
    }
    Ok(())
}
