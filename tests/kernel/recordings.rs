//! Recordings whose file somebody takes away, cuts, or reads meanwhile, and losses while they happen.

use std::fs::{self, OpenOptions};
use std::process::Stdio;

use anyhow::{Result, ensure};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::{self, NetNs},
    scenario::orderly,
    tool::{self, Tool},
    wait,
};

use crate::{
    harness::{Folder, SOON, bounded},
    streams::{LIMIT, closes, has_all, recording, some_closes},
};

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
