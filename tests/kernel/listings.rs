//! `tcptrace stuck` and `tcptrace leaks`, against sockets that helper processes hold. No BPF here.

use std::{
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tcptrace_tests::{
    child::{Actor, HOLD, POLL},
    filter,
    netns::{self, NetNs},
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    scenario::zero_window,
    tool::{self, Finished, Line, Tool},
    wait,
};

use crate::harness::{SOON, bounded};

/// What every socket here is older than.
const YOUNG: &str = "1ms";

/// Runs tcptrace to its end.
pub(crate) fn run(command: &str, netns: &str, more: &[&str]) -> Result<Finished> {
    let after = if command == "stuck" { "--stuck-after" } else { "--leak-after" };
    let words = [command, "--output", "json", after, YOUNG, "--netns", netns];
    Tool::start(tool::command(words.iter().chain(more))?)?.finish(SOON)
}

pub(crate) fn lines(finished: &Finished) -> Result<Vec<Line>> {
    finished.expect_code(0)?;
    finished.lines()
}

/// Every line that `leaks --sockets` or `stuck` prints of a namespace.
pub(crate) fn told(command: &str, netns: &NetNs) -> Result<Vec<Line>> {
    let sockets: &[&str] = if command == "leaks" { &["--sockets"] } else { &[] };
    let lines = lines(&run(command, &netns.inode().to_string(), sockets)?)?;
    let (last, others) = lines.split_last().context("not even a summary")?;
    ensure!(last.is(&format!("{command}_summary")), "{}", last.text);
    let findings = others.iter().filter(|line| line.is("finding")).count() as u64;
    ensure!(last.count("/sockets") == findings && last.count("/namespaces") == 1, "{}", last.text);
    Ok(lines)
}

pub(crate) fn finding(lines: &[Line], ends: Ends) -> Result<&Line> {
    let found = lines.iter().find(|line| line.is("finding") && line.has_ends(ends));
    found.with_context(|| format!("nothing of {ends} in {:?}", texts(lines)))
}

fn group(lines: &[Line]) -> Result<&Line> {
    let groups: Vec<&Line> = lines.iter().filter(|line| line.is("leak_group")).collect();
    ensure!(groups.len() == 1, "not one group: {:?}", texts(lines));
    Ok(groups[0])
}

pub(crate) fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

pub(crate) fn actor(how: &str, socket: TcpStream) -> Result<Actor> {
    Actor::given(Path::new(env!("CARGO_BIN_EXE_actor")), how, socket)
}

/// The holder of a socket that was given to a helper: its standard input.
fn holder(actor: &Actor) -> Result<Value> {
    Ok(json!({"pid": actor.pid(), "comm": actor.comm()?, "fd": 0}))
}

pub(crate) fn is_holder(told: &Value, actor: &Actor) -> Result<()> {
    let same = ["pid", "comm", "fd"].map(|name| told.get(name).cloned().unwrap_or_default());
    let holder = holder(actor)?;
    let wanted = ["pid", "comm", "fd"].map(|name| holder.get(name).cloned().unwrap_or_default());
    ensure!(same == wanted, "{told} is not {holder}");
    Ok(())
}

/// A connection whose client has closed its half; the server's end.
pub(crate) fn half_closed(data: &[u8]) -> Result<(TcpStream, TcpStream, Ends)> {
    let Pair { mut client, server, ends } = Pair::connect()?;
    client.write_all(data)?;
    pair::shut(&client)?;
    pair::wait_for(&server, State::CloseWait)?;
    Ok((client, server, ends.reversed()))
}

/// A helper that leaks in this way is named with pid, name and number of the file.
fn leak(how: &'static str, data: &'static [u8], read: bool, cause: &'static str) -> Result<()> {
    bounded(move || {
        netns::run(|netns| {
            let (_client, server, ends) = half_closed(data)?;
            if read {
                pair::read_to_end(&server)?;
            }
            let actor = actor(how, server)?;
            let lines = told("leaks", netns)?;
            let (group, socket) = (group(&lines)?, finding(&lines, ends)?);
            ensure!(group.at("/pid") == actor.pid() && group.at("/comm") == actor.comm()?.as_str(), "{}", group.text);
            ensure!(group.count("/sockets") == 1 && group.at("/growth_per_minute").is_null(), "{}", group.text);
            ensure!(group.at("/remotes/0/addr") == "127.0.0.1" && group.at("/listener").is_null(), "{}", group.text);
            ensure!(socket.at("/kind") == "leak_close_wait" && socket.at("/status") == "raised", "{}", socket.text);
            let owner = [socket.at("/owner/pid"), socket.at("/owner/source")];
            ensure!(owner == [&json!(actor.pid()), &json!("fd")], "{}", socket.text);
            ensure!(socket.count("/holders/total") == 1, "{}", socket.text);
            is_holder(socket.at("/holders/list/0"), &actor)?;
            ensure!(socket.at("/reason") == cause && group.at("/cause") == cause, "{}", socket.text);
            ensure!(group.count(&format!("/by_cause/{cause}")) == 1, "{}", group.text);
            Ok(())
        })
    })
}

#[test]
fn a_socket_that_nobody_polls() -> Result<()> {
    leak(HOLD, b"request", false, "not_polled")
}

#[test]
fn a_socket_that_is_polled_and_not_read() -> Result<()> {
    leak(POLL, b"request", false, "never_read_eof")
}

#[test]
fn a_socket_that_was_read_and_not_closed() -> Result<()> {
    leak(HOLD, b"request", true, "eof_seen_not_closed")
}

#[test]
fn a_socket_that_was_never_accepted() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            let client = TcpStream::connect(listener.local_addr()?)?;
            let ends = Ends::of(&client)?.reversed();
            pair::shut(&client)?;
            proc_net::wait_for(ends, State::CloseWait)?;
            let actor = Actor::given(Path::new(env!("CARGO_BIN_EXE_actor")), HOLD, listener)?;
            let lines = told("leaks", netns)?;
            let (group, socket) = (group(&lines)?, finding(&lines, ends)?);
            ensure!(group.at("/pid").is_null() && group.at("/listener/port") == port, "{}", group.text);
            is_holder(group.at("/listener/holders/0"), &actor)?;
            ensure!(socket.at("/holders").is_null() && socket.at("/owner").is_null(), "{}", socket.text);
            ensure!(socket.at("/reason") == "never_accepted", "{}", socket.text);
            // Whoever asks for the listener's process gets its queue.
            let inode = netns.inode().to_string();
            for (pid, count) in [(actor.pid(), 1), (1, 0)] {
                let some = lines_of("leaks", &inode, &["--pid", &pid.to_string()])?;
                let last = some.last().context("no summary")?;
                ensure!(last.count("/sockets") == count, "{pid}: {}", last.text);
            }
            Ok(())
        })
    })
}

