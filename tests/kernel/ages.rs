//! `stuck` and `leaks` list what is known to be older than the threshold, and nothing else. No BPF here.

use std::{
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tcptrace_tests::{
    child::HOLD,
    filter,
    netns::{self, NetNs},
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    scenario::zero_window,
    tool::{self, Finished, Line, Tool},
    wait,
};

use crate::{
    harness::{SOON, bounded},
    listings::{actor, finding, half_closed, texts},
};

/// Runs a command with a threshold, which its exit code tells about.
fn run(command: &str, after: &str, netns: &NetNs) -> Result<Finished> {
    let option = if command == "stuck" { "--stuck-after" } else { "--leak-after" };
    let netns = netns.inode().to_string();
    let words = [command, option, after, "--netns", &netns, "--output", "json", "--exit-code"];
    Tool::start(tool::command(words)?)?.finish(SOON)
}

/// Nothing is old enough; says the summary.
fn nothing(command: &str, after: &str, netns: &NetNs) -> Result<Line> {
    let finished = run(command, after, netns)?;
    let mut lines = finished.lines()?;
    ensure!(lines.len() == 1, "{after}: {:?}", texts(&lines));
    finished.expect_code(0)?;
    lines.pop().context("no summary")
}

/// The one socket that is old enough, with an age of at least the threshold.
fn one(command: &str, after: &str, netns: &NetNs, ends: Ends) -> Result<Line> {
    let finished = run(command, after, netns)?;
    finished.expect_code(1)?;
    let lines = finished.lines()?;
    let found = finding(&lines, ends)?.clone();
    let threshold = humantime(after)?;
    ensure!(Duration::from_nanos(found.count("/age_ns")) >= threshold, "{after}: {}", found.text);
    Ok(found)
}

fn humantime(text: &str) -> Result<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).context("no unit")?);
    Ok(if unit == "ms" { Duration::from_millis(number.parse()?) } else { Duration::from_secs(number.parse()?) })
}

/// The fault that made every check fire: a FIN that left 0.6 s ago.
#[test]
fn a_fin_in_flight_is_as_old_as_its_timeouts() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let Pair { client, server, ends } = Pair::connect()?;
            filter::drop_all(&server)?;
            drop(client);
            proc_net::wait_for(ends, State::FinWait1)?;
            thread::sleep(Duration::from_millis(600));
            for after in ["30s", "1m", "1h"] {
                let summary = nothing("stuck", after, netns)?;
                ensure!(
                    summary.count("/younger_or_unknown") == 1 && summary.count("/younger") == 1,
                    "{}",
                    summary.text
                );
                ensure!(summary.count("/age_unknown") == 0, "its timer tells: {}", summary.text);
            }
            one("stuck", "100ms", netns, ends).map(|_| ())
        })
    })
}

/// Behind a window of 0, nothing tells since when: a short threshold is waited for, a long one is not.
#[test]
fn a_fin_behind_a_window_of_zero_is_watched() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let Pair { client, server: _server, ends } = Pair::connect()?;
            zero_window::fill(&client)?;
            proc_net::wait_until("to probe a window of 0", ends, |row| row.timer == proc_net::TIMER_PROBE)?;
            let closed = Instant::now();
            drop(client);
            proc_net::wait_for(ends, State::FinWait1)?;
            for after in ["1m", "1h"] {
                let began = Instant::now();
                let summary = nothing("stuck", after, netns)?;
                ensure!(summary.count("/younger_or_unknown") == 1, "{}", summary.text);
                ensure!(summary.count("/age_unknown") == 1, "{}", summary.text);
                ensure!(began.elapsed() < wait::scaled(Duration::from_secs(5)), "nobody waits for {after}");
            }
            let found = one("stuck", "2s", netns, ends)?;
            ensure!(found.at("/age_is_lower_bound") == true, "{}", found.text);
            ensure!(Duration::from_nanos(found.count("/age_ns")) <= closed.elapsed(), "{}", found.text);
            Ok(())
        })
    })
}

/// A socket that is old enough at first sight, and gone when the wait for another one is over, is not listed.
#[test]
fn who_goes_during_the_wait_is_not_listed() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (orphan, peer, orphan_ends) = half_closed(b"")?;
            drop(orphan);
            thread::sleep(Duration::from_millis(2_500));
            let Pair { client, server: _server, ends } = Pair::connect()?;
            zero_window::fill(&client)?;
            drop(client);
            proc_net::wait_for(ends, State::FinWait1)?;
            let closer = thread::spawn(move || {
                thread::sleep(Duration::from_millis(1_000));
                drop(peer);
            });
            let finished = run("stuck", "2s", netns)?;
            closer.join().map_err(|_| anyhow::anyhow!("the thread panicked"))?;
            let lines = finished.lines()?;
            finding(&lines, ends)?;
            ensure!(finding(&lines, orphan_ends.reversed()).is_err(), "it is gone: {:?}", texts(&lines));
            Ok(())
        })
    })
}

