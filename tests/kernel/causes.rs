//! Why a socket is stuck or leaked, and who holds it.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    child::{Actor, HOLD, POLL},
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    scenario::{orphan, unsent, zero_window},
    tool::{Line, Tool},
    truth::Truth,
};

use crate::{
    harness::{SOON, bounded, is_older_than, observe},
    judge,
};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const THRESHOLD_MS: u64 = 300;
const THRESHOLDS: [&str; 4] = ["--stuck-after", "300ms", "--leak-after", "300ms"];
const LONG: Duration = Duration::from_millis(1500);

/// Proves a stuck socket's finding; returns its lines, raised and cleared.
fn prove_stuck(scenario: impl FnOnce(&NetNs) -> Result<Truth> + Send) -> Result<[Line; 2]> {
    let (truth, finished) = observe(&THRESHOLDS, scenario)?;
    let lines = finished.lines_in(truth.netns)?;
    judge::closes(&truth, &lines).with_context(|| judge::books_in_words(&finished))?;
    judge::findings(&truth, &lines, THRESHOLD_MS)?;
    let told: Vec<Line> = lines.into_iter().filter(|line| line.is("finding")).collect();
    <[Line; 2]>::try_from(told).map_err(|told| anyhow::anyhow!("not one finding:\n{}", judge::shown(&told)))
}

/// Waits for the next attempt as long as the kernel may, and knows its end.
fn tries_again(raised: &Line) -> Result<()> {
    let next = raised.at("/next_attempt_in_ns").as_u64().context("no next attempt")?;
    ensure!(next <= 2_000_000_000, "the next attempt is in {next} ns: {}", raised.text);
    let end = raised.at("/gives_up_in_ns").as_u64().context("no end")?;
    ensure!(end >= next, "it ends before the next attempt: {}", raised.text);
    Ok(())
}

fn bytes(raised: &Line) -> Result<(u64, u64)> {
    let count = |name: &str| raised.at(name).as_u64().with_context(|| format!("no {name}: {}", raised.text));
    Ok((count("/unsent_bytes")?, count("/unacked_bytes")?))
}

#[test]
fn a_fin_that_this_host_drops() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let [raised, _] = prove_stuck(|netns| unsent::firewalled(netns, LONG))?;
        ensure!(bytes(&raised)? == (0, 0), "there is nothing but the FIN: {}", raised.text);
        tries_again(&raised)
    })
}

#[test]
fn a_fin_behind_data() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let [raised, _] = prove_stuck(|netns| unsent::data_ahead(netns, LONG))?;
        let (unsent, unacked) = bytes(&raised)?;
        ensure!(unsent > 0 && unacked > 0, "some was sent, and some not: {}", raised.text);
        ensure!(unsent + unacked == unsent::QUEUED as u64, "not what was written: {}", raised.text);
        tries_again(&raised)
    })
}

#[test]
fn a_fin_before_a_closed_window() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let [raised, _] = prove_stuck(|netns| zero_window::zero_window(netns, LONG))?;
        let (unsent, unacked) = bytes(&raised)?;
        // 6.18.15 was seen to send a little more than the peer then has room for, and to send that again.
        let is_little = unacked * 20 < unsent;
        ensure!(unsent > 0 && is_little, "all that was sent is acknowledged, or nearly: {}", raised.text);
        let next = raised.at("/next_attempt_in_ns").as_u64().context("no next attempt")?;
        ensure!(next <= 5_000_000_000, "the next probe is in {next} ns: {}", raised.text);
        Ok(())
    })
}

#[test]
fn a_lost_fin_and_when_the_kernel_gives_up() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    /// The foretold rest and the real one, with ticks of the kernel.
    const SLACK_NS: u64 = 60_000_000;
    bounded(|| {
        let [raised, cleared] = prove_stuck(orphan::timeout)?;
        ensure!(bytes(&raised)? == (0, 0), "there is nothing but the FIN: {}", raised.text);
        tries_again(&raised)?;
        let foretold = raised.count("/gives_up_in_ns");
        let real = cleared.count("/age_ns") - raised.count("/age_ns");
        let range = (real * 4 / 5).saturating_sub(SLACK_NS)..=real * 5 / 4 + SLACK_NS;
        ensure!(range.contains(&foretold), "{real} ns were left, not {foretold}: {}", raised.text);
        Ok(())
    })
}

