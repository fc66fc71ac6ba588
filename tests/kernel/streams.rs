//! Where a recording and its text go: readers that go away or do not read, full disks, files that somebody takes away.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, pipe},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::{self, NetNs},
    scenario::orderly,
    tool::{self, Finished, Tool},
    wait,
};

use crate::harness::{Folder, SOON, bounded};

const LIMIT: Duration = Duration::from_secs(30);
/// As many closes have twice as many lines.
const CONNECTIONS: u64 = 500;

fn closes(file: &str) -> Result<Finished> {
    let again = Tool::start(tool::command(["replay", file, "--output", "json"])?)?.finish(LIMIT)?;
    again.expect_code(0)?;
    Ok(again)
}

/// How many closes of a namespace a capture holds.
fn count(finished: &Finished, netns: u64) -> Result<u64> {
    Ok(finished.lines_in(netns)?.iter().filter(|line| line.is("close")).count() as u64)
}

fn recording(file: &str, more: &[&str]) -> Result<Command> {
    tool::command(["record", file, "--duration", "120s"].iter().chain(more))
}

/// A capture holds the closes of a load. Few may lack: a busy kernel skips programs, and nothing tells.
/// There may be more of an earlier namespace with the same inode.
fn has_all(finished: &Finished, netns: &NetNs) -> Result<()> {
    let (held, made) = (count(finished, netns.inode())?, 2 * CONNECTIONS);
    ensure!(held * 100 >= made * 97, "{held} of {made} closes: {}", finished.summary()?.text);
    Ok(())
}

/// The namespace lives on with what is returned, so that no other one gets its inode.
fn some_closes() -> Result<NetNs> {
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
        let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(fs::File::create(&file)?).spawn()?;
        let mut command = recording("-", &["--show", "--output", "json"])?;
        command.stdout(cat.stdin.take().context("no pipe")?);
        let tool = Tool::watching_into(command)?;
        let netns = some_closes()?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        ensure!(cat.wait()?.success(), "cat failed");
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
            ensure!(finished.stdout.is_empty() && finished.stderr.lines().count() == 1, "{finished:?}");
            ensure!(finished.stderr.contains(words), "{}", finished.stderr);
        }
        ensure!(fs::read(&file)? == b"precious", "overwritten");
        Ok(())
    })
}

/// Who takes the file away is told of, and the exit code says that there is no capture.
#[test]
fn a_capture_that_is_taken_away_is_said() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        for (take, word) in [(false, "removed"), (true, "replaced")] {
            let tool = Tool::watching({
                let mut command = recording(&file, &["--force"])?;
                command.stdout(Stdio::piped());
                command
            })?;
            fs::remove_file(&file)?;
            if take {
                fs::write(&file, "another file")?;
            }
            let finished = tool.stop()?;
            finished.expect_code(5)?;
            ensure!(finished.stderr.contains(word) && !finished.stderr.contains("recorded to"), "{}", finished.stderr);
            ensure!(finished.stdout.lines().count() > 0, "no summary");
        }
        Ok(())
    })
}

#[test]
fn a_second_recorder_is_refused() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let tool = Tool::live(&["record", &file], &[])?;
        let second = Tool::start(recording(&file, &["--force"])?)?.finish(LIMIT)?;
        second.expect_code(5)?;
        ensure!(second.stderr.contains("being recorded by another"), "{}", second.stderr);
        let netns = some_closes()?;
        let first = tool.stop()?;
        first.expect_code(0)?;
        has_all(&closes(&file)?, &netns)
    })
}

/// As logrotate's `copytruncate` does: what comes behind the hole is read.
#[test]
fn a_capture_that_is_truncated_goes_on() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let tool = Tool::live(&["record", &file], &[])?;
        let lost = some_closes()?;
        wait::until("a block of closes", SOON, || Ok((fs::metadata(&file)?.len() > 100_000).then_some(())))?;
        OpenOptions::new().write(true).open(&file)?.set_len(0)?;
        let kept = some_closes()?;
        let finished = tool.stop()?;
        finished.expect_code(5)?;
        ensure!(finished.stderr.contains("was truncated"), "{}", finished.stderr);
        let again = closes(&file)?;
        ensure!(again.stderr.contains("lost to damage"), "{}", again.stderr);
        has_all(&again, &kept)?;
        ensure!(has_all(&again, &lost).is_err(), "nothing was lost");
        Ok(())
    })
}