/// The timer of its timewait socket tells to a tick how long an orphan waits. The time that a program held the socket
/// before does not count.
#[test]
fn an_orphan_is_as_old_as_its_timer_says() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (client, _server, ends) = half_closed(b"")?;
            let ends = ends.reversed();
            proc_net::wait_for(ends, State::FinWait2)?;
            thread::sleep(Duration::from_secs(3));
            let before = Instant::now();
            drop(client);
            let after = Instant::now();
            for threshold in ["2s", "30s", "1h"] {
                let summary = nothing("stuck", threshold, netns)?;
                ensure!(summary.count("/younger") == 1 && summary.count("/age_unknown") == 0, "{}", summary.text);
            }
            // The lower bound leaves a tick of the kernel out.
            thread::sleep(Duration::from_millis(2_100).saturating_sub(after.elapsed()));
            let least = after.elapsed();
            let found = one("stuck", "2s", netns, ends)?;
            let age = Duration::from_nanos(found.count("/age_ns"));
            ensure!(age + Duration::from_millis(30) >= least && age <= before.elapsed(), "{least:?}: {}", found.text);
            ensure!(found.at("/age_is_lower_bound") == false, "{}", found.text);
            nothing("stuck", "1m", netns).map(|_| ())
        })
    })
}

/// Each namespace has its own `tcp_fin_timeout`; what is beyond a minute runs on the full socket first.
#[test]
fn an_orphans_timer_is_that_of_its_namespace() -> Result<()> {
    bounded(|| {
        for seconds in ["5", "90"] {
            netns::run(|netns| {
                netns.set_sysctl("net/ipv4/tcp_fin_timeout", seconds)?;
                let (client, _server, ends) = half_closed(b"")?;
                let ends = ends.reversed();
                proc_net::wait_for(ends, State::FinWait2)?;
                thread::sleep(Duration::from_millis(1_500));
                drop(client);
                nothing("stuck", "1s", netns)?;
                thread::sleep(Duration::from_millis(1_200));
                let found = one("stuck", "1s", netns, ends)?;
                ensure!(Duration::from_nanos(found.count("/age_ns")) < Duration::from_secs(4), "{}", found.text);
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// A socket that was never stuck for a moment is no reason to fail a check, however many there are.
#[test]
fn a_leak_is_known_to_be_old() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (_client, server, ends) = half_closed(b"request")?;
            let _actor = actor(HOLD, server)?;
            for after in ["1m", "1h"] {
                let summary = nothing("leaks", after, netns)?;
                ensure!(summary.count("/younger_or_unknown") == 1, "{}", summary.text);
            }
            thread::sleep(Duration::from_millis(1_100));
            let option = ["--leak-after", "1s", "--netns", &netns.inode().to_string(), "--output", "json", "--sockets"];
            let finished = Tool::start(tool::command(["leaks"].iter().chain(&option))?)?.finish(SOON)?;
            let lines = finished.lines()?;
            let found = finding(&lines, ends)?;
            ensure!(found.count("/age_ns") >= 1_000_000_000, "{}", found.text);
            Ok(())
        })
    })
}

/// With --watch ages grow from round to round, and rounds count what is new.
#[test]
fn watching_counts_what_is_new() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let inode = netns.inode().to_string();
            let words = ["leaks", "--watch", "200ms", "--leak-after", "300ms", "--output", "json", "--netns", &inode];
            let tool = Tool::start(tool::command(words)?)?;
            let sum = |field: &str| -> Result<u64> {
                let text = tool.stdout();
                let lines = text.lines().map(Line::parse).collect::<Result<Vec<_>>>()?;
                Ok(lines.iter().filter(|line| line.is("leaks_summary")).map(|line| line.count(field)).sum())
            };
            wait::until("the first round", SOON, || Ok((sum("/namespaces")? > 0).then_some(())))?;
            let mut held = Vec::new();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            for _ in 0..5 {
                let Pair { client, server, .. } = Pair::to(&listener, listener.local_addr()?)?;
                pair::shut(&client)?;
                held.push((client, server));
            }
            wait::until("five new leaks", SOON, || {
                Ok((sum("/new")? == 5 && sum("/new_per_minute")? > 0).then_some(()))
            })?;
            // They are new once.
            let rounds = sum("/namespaces")?;
            wait::until("more rounds", SOON, || Ok((sum("/namespaces")? > rounds + 3).then_some(())))?;
            ensure!(sum("/new")? == 5, "{}", sum("/new")?);
            tool.stop()?.expect_code(0)
        })
    })
}
