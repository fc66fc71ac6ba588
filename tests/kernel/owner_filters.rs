//! `--pid`, `--comm` and `--cgroup`: whose a close is may be known late, and it is told as a whole or not at all.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process, thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tcptrace::source::differences::{CGROUP_ANCESTORS, SOCKET_COOKIES};
use tcptrace_tests::{
    child::{Actor, HOLD as SIT},
    netns::NetNs,
    pair::{self, Pair},
    proc_net::State,
    tool::Line,
    truth::{Moment, Span},
};

use crate::{
    cgroups::{BELOW, Cgroups},
    harness::{HOLD, bounded, is_older_than, lacks},
    judge,
    twin::{Said, Twins, close, events_of},
};

/// Well past the threshold of [`Twins`], the second between two scans, and the look that follows.
const LEAK: Duration = Duration::from_secs(4);

fn actor() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_actor"))
}

fn in_netns(body: impl Fn(&NetNs) -> Result<()> + Send + Sync + 'static) -> Result<()> {
    bounded(move || NetNs::new()?.run(&body))
}

/// A process that has connected, and the other side.
fn connected(listener: &TcpListener) -> Result<(Actor, TcpStream)> {
    let actor = Actor::connect(actor(), listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    server.set_read_timeout(Some(LEAK))?;
    Ok((actor, server))
}

fn listener() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
}

/// It closes, then this process does.
fn killed_first((actor, server): (Actor, TcpStream)) -> Result<()> {
    actor.kill()?;
    pair::read_eof(&server)?;
    pair::close_passive(server)
}

/// This process closes, and some time later the other one does.
fn killed_later((actor, server): (Actor, TcpStream)) -> Result<()> {
    pair::shut(&server)?;
    pair::wait_for(&server, State::FinWait2)?;
    thread::sleep(HOLD);
    actor.kill()?;
    pair::read_eof(&server)
}

fn is_of(pid: u32) -> impl Fn(&Line) -> bool {
    move |line| *line.at("/owner/pid") == pid
}

/// Every close that the filtered run told is whole, or has what can be known of it.
fn whole(said: &Said) -> Result<()> {
    for line in said.filtered.iter().filter(|line| line.is("close")) {
        let is_whole = *line.at("/complete") == true && line.at("/close_ns").is_u64();
        let untold = lacks(&SOCKET_COOKIES) && *line.at("/reason") == "orphan_fin_wait2";
        let begun = line.at("/phases_ns/fin_wait1").is_u64();
        ensure!(is_whole || untold && begun, "not whole: {}", line.text);
    }
    Ok(())
}

#[test]
fn pid_of_who_closes_first() -> Result<()> {
    in_netns(|netns| {
        let listener = listener()?;
        let (ours, other) = (connected(&listener)?, connected(&listener)?);
        let pid = ours.0.pid();
        let twins = Twins::start(netns, &["--pid", &pid.to_string()])?;
        killed_first(ours)?;
        killed_first(other)?;
        let said = twins.stop(4, 1)?;
        said.judge(is_of(pid))?;
        whole(&said)
    })
}

/// The event that begins it names nobody, and waits until somebody closes.
#[test]
fn pid_of_who_closes_last() -> Result<()> {
    in_netns(|netns| {
        let listener = listener()?;
        let (ours, other) = (connected(&listener)?, connected(&listener)?);
        let pid = ours.0.pid();
        let twins = Twins::start(netns, &["--pid", &pid.to_string()])?;
        killed_later(other)?;
        killed_later(ours)?;
        let said = twins.stop(4, 1)?;
        said.judge(is_of(pid))?;
        whole(&said)?;
        let line = said.filtered.iter().find(|line| line.is("close")).context("no close")?;
        let held = u128::from(line.count("/phases_ns/close_wait"));
        ensure!(*line.at("/role") == "passive" && held >= HOLD.as_nanos(), "{}", line.text);
        Ok(())
    })
}

#[test]
fn two_processes_close_alternately() -> Result<()> {
    in_netns(|netns| {
        let listener = listener()?;
        let twins = Twins::start(netns, &["--comm", "actor", "--family", "ipv4"])?;
        for round in 0..20 {
            let both = connected(&listener)?;
            if round % 2 == 0 {
                killed_first(both)?
            } else {
                killed_later(both)?
            }
            let target = listener.local_addr()?;
            close(Pair::to(&listener, target)?)?;
        }
        let said = twins.stop(80, 20)?;
        said.judge(|line| *line.at("/owner/comm") == "actor")?;
        whole(&said)
    })
}

#[test]
fn all_owner_options_must_hold() -> Result<()> {
    in_netns(|netns| {
        let listener = listener()?;
        let (ours, other) = (connected(&listener)?, connected(&listener)?);
        let own = ours.0.pid();
        let twins =
            Twins::start(netns, &["--comm", "actor", "--pid", &own.to_string(), "--pid", &process::id().to_string()])?;
        killed_later(ours)?;
        killed_first(other)?;
        twins.stop(4, 1)?.judge(is_of(own))
    })
}

