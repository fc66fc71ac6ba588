//! Where a recording and its text go: readers that go away or do not read, full disks, pipes, terminals.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, BufReader, Read, pipe},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::NetNs,
    tool::{self, Finished, Tool},
};

use crate::harness::{Folder, bounded};

pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// As many closes have twice as many lines.
const CONNECTIONS: u64 = 500;

pub(crate) fn closes(file: &str) -> Result<Finished> {
    let again = Tool::start(tool::command(["replay", file, "--output", "json"])?)?.finish(LIMIT)?;
    again.expect_code(0)?;
    Ok(again)
}

/// How many closes of a namespace a capture holds.
pub(crate) fn count(finished: &Finished, netns: u64) -> Result<u64> {
    Ok(finished.lines_in(netns)?.iter().filter(|line| line.is("close")).count() as u64)
}

pub(crate) fn recording(file: &str, more: &[&str]) -> Result<Command> {
    tool::command(["record", file, "--duration", "120s"].iter().chain(more))
}

/// A capture holds the closes of a load. Few may lack: a busy kernel skips programs, and nothing tells.
/// There may be more of an earlier namespace with the same inode.
pub(crate) fn has_all(finished: &Finished, netns: &NetNs) -> Result<()> {
    let (held, made) = (count(finished, netns.inode())?, 2 * CONNECTIONS);
    ensure!(held * 100 >= made * 97, "{held} of {made} closes: {}", finished.summary()?.text);
    Ok(())
}

/// The namespace lives on with what is returned, so that no other one gets its inode.
pub(crate) fn some_closes() -> Result<NetNs> {
    let netns = NetNs::new()?;
    netns.run(|netns| load::run(netns, Amount::Connections(CONNECTIONS), Ending::ThreeWay))?;
    Ok(netns)
}

/// `record FILE --show | head -1`.
#[test]
fn a_reader_that_goes_away_does_not_end_a_recording() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let (reader, writer) = pipe()?;
        let mut command = recording(&file, &["--show"])?;
        command.stdout(writer);
        let tool = Tool::watching_into(command)?;
        let first = some_closes()?;
        let mut reader = BufReader::new(reader);
        reader.read_line(&mut String::new())?;
        drop(reader);
        let second = some_closes()?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        ensure!(!finished.stderr.contains("error"), "{}", finished.stderr);
        let again = closes(&file)?;
        has_all(&again, &first)?;
        has_all(&again, &second)
    })
}

/// The recording is complete, and the exit code says what failed.
#[test]
fn a_full_standard_output_does_not_end_a_recording() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        for more in [&["--show"][..], &[]] {
            let mut command = recording(&file, &[more, &["--force"]].concat())?;
            command.stdout(OpenOptions::new().write(true).open("/dev/full")?);
            let tool = Tool::watching_into(command)?;
            let netns = some_closes()?;
            let finished = tool.stop()?;
            finished.expect_code(5)?;
            ensure!(finished.stderr.contains("standard output: No space left"), "{}", finished.stderr);
            ensure!(finished.stderr.contains("recorded to"), "{}", finished.stderr);
            has_all(&closes(&file)?, &netns)?;
        }
        Ok(())
    })
}

/// `record FILE --show | less`: what is not read is not waited for, and one Ctrl-C is enough.
#[test]
fn a_reader_that_does_not_read_does_not_hold_up_a_recording() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let (_reader, writer) = pipe()?;
        let mut command = recording(&file, &["--transitions", "--output", "json"])?;
        command.stdout(writer);
        let tool = Tool::watching_into(command)?;
        let (first, second) = (some_closes()?, some_closes()?);
        let asked = Instant::now();
        let finished = tool.stop()?;
        ensure!(asked.elapsed() < Duration::from_secs(20), "it took {:?}", asked.elapsed());
        finished.expect_code(5)?;
        ensure!(finished.stderr.contains("recorded to") && finished.stderr.contains("dropped"), "{}", finished.stderr);
        let again = closes(&file)?;
        has_all(&again, &first)?;
        has_all(&again, &second)
    })
}

