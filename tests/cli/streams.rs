//! Where the output goes: readers that go away, disks that are full, and what the exit code tells.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read, pipe},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use tcptrace_tests::tool::{self, Finished};

use crate::support::{Folder, LIMIT, golden, run};

/// Far more than a pipe holds.
const LONG: &[&str] = &["replay", "many.cap", "--transitions", "--output", "json"];
const PIPE_BYTES: usize = 64 * 1024;

fn into(arguments: &[&str], stdout: Stdio) -> Result<Finished> {
    let mut command = tool::command(arguments)?;
    command.current_dir(golden("")).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    drop(command);
    let mut stderr = child.stderr.take().context("no standard error")?;
    let status = tcptrace_tests::wait::until("tcptrace to end", LIMIT, || Ok(child.try_wait()?));
    if status.is_err() {
        child.kill()?;
    }
    let mut said = String::new();
    stderr.read_to_string(&mut said)?;
    Ok(Finished { status: status?, stdout: String::new(), stderr: said })
}

fn is_quiet_success(finished: &Finished) -> Result<()> {
    finished.expect_code(0)?;
    ensure!(finished.stderr.is_empty(), "not silent: {}", finished.stderr);
    Ok(())
}

#[test]
fn the_long_output_is_long() -> Result<()> {
    let finished = run(LONG)?;
    is_quiet_success(&finished)?;
    ensure!(finished.stdout.len() > 2 * PIPE_BYTES, "{} bytes", finished.stdout.len());
    Ok(())
}

/// As `tcptrace replay ... | head -1`.
#[test]
fn a_reader_that_goes_away_ends_it_quietly() -> Result<()> {
    for format in ["json", "table"] {
        let (reader, writer) = pipe()?;
        let reading = std::thread::spawn(move || -> Result<String> {
            let mut line = String::new();
            BufReader::new(reader).read_line(&mut line)?;
            Ok(line)
        });
        let finished = into(&["replay", "many.cap", "--transitions", "--output", format], writer.into())?;
        is_quiet_success(&finished)?;
        let line = reading.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?;
        ensure!(line.ends_with('\n'), "not a line: {line:?}");
    }
    Ok(())
}

/// Nobody has ever read.
#[test]
fn a_pipe_without_a_reader_ends_it_quietly() -> Result<()> {
    for arguments in [LONG, &["replay", "orderly.cap"], &["replay", "orderly.cap", "--summary"]] {
        let (reader, writer) = pipe()?;
        drop(reader);
        is_quiet_success(&into(arguments, writer.into())?).with_context(|| format!("{arguments:?}"))?;
    }
    Ok(())
}

#[test]
fn check_ends_quietly_without_a_reader() -> Result<()> {
    for format in ["table", "json"] {
        let (reader, writer) = pipe()?;
        drop(reader);
        let finished = into(&["check", "--output", format], writer.into())?;
        is_quiet_success(&finished)?;
    }
    Ok(())
}

#[test]
fn a_full_disk_is_5() -> Result<()> {
    for arguments in [LONG, &["replay", "orderly.cap"], &["replay", "orderly.cap", "--summary"], &["check"]] {
        let full = OpenOptions::new().write(true).open("/dev/full")?;
        let finished = into(arguments, full.into())?;
        finished.expect_code(5).with_context(|| format!("{arguments:?}"))?;
        let said = &finished.stderr;
        ensure!(said.contains("No space left") && said.contains("standard output"), "{arguments:?}: {said}");
        ensure!(said.lines().count() == 1, "{arguments:?}: said more than once: {said}");
    }
    Ok(())
}

#[test]
fn findings_are_1_when_asked_for() -> Result<()> {
    for (arguments, code) in [
        (&["replay", "closes.cap", "--exit-code"][..], 1),
        (&["replay", "closes.cap"], 0),
        (&["replay", "open.cap", "--exit-code", "--summary"], 1),
        (&["replay", "orderly.cap", "--exit-code"], 0),
        (&["replay", "orderly.cap", "--exit-code", "--leak-after", "100ms"], 1),
        (&["replay", "closes.cap", "--exit-code", "--stuck-after", "1h", "--leak-after", "1h"], 0),
        (&["replay", "closes.cap", "--exit-code", "--output", "json"], 1),
        // Findings that are filtered out are nobody's business.
        (&["replay", "closes.cap", "--exit-code", "--comm", "nobody"], 0),
        (&["replay", "closes.cap", "--exit-code", "--family", "ipv6"], 0),
    ] {
        let finished = run(arguments)?;
        finished.expect_code(code).with_context(|| format!("{arguments:?}"))?;
        ensure!(finished.stderr.is_empty(), "{arguments:?}: {}", finished.stderr);
    }
    Ok(())
}