/// A capture that is still being written is no broken one, and can be followed to its end.
#[test]
fn a_replay_follows_a_recording() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let tool = Tool::live(&["record", &file, "--show", "--output", "json"], &[])?;
        let meanwhile = closes(&file)?;
        ensure!(meanwhile.stderr.contains("is still being recorded"), "{}", meanwhile.stderr);
        let follow = || Tool::start(tool::command(["replay", "--follow", &file, "--output", "json"])?);
        let (follower, stopped) = (follow()?, follow()?);
        let netns = NetNs::new()?;
        let truth = netns.run(orderly::orderly)?;
        for follower in [&follower, &stopped] {
            follower.wait_for_closes(truth.netns, truth.closes.len(), SOON)?;
        }
        let stopped = stopped.stop()?;
        stopped.expect_code(0)?;
        ensure!(stopped.stderr.contains("still being recorded"), "{}", stopped.stderr);
        stopped.summary()?;
        // Who follows has the file open: it may lose its name.
        fs::rename(&file, folder.file("moved.cap"))?;
        let live = tool.stop()?;
        live.expect_code(5)?;
        ensure!(live.stderr.contains("whole under another name"), "{}", live.stderr);
        let followed = follower.finish(LIMIT)?;
        followed.expect_code(0)?;
        ensure!(followed.stderr.is_empty(), "{}", followed.stderr);
        ensure!(followed.stdout == live.stdout, "live:\n{}followed:\n{}", live.stdout, followed.stdout);
        Ok(())
    })
}

/// A follower of a recorder that is killed comes to an end.
#[test]
fn a_follower_of_a_killed_recorder_ends() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let tool = Tool::live(&["record", &file], &[])?;
        let follower = Tool::start(tool::command(["replay", "--follow", &file, "--output", "json"])?)?;
        tool.signal(rustix::process::Signal::KILL)?;
        tool.finish(LIMIT)?;
        let followed = follower.finish(LIMIT)?;
        followed.expect_code(0)?;
        ensure!(followed.stderr.contains("breaks off"), "{}", followed.stderr);
        followed.summary()?;
        Ok(())
    })
}

/// A ring buffer that is too small for a reader that does not come to read.
#[test]
fn losses_are_told_while_they_happen() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let command = recording(&file, &["--show", "--ring-mib", "1", "--output", "json"])?;
        let tool = Tool::watching(command)?;
        tool.signal(rustix::process::Signal::STOP)?;
        // 128 bytes each, 7 and more a connection: more than 1 MiB.
        netns::run(|netns| load::run(netns, Amount::Connections(4000), Ending::ThreeWay))?;
        tool.signal(rustix::process::Signal::CONT)?;
        wait::until("the loss to be told", SOON, || Ok(tool.stdout().contains(r#""type":"lost""#).then_some(())))?;
        let live = tool.stop()?;
        live.expect_code(0)?;
        let told = live.stderr.lines().filter(|line| line.contains("lost") && line.contains("--ring-mib 4")).count();
        ensure!((1..=3).contains(&told), "told {told} times: {}", live.stderr);
        let marks: u64 = live.lines()?.iter().filter(|line| line.is("lost")).map(|line| line.count("/events")).sum();
        let lost = live.summary()?.count("/events/lost");
        ensure!(lost > 0 && marks > 0 && marks <= lost, "{marks} of {lost}");
        let again = Tool::start(tool::command(["replay", &file, "--output", "json"])?)?.finish(LIMIT)?;
        ensure!(again.stdout == live.stdout, "the replay tells other losses");
        let drawn = Tool::start(tool::command(["replay", &file, "--interval", "100ms", "--output", "json"])?)?;
        let drawn = drawn.finish(LIMIT)?;
        let of = |span: &str| -> Result<u64> {
            let lines = drawn.lines()?;
            let ends = lines.iter().filter(|line| line.is("histograms") && line.at("/span") == span);
            Ok(ends.map(|line| line.count("/lost")).sum())
        };
        ensure!(of("interval")? == lost && of("total")? == lost, "{} and {} of {lost}", of("interval")?, of("total")?);
        Ok(())
    })
}