/// One connects and another one closes: who closes counts. The connect of the first does not cross.
#[test]
fn a_socket_changes_hands() -> Result<()> {
    in_netns(|netns| {
        let listener = listener()?;
        let (closers, connecters) =
            (Twins::start(netns, &["--comm", "actor"])?, Twins::start(netns, &["--comm", "scenario"])?);
        for first in [true, false] {
            let Pair { client, server, .. } = Pair::to(&listener, listener.local_addr()?)?;
            let both = (Actor::given(actor(), SIT, client)?, server);
            if first { killed_first(both)? } else { killed_later(both)? }
        }
        let is_connect = |line: &&Line| *line.at("/new") == "syn_sent";
        let said = closers.stop(4, 2)?;
        let closed = said.same_closes(|line| *line.at("/owner/comm") == "actor")?;
        whole(&said)?;
        let made = events_of(&said.whole, &closed)?;
        let crossed = said.summary.count("/events/delivered");
        ensure!(crossed + 2 == made, "{crossed} events crossed, not all but 2: {}", judge::shown(&said.whole));
        let said = connecters.stop(4, 2)?;
        let closed = said.same_closes(|line| *line.at("/owner/comm") == "scenario")?;
        let made = events_of(&said.whole, &closed)?;
        let crossed = said.summary.count("/events/delivered");
        ensure!(said.whole.iter().filter(is_connect).count() == 2, "not 2 connects: {}", judge::shown(&said.whole));
        ensure!(crossed == made + 2, "{crossed} events crossed, not 2 more: {}", judge::shown(&said.whole));
        Ok(())
    })
}

/// Who shut it down first counts; who closes it later neither takes it over nor hides it.
#[test]
fn a_later_close_decides_nothing() -> Result<()> {
    in_netns(|netns| {
        let listener = listener()?;
        let (later, first) =
            (Twins::start(netns, &["--comm", "actor"])?, Twins::start(netns, &["--comm", "scenario"])?);
        let Pair { client, server, .. } = Pair::to(&listener, listener.local_addr()?)?;
        pair::shut(&client)?;
        pair::wait_for(&client, State::FinWait2)?;
        let actor = Actor::given(actor(), SIT, client)?;
        actor.kill()?;
        pair::close_passive(server)?;
        let said = later.stop(2, 0)?;
        said.judge(|line| *line.at("/owner/comm") == "actor")?;
        ensure!(said.summary.count("/events/delivered") == 0, "something crossed");
        first.stop(2, 2)?.judge(|line| *line.at("/owner/comm") == "scenario")
    })
}

/// Nobody closes: it is released when it leaks, and the rest follows it.
#[test]
fn a_leak_is_found() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    in_netns(|netns| {
        let listener = listener()?;
        let Pair { client, server, .. } = Pair::to(&listener, listener.local_addr()?)?;
        let holder = Actor::given(actor(), SIT, server)?;
        let pid = holder.pid();
        let twins = Twins::start(netns, &["--pid", &pid.to_string()])?;
        let (shut, ()) = Moment::of(|| {
            pair::shut(&client)?;
            pair::wait_for(&client, State::FinWait2)
        })?;
        twins.wait_for("the leak", |lines| lines.iter().any(|line| *line.at("/status") == "raised"))?;
        let (closed, ()) = Moment::of(|| holder.kill())?;
        pair::read_eof(&client)?;
        let said = twins.stop(2, 1)?;
        said.judge(is_of(pid))?;
        whole(&said)?;
        let finding = |status: &str| {
            let found = said.filtered.iter().find(|line| line.is("finding") && *line.at("/status") == status);
            found.with_context(|| judge::shown(&said.filtered))
        };
        let raised = finding("raised")?;
        ensure!(is_of(pid)(raised) && *raised.at("/age_is_lower_bound") == false, "{}", raised.text);
        let told = Duration::from_nanos(finding("cleared")?.count("/age_ns"));
        let Span { at_least, at_most } = shut.until(closed);
        ensure!((at_least..=at_most).contains(&told), "{told:?} is not between {at_least:?} and {at_most:?}");
        Ok(())
    })
}

/// What nobody closed when it ends: without an owner, it is nobody's.
#[test]
fn a_reset_of_an_accepted_connection_is_left_out() -> Result<()> {
    in_netns(|netns| {
        let listener = listener()?;
        let twins =
            Twins::start(netns, &["--comm", "scenario", "--local-port", &listener.local_addr()?.port().to_string()])?;
        let Pair { client, server, .. } = Pair::to(&listener, listener.local_addr()?)?;
        pair::close_with_reset(client)?;
        twins.stop(2, 0)?.same_closes(|_| false)?;
        drop(server);
        Ok(())
    })
}

#[test]
fn cgroup_and_below_it() -> Result<()> {
    in_netns(|netns| {
        let cgroups = Cgroups::new()?;
        let listener = listener()?;
        let mut inside = Vec::new();
        for below in ["", BELOW] {
            let both = connected(&listener)?;
            cgroups.take(below, both.0.pid())?;
            inside.push(both);
        }
        let pids: Vec<u32> = inside.iter().map(|(actor, _)| actor.pid()).collect();
        let other = connected(&listener)?;
        let twins = Twins::start(netns, &["--cgroup", &cgroups.name()?])?;
        for both in inside {
            killed_later(both)?;
        }
        killed_first(other)?;
        let said = twins.stop(6, 2)?;
        let is_inside = |line: &Line| pids.iter().any(|pid| *line.at("/owner/pid") == *pid);
        if lacks(&CGROUP_ANCESTORS) {
            // User space does it alone, so more crosses than is told.
            said.same_closes(is_inside)?;
        } else {
            said.judge(is_inside)?;
        }
        whole(&said)
    })
}
