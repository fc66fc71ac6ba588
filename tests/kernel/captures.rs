//! `record`, `replay`, and what is left when one of them is interrupted.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tcptrace::{
    capture,
    decode::decode,
    model::{EventKind, Input, State},
};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::{self, NetNs},
    pair::{self, Pair},
    scenario::{orderly, reset},
    tool::{self, Finished, Tool},
    wait,
};

use crate::{
    harness::{Folder, HOLD, SOON, bounded, wait_for_closes},
    judge,
};

const LIMIT: Duration = Duration::from_secs(30);
/// An orphan that a look has found waiting is looked at again after half a second.
const SETTLED: Duration = Duration::from_millis(1500);

fn record(file: &str, arguments: &[&str]) -> Result<Tool> {
    Tool::live(&["record", file, "--show"], arguments)
}

fn replay(file: &str, arguments: &[&str]) -> Result<Finished> {
    Tool::start(tool::command(["replay", file].iter().chain(arguments))?)?.finish(LIMIT)
}

fn replays_byte_for_byte(arguments: &'static [&'static str]) -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let tool = record(&file, arguments)?;
        netns::run(|netns| orderly::half_close(netns, HOLD))?;
        netns::run(reset::unread_data)?;
        netns::run(|netns| load::run(netns, Amount::Connections(500), Ending::ThreeWay))?;
        // What closes that have to be looked at become, looks tell a moment later.
        thread::sleep(wait::scaled(SETTLED));
        let live = tool.stop()?;
        live.expect_code(0)?;
        ensure!(live.stdout.lines().count() > 1000, "more than 1000 closes gave {} lines", live.stdout.lines().count());
        let again = replay(&file, arguments)?;
        again.expect_code(0)?;
        same_output(&live, &again)
    })
}

fn same_output(live: &Finished, again: &Finished) -> Result<()> {
    let mut pairs = live.stdout.lines().zip(again.stdout.lines());
    if let Some((live, again)) = pairs.find(|(live, again)| live != again) {
        anyhow::bail!("live:   {live}\nreplay: {again}");
    }
    let lines = |text: &str| text.lines().count();
    let (live_lines, again_lines) = (lines(&live.stdout), lines(&again.stdout));
    ensure!(live.stdout == again.stdout, "{live_lines} lines live, {again_lines} in the replay");
    Ok(())
}

#[test]
fn replay_equals_live_in_json() -> Result<()> {
    replays_byte_for_byte(&["--output", "json", "--transitions"])
}

#[test]
fn replay_equals_live_in_a_table() -> Result<()> {
    replays_byte_for_byte(&[])
}

#[test]
fn thresholds_are_part_of_the_recording() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let netns = NetNs::new()?;
        let tool = record(&file, &["--output", "json", "--leak-after", "300ms"])?;
        let truth = netns.run(|netns| orderly::passive_hold(netns, Duration::from_millis(1200)))?;
        wait_for_closes(&tool, &truth)?;
        let live = tool.stop()?;
        let again = replay(&file, &["--output", "json"])?;
        let lines = live.lines_in(truth.netns)?;
        ensure!(lines.iter().any(|line| *line.at("/status") == "raised"), "no finding:\n{}", judge::shown(&lines));
        same_output(&live, &again)
    })
}

/// As when the host dies: what was written before is worth its replay.
#[test]
fn kill_9_leaves_what_was_written() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let netns = NetNs::new()?;
        let tool = record(&file, &["--output", "json"])?;
        let truth = netns.run(orderly::orderly)?;
        wait_for_closes(&tool, &truth)?;
        // A block is written every second or so, also while it is read here.
        wait::until("a block with the close", SOON, || {
            let again = replay(&file, &["--output", "json"])?;
            let told = again.status.success() && again.lines_in(truth.netns)?.len() == 2;
            Ok(told.then_some(()))
        })?;
        tool.signal(Signal::KILL)?;
        tool.finish(LIMIT)?;
        let whole = replay(&file, &["--output", "json"])?;
        whole.expect_code(0)?;
        judge::closes(&truth, &whole.lines_in(truth.netns)?)?;
        whole.summary()?;
        cut_anywhere(&folder, &file)
    })
}

/// Cut off in the middle of a block, it replays up to there.
fn cut_anywhere(folder: &Folder, file: &str) -> Result<()> {
    let bytes = fs::read(file)?;
    for lost in [1, 7, 100] {
        let cut = folder.file("cut.cap");
        fs::write(&cut, &bytes[..bytes.len().saturating_sub(lost)])?;
        let again = replay(&cut, &["--output", "json"])?;
        again.expect_code(0).with_context(|| format!("{lost} bytes less"))?;
        again.summary().with_context(|| format!("{lost} bytes less"))?;
    }
    Ok(())
}

/// The loopback interface of a namespace is its first one.
#[test]
fn the_interface_of_a_bound_socket_is_recorded() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let tool = record(&file, &[])?;
        let ends = netns::run(|_| {
            let Pair { client, server, ends } = Pair::connect()?;
            socket2::SockRef::from(&client).bind_device(Some(b"lo")).context("cannot bind to lo")?;
            drop(client);
            pair::read_eof(&server)?;
            pair::close_passive(server)?;
            Ok(ends)
        })?;
        tool.stop()?.expect_code(0)?;
        let (mut bound, mut unbound) = (Vec::new(), Vec::new());
        let mut reader = capture::open(Path::new(&file))?;
        while let Some(frame) = reader.next()? {
            let Input::Event(event) = decode(frame) else { continue };
            let EventKind::Transition { new, bound_if, .. } = event.kind else { continue };
            let ports = (event.socket.local.port, event.socket.remote.port);
            if ports == (ends.local.port(), ends.remote.port()) {
                bound.push((new, bound_if));
            } else if ports == (ends.remote.port(), ends.local.port()) {
                unbound.push((new, bound_if));
            }
        }
        ensure!(bound == [State::FinWait1, State::FinWait2, State::Close].map(|state| (state, 1)), "{bound:?}");
        ensure!(unbound == [State::CloseWait, State::LastAck, State::Close].map(|state| (state, 0)), "{unbound:?}");
        Ok(())
    })
}

#[test]
fn a_foreign_file_is_refused() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("foreign.cap");
        fs::write(&file, "no capture at all\n".repeat(100))?;
        let answer = replay(&file, &[])?;
        answer.expect_code(5)?;
        ensure!(answer.stdout.is_empty() && answer.stderr.lines().count() == 1, "{answer:?}");
        Ok(())
    })
}