/// One signal is enough for a `trace` in a write that nobody reads.
#[test]
fn a_blocked_trace_ends_by_one_signal() -> Result<()> {
    bounded(|| {
        let (_reader, writer) = pipe()?;
        let mut command = tool::command(["trace", "--transitions", "--output", "json", "--duration", "120s"])?;
        command.stdout(writer);
        let tool = Tool::watching_into(command)?;
        some_closes()?;
        let asked = Instant::now();
        let finished = tool.stop()?;
        finished.expect_code(5)?;
        ensure!(finished.stderr.contains("not read") && finished.stderr.contains("dropped"), "{}", finished.stderr);
        ensure!(asked.elapsed() < Duration::from_secs(20), "it took {:?}", asked.elapsed());
        Ok(())
    })
}

#[test]
fn record_prints_no_lines_unasked() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let tool = Tool::live(&["record", &folder.file("run.cap")], &["--output", "json"])?;
        some_closes()?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        ensure!(finished.stdout.lines().count() == 1, "more than a summary:\n{}", finished.stdout);
        finished.summary()?;
        Ok(())
    })
}

/// `record - | tcptrace replay -`: the talk and the summary are elsewhere.
#[test]
fn a_recording_to_standard_output_is_a_capture() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("piped.cap");
        let (mut reader, writer) = pipe()?;
        let mut kept = fs::File::create(&file)?;
        let keeping = thread::spawn(move || io::copy(&mut reader, &mut kept));
        let mut command = recording("-", &["--show", "--output", "json"])?;
        command.stdout(writer);
        let tool = Tool::watching_into(command)?;
        let netns = some_closes()?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        keeping.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?;
        ensure!(finished.stderr.contains(r#"{"type":"summary""#), "no summary: {}", finished.stderr);
        let again = closes(&file)?;
        ensure!(again.stderr.is_empty(), "{}", again.stderr);
        has_all(&again, &netns)
    })
}

/// Nothing was watched, so there is no summary.
#[test]
fn a_run_that_did_not_begin_has_no_summary() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        fs::write(&file, "precious")?;
        for (path, words) in [(file.clone(), "exists already"), (folder.file("no/run.cap"), "directory that exists")] {
            let finished = Tool::start(recording(&path, &[])?)?.finish(LIMIT)?;
            finished.expect_code(5)?;
            let errors = finished.stderr.lines().filter(|line| line.starts_with("tcptrace: error: ")).count();
            ensure!(finished.stdout.is_empty() && errors == 1 && !finished.stderr.contains("closes"), "{finished:?}");
            ensure!(finished.stderr.contains(words), "{}", finished.stderr);
        }
        ensure!(fs::read(&file)? == b"precious", "overwritten");
        Ok(())
    })
}

/// On a terminal, one line shows how it goes.
#[test]
fn a_terminal_shows_progress() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(ptsname(&master, Vec::new())?, flags, Mode::empty())?;
        let mut command = tool::command(["record", &folder.file("run.cap"), "--duration", "4s"])?;
        let mut child = command.stdout(Stdio::null()).stderr(terminal).spawn()?;
        // The last end on this side: then reading ends with the child.
        drop(command);
        let mut shown = Vec::new();
        // EIO says that nobody has the terminal open any more.
        let _ = fs::File::from(master).read_to_end(&mut shown);
        ensure!(child.wait()?.success(), "it failed");
        let shown = String::from_utf8(shown)?;
        let lines = shown.matches("\r\x1b[Ktcptrace: recording for ").count();
        ensure!((2..=4).contains(&lines) && shown.contains("0 events lost"), "{lines}: {shown:?}");
        ensure!(shown.contains("\r\x1b[Ktcptrace: recorded to "), "{shown:?}");
        Ok(())
    })
}