fn lines_of(command: &str, netns: &str, more: &[&str]) -> Result<Vec<Line>> {
    lines(&run(command, netns, more)?)
}

#[test]
fn a_file_that_two_processes_share() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (_client, server, ends) = half_closed(b"")?;
            let actors = [actor(HOLD, server.try_clone()?)?, actor(HOLD, server)?];
            let lines = told("leaks", netns)?;
            let (group, socket) = (group(&lines)?, finding(&lines, ends)?);
            ensure!(socket.count("/holders/total") == 2 && socket.at("/owner").is_null(), "{}", socket.text);
            let mut sorted: Vec<&Actor> = actors.iter().collect();
            sorted.sort_by_key(|actor| actor.pid());
            for (place, actor) in sorted.iter().enumerate() {
                is_holder(socket.at(&format!("/holders/list/{place}")), actor)?;
            }
            ensure!(group.at("/pid") == sorted[0].pid(), "{}", group.text);
            is_holder(group.at("/shared_with/0"), sorted[1])
        })
    })
}

#[test]
fn a_fin_behind_a_window_of_zero() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let Pair { client, server: _server, ends } = Pair::connect()?;
            zero_window::fill(&client)?;
            proc_net::wait_until("to probe a window of 0", ends, |row| row.timer == proc_net::TIMER_PROBE)?;
            drop(client);
            proc_net::wait_for(ends, State::FinWait1)?;
            let lines = told("stuck", netns)?;
            let socket = finding(&lines, ends)?;
            ensure!(socket.at("/kind") == "stuck_fin_wait1" && socket.at("/orphan") == true, "{}", socket.text);
            ensure!(socket.at("/fin_retransmits/rto") == 0, "the FIN never left: {}", socket.text);
            ensure!(socket.at("/fin_retransmits/tlp").is_null(), "{}", socket.text);
            ensure!(socket.at("/age_is_lower_bound") == true, "{}", socket.text);
            ensure!(socket.at("/reason") == "zero_window", "{}", socket.text);
            ensure!(socket.count("/unsent_bytes") > 0, "{}", socket.text);
            Ok(())
        })
    })
}