/// What is done with a connection before its peer closes and it is leaked.
#[derive(Clone, Copy)]
struct Leak {
    /// Processes that are given it, and what each does with it.
    given: &'static [&'static str],
    read: bool,
    reason: &'static str,
}

/// The finding of a leak names the cause and every process that holds it.
fn prove_leak(leak: Leak) -> Result<()> {
    bounded(move || {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&THRESHOLDS)?;
        netns.run(|netns| {
            let Pair { client, server, ends } = Pair::connect()?;
            // Beforehand: on a slow machine a process takes longer to start than a leak to be found.
            let give = |how: &&str| Actor::given(Path::new(ACTOR), how, client.try_clone()?);
            let actors: Vec<Actor> = leak.given.iter().map(give).collect::<Result<_>>()?;
            drop(server);
            proc_net::wait_for(ends, State::CloseWait)?;
            if leak.read {
                pair::read_eof(&client)?;
            }
            drop(client);
            let line = leak_of(&tool, netns, ends)?;
            held_by(&line, &actors).with_context(|| line.text.clone())?;
            ensure!(*line.at("/reason") == leak.reason, "expected {}: {}", leak.reason, line.text);
            ensure!(*line.at("/owner/pid") == process::id() && *line.at("/owner/source") == "connect", "{}", line.text);
            Ok(())
        })?;
        tool.stop()?.expect_code(0)
    })
}

/// The finding of a socket that is in CLOSE_WAIT.
fn leak_of(tool: &Tool, netns: &NetNs, ends: Ends) -> Result<Line> {
    proc_net::wait_for(ends, State::CloseWait)?;
    let is_leak = |line: &Line| line.is("finding") && *line.at("/kind") == "leak_close_wait" && line.has_ends(ends);
    let found = std::cell::RefCell::new(None);
    let told = |lines: &[Line]| {
        *found.borrow_mut() = lines.iter().find(|line| is_leak(line)).cloned();
        found.borrow().is_some()
    };
    tool.wait_for(netns.inode(), "the leak", told, SOON)?;
    found.into_inner().context("no leak")
}

/// Each holder, by pid, with its name and its descriptor, which is its standard input.
fn held_by(line: &Line, actors: &[Actor]) -> Result<()> {
    ensure!(line.count("/holders/total") == actors.len() as u64, "not {} holders", actors.len());
    let list = line.at("/holders/list").as_array().context("no holders")?;
    for actor in actors {
        let pid = actor.pid();
        let holder = list.iter().find(|holder| holder["pid"] == pid).with_context(|| format!("not {pid}"))?;
        ensure!(holder["comm"] == actor.comm()?.as_str() && holder["fd"] == 0, "{pid} is not {holder}");
    }
    Ok(())
}

#[test]
fn a_leak_that_nobody_looks_at() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove_leak(Leak { given: &[HOLD], read: false, reason: "not_polled" })
}

#[test]
fn a_leak_that_is_polled_and_never_read() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove_leak(Leak { given: &[POLL], read: false, reason: "never_read_eof" })
}

#[test]
fn a_leak_that_was_read_to_its_end() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove_leak(Leak { given: &[HOLD], read: true, reason: "eof_seen_not_closed" })
}

#[test]
fn a_leak_that_two_processes_hold() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove_leak(Leak { given: &[HOLD, HOLD], read: false, reason: "not_polled" })
}

#[test]
fn a_leak_that_was_never_accepted() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&THRESHOLDS)?;
        netns.run(|netns| {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let client = TcpStream::connect(listener.local_addr()?)?;
            let ends = Ends::of(&client)?.reversed();
            pair::shut(&client)?;
            let line = leak_of(&tool, netns, ends)?;
            ensure!(line.count("/holders/total") == 0, "nobody has it: {}", line.text);
            ensure!(*line.at("/reason") == "never_accepted", "{}", line.text);
            Ok(())
        })?;
        tool.stop()?.expect_code(0)
    })
}