/// A pipe is as good as a file.
#[test]
fn a_capture_from_a_pipe() -> Result<()> {
    let mut command = tool::command(["replay", "/dev/stdin"])?;
    command.current_dir(golden("")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (reader, mut writer) = pipe()?;
    let feeding =
        std::thread::spawn(move || std::io::Write::write_all(&mut writer, &std::fs::read(golden("closes.cap"))?));
    let mut child = command.stdin(reader).spawn()?;
    drop(command);
    let mut printed = String::new();
    child.stdout.take().context("no standard output")?.read_to_string(&mut printed)?;
    ensure!(child.wait()?.success(), "it failed");
    feeding.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?;
    ensure!(printed == run(["replay", "closes.cap"])?.stdout, "other output:\n{printed}");
    Ok(())
}

/// `zstd -dc a.cap.zst | tcptrace replay -`.
#[test]
fn a_dash_is_standard_input() -> Result<()> {
    for (arguments, same) in [
        (&["replay", "-"][..], &["replay", "closes.cap"][..]),
        (&["replay", "-", "--output", "json"], &["replay", "closes.cap", "--output", "json"]),
        (&["replay", "-", "--doctor"], &["replay", "closes.cap", "--doctor"]),
        (&["replay", "orderly.cap", "-"], &["replay", "orderly.cap", "closes.cap"]),
        (
            &["export", "-", "--table", "closes", "--format", "csv", "--out", "-"],
            &["export", "closes.cap", "--table", "closes", "--format", "csv", "--out", "-"],
        ),
    ] {
        let finished = fed(arguments, &std::fs::read(golden("closes.cap"))?)?;
        finished.expect_code(0)?;
        ensure!(finished.stdout == run(same)?.stdout, "{arguments:?}: other output:\n{}", finished.stdout);
    }
    Ok(())
}

/// Messages name standard input, and what is wrong with it is said as of a file.
#[test]
fn what_is_wrong_with_standard_input_is_said() -> Result<()> {
    let whole = std::fs::read(golden("closes.cap"))?;
    let cut = fed(&["replay", "-"], &whole[..whole.len() - 1])?;
    cut.expect_code(0)?;
    ensure!(cut.stderr.contains("standard input: the capture breaks off"), "{}", cut.stderr);
    for (bytes, words) in
        [(&b""[..], "standard input is empty"), (b"\x28\xb5\x2f\xfdpacked, so not to be read", "zstd")]
    {
        let refused = fed(&["replay", "-"], bytes)?;
        refused.expect_code(5)?;
        ensure!(refused.stdout.is_empty() && refused.stderr.contains(words), "{}", refused.stderr);
    }
    Ok(())
}

fn fed(arguments: &[&str], bytes: &[u8]) -> Result<Finished> {
    let mut command = tool::command(arguments)?;
    command.current_dir(golden("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let bytes = bytes.to_vec();
    // It may be refused before all is read.
    let feeding = std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, &bytes)));
    let output = child.wait_with_output()?;
    feeding.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked));
    Ok(Finished {
        status: output.status,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// Memory that cannot be had would abort the program.
#[test]
fn a_limit_of_memory_is_said() -> Result<()> {
    let binary = tool::binary()?;
    for (limit, arguments) in [
        ("-v 60000", "replay closes.cap"),
        ("-v 60000", "check"),
        ("-v 60000", "stuck"),
        ("-v 100000", "trace --duration 1s"),
        ("-v 200000", "trace --duration 1s --ring-mib 256"),
        ("-v 60000", "export closes.cap --out /nonexistent/x"),
        ("-d 10000", "replay closes.cap"),
        ("-d 40000", "trace --duration 1s"),
    ] {
        let script = format!("ulimit {limit}; exec {} {arguments}", binary.display());
        let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(golden("")).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(5), "{limit} {arguments}: {}: {said}", output.status);
        let option = format!("ulimit {}", limit.get(..2).unwrap_or_default());
        ensure!(said.contains(&option) && said.lines().count() == 1, "{limit} {arguments}: {said}");
    }
    // What is said to be enough is.
    for (limit, arguments) in
        [("-v 131072", "replay closes.cap"), ("-d 16384", "replay closes.cap"), ("-v 131072", "check")]
    {
        let script = format!("ulimit {limit}; exec {} {arguments}", binary.display());
        let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(golden("")).output()?;
        ensure!(matches!(output.status.code(), Some(0 | 3 | 4)), "{limit} {arguments}: {output:?}");
    }
    Ok(())
}

/// The tool itself can be started with nobody listening to its talk.
#[test]
fn talk_that_nobody_hears_changes_nothing() -> Result<()> {
    let mut bytes = std::fs::read(golden("orderly.cap"))?;
    bytes.truncate(bytes.len() - 1);
    let folder = Folder::new()?;
    let path = folder.file("cut.cap");
    std::fs::write(&path, bytes)?;
    let heard = tool::command([std::path::Path::new("replay"), &path])?.stdin(Stdio::null()).output()?;
    ensure!(!heard.stderr.is_empty(), "nothing was said of the cut");
    let mut command = tool::command([std::path::Path::new("replay"), &path])?;
    let full = OpenOptions::new().write(true).open("/dev/full")?;
    let output = command.stderr(full).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{}", output.status);
    ensure!(output.stdout == heard.stdout, "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