#[test]
fn a_fin_whose_peer_is_gone() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let Pair { client, server, ends } = Pair::connect()?;
            filter::drop_all(&server)?;
            let actor = {
                pair::shut(&client)?;
                actor(HOLD, client)?
            };
            // A tail loss probe, and then two timeouts.
            std::thread::sleep(Duration::from_millis(1500));
            let lines = told("stuck", netns)?;
            let socket = finding(&lines, ends)?;
            ensure!(socket.at("/kind") == "stuck_fin_wait1" && socket.at("/orphan") == false, "{}", socket.text);
            ensure!(socket.count("/fin_retransmits/rto") >= 1, "{}", socket.text);
            is_holder(socket.at("/holders/list/0"), &actor)?;
            ensure!(socket.at("/reason") == "fin_unacked", "{}", socket.text);
            ensure!(socket.at("/gives_up_in_ns").is_u64() && socket.at("/next_attempt_in_ns").is_u64(), "{socket:?}");
            Ok(())
        })
    })
}

/// FIN_WAIT2 of a socket that a program holds is no fault.
#[test]
fn half_closed_is_not_stuck() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (client, _server, ends) = half_closed(b"")?;
            proc_net::wait_for(ends.reversed(), State::FinWait2)?;
            ensure!(told("stuck", netns)?.len() == 1, "it is listed");
            drop(client);
            // Its timer must have run for longer than what counts as young, in ticks of the kernel.
            std::thread::sleep(Duration::from_millis(200));
            let lines = told("stuck", netns)?;
            let socket = finding(&lines, ends.reversed())?;
            ensure!(socket.at("/kind") == "stuck_fin_wait2" && socket.at("/orphan") == true, "{}", socket.text);
            Ok(())
        })
    })
}

#[test]
fn every_namespace_is_looked_at() -> Result<()> {
    bounded(|| {
        let spaces = [NetNs::new()?, NetNs::new()?];
        let leaked = |_: &NetNs| -> Result<(Actor, Actor, Ends)> {
            let (client, server, ends) = half_closed(b"")?;
            Ok((actor(HOLD, server)?, actor(HOLD, client)?, ends))
        };
        let mut actors = Vec::new();
        for space in &spaces {
            actors.push(space.run(leaked)?);
        }
        let words = ["leaks", "--output", "json", "--leak-after", YOUNG, "--sockets"];
        let all = Tool::start(tool::command(words)?)?.finish(SOON)?;
        for (space, (actor, _, ends)) in spaces.iter().zip(&actors) {
            let here = all.lines_in(space.inode())?;
            is_holder(finding(&here, *ends)?.at("/holders/list/0"), actor)?;
            // By the id of a process, and by path.
            for name in [actor.pid().to_string(), format!("/proc/{}/ns/net", actor.pid())] {
                let lines = lines_of("leaks", &name, &["--sockets"])?;
                let findings: Vec<&Line> = lines.iter().filter(|line| line.is("finding")).collect();
                ensure!(findings.len() == 1 && findings[0].has_ends(*ends), "{name}: {:?}", texts(&lines));
                ensure!(findings[0].in_netns(space.inode()), "{}", findings[0].text);
            }
        }
        Ok(())
    })
}

#[test]
fn watching_until_it_is_over() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (_client, server, _) = half_closed(b"")?;
            let actor = actor(HOLD, server)?;
            let inode = netns.inode().to_string();
            let words = ["leaks", "--watch", "100ms", "--output", "json", "--leak-after", YOUNG, "--netns", &inode];
            let tool = Tool::start(tool::command(words.iter().chain(&["--exit-code"]))?)?;
            let rounds = |wanted: fn(&Line) -> bool| {
                wait::until("a round", SOON, || {
                    let text = tool.stdout();
                    let lines: Vec<Line> = text.lines().map(Line::parse).collect::<Result<_>>()?;
                    Ok(lines.iter().any(wanted).then_some(()))
                })
            };
            rounds(|line| line.is("leak_group") && line.at("/growth_per_minute") == 0)?;
            actor.kill()?;
            rounds(|line| line.is("leaks_summary") && line.count("/gone") == 1)?;
            tool.stop()?.expect_code(1)
        })
    })
}
