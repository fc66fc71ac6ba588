//! MPTCP connections in `stuck` and `leaks`: the connection itself, above its subflows. No BPF here.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use tcptrace::source::differences::MPTCP_AGES;
use tcptrace_tests::{
    child::{HOLD, POLL},
    netns::{self, NetNs},
    pair::{self, Ends},
    scenario::zero_window,
    tool::{self, Line, Tool},
    wait,
};

use crate::{
    harness::{SOON, bounded, is_older_than},
    listings::{actor, finding, is_holder, texts, told},
};

struct Both {
    client: TcpStream,
    server: TcpStream,
    ends: Ends,
}

/// A connection that both ends speak MPTCP on.
fn connect() -> Result<Both> {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)).context("no MPTCP here");
    let listener = socket()?;
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    listener.listen(8)?;
    let client = socket()?;
    client.connect(&listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    let (mut client, mut server) = (TcpStream::from(client), TcpStream::from(server));
    // Without data on it, the connection is not fully established (RFC 8684 section 3.1).
    client.write_all(b"request")?;
    server.read_exact(&mut [0; 7])?;
    let ends = Ends::of(&client)?;
    Ok(Both { client, server, ends })
}

/// Lines about connections and subflows, with a threshold.
fn run(command: &str, after: &str, netns: &NetNs) -> Result<Vec<Line>> {
    let option = if command == "stuck" { "--stuck-after" } else { "--leak-after" };
    let inode = netns.inode().to_string();
    let words = [command, option, after, "--netns", &inode, "--output", "json"];
    let sockets: &[&str] = if command == "leaks" { &["--sockets"] } else { &[] };
    let finished = Tool::start(tool::command(words.iter().chain(sockets))?)?.finish(SOON)?;
    finished.expect_code(0)?;
    finished.lines()
}

fn age(line: &Line) -> Duration {
    Duration::from_nanos(line.count("/age_ns"))
}

#[test]
fn a_close_wait_has_its_holder_and_its_age() -> Result<()> {
    if is_older_than(&MPTCP_AGES) {
        return Ok(());
    }
    bounded(|| {
        for (how, unread, cause) in
            [(HOLD, &b"more"[..], "not_polled"), (POLL, b"more", "never_read_eof"), (HOLD, b"", "unknown")]
        {
            netns::run(|netns| {
                let Both { mut client, server, ends } = connect()?;
                client.write_all(unread)?;
                let before = Instant::now();
                pair::shut(&client)?;
                let actor = actor(how, server)?;
                thread::sleep(Duration::from_millis(1_200));
                let least = before.elapsed();
                let lines = run("leaks", "1s", netns)?;
                let found = finding(&lines, ends.reversed())?;
                ensure!(found.at("/mptcp") == true && found.at("/kind") == "leak_close_wait", "{}", found.text);
                is_holder(found.at("/holders/list/0"), &actor)?;
                let slack = Duration::from_millis(150);
                ensure!(age(found) + slack >= least && age(found) <= before.elapsed(), "{least:?}: {}", found.text);
                ensure!(found.at("/reason") == cause, "{cause}: {}", found.text);
                let group = lines.iter().find(|line| line.is("leak_group")).context("no group")?;
                ensure!(group.count("/mptcp_sockets") == 1 && group.at("/pid") == actor.pid(), "{}", group.text);
                let young = run("leaks", "1h", netns)?;
                ensure!(young.len() == 1 && young[0].count("/younger_or_unknown") == 1, "{:?}", texts(&young));
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// Held in FIN_WAIT2 it is no fault; as an orphan it is as old as the timer of its close() says.
#[test]
fn a_fin_wait2_counts_from_its_close() -> Result<()> {
    if is_older_than(&MPTCP_AGES) {
        return Ok(());
    }
    bounded(|| {
        netns::run(|netns| {
            let Both { client, server: _server, ends } = connect()?;
            pair::shut(&client)?;
            thread::sleep(Duration::from_secs(2));
            ensure!(run("stuck", "1s", netns)?.len() == 1, "it is held");
            let before = Instant::now();
            drop(client);
            let young = run("stuck", "30s", netns)?;
            ensure!(young.len() == 1 && young[0].count("/younger_or_unknown") == 1, "{:?}", texts(&young));
            thread::sleep(Duration::from_millis(1_200));
            let lines = run("stuck", "1s", netns)?;
            let found = finding(&lines, ends)?;
            ensure!(found.at("/mptcp") == true && found.at("/kind") == "stuck_fin_wait2", "{}", found.text);
            ensure!(found.at("/orphan") == true && found.at("/reason") == "peer_open", "{}", found.text);
            ensure!(age(found) >= Duration::from_secs(1) && age(found) <= before.elapsed(), "{}", found.text);
            // `net.mptcp.close_timeout` is a minute.
            let left = Duration::from_nanos(found.count("/gives_up_in_ns"));
            ensure!(left < Duration::from_secs(60) && left > Duration::from_secs(30), "{}", found.text);
            Ok(())
        })
    })
}

/// Data that the peer does not read keeps the DATA_FIN back; nobody knows since when, so it is watched.
#[test]
fn a_data_fin_behind_data_is_watched() -> Result<()> {
    if is_older_than(&MPTCP_AGES) {
        return Ok(());
    }
    bounded(|| {
        netns::run(|netns| {
            let Both { client, server: _server, ends } = connect()?;
            zero_window::fill(&client)?;
            pair::shut(&client)?;
            let actor = actor(HOLD, client)?;
            let lines = run("stuck", "1s", netns)?;
            let found = finding(&lines, ends)?;
            ensure!(found.at("/mptcp") == true && found.at("/kind") == "stuck_fin_wait1", "{}", found.text);
            ensure!(found.at("/orphan") == false && found.count("/unacked_bytes") > 0, "{}", found.text);
            is_holder(found.at("/holders/list/0"), &actor)?;
            ensure!(age(found) >= Duration::from_secs(1), "{}", found.text);
            Ok(())
        })
    })
}

/// A connection that ends is gone from the next round, and none is listed twice.
#[test]
fn a_watch_sees_it_go() -> Result<()> {
    if is_older_than(&MPTCP_AGES) {
        return Ok(());
    }
    bounded(|| {
        netns::run(|netns| {
            let Both { client, server, ends } = connect()?;
            pair::shut(&client)?;
            thread::sleep(Duration::from_millis(300));
            ensure!(
                told("leaks", netns)?.iter().filter(|line| line.has_ends(ends.reversed())).count() == 1,
                "not once"
            );
            let inode = netns.inode().to_string();
            let words = ["leaks", "--watch", "200ms", "--leak-after", "100ms", "--output", "json", "--netns", &inode];
            let tool = Tool::start(tool::command(words)?)?;
            let seen = |field: &'static str, count: u64| {
                wait::until("a round", SOON, || {
                    let text = tool.stdout();
                    let lines = text.lines().map(Line::parse).collect::<Result<Vec<_>>>()?;
                    let enough = |line: &Line| line.is("leaks_summary") && line.count(field) == count;
                    Ok(lines.iter().any(enough).then_some(()))
                })
            };
            seen("/sockets", 1)?;
            drop(server);
            seen("/gone", 1)?;
            tool.stop()?.expect_code(0)
        })
    })
}
