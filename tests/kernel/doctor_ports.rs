//! `tcptrace doctor` on ports that programs bind, proxies whose backend closes first, and captures of busy servers.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::{
    io::{Errno, FdFlags, fcntl_setfd},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use socket2::{Domain, Socket, Type};
use tcptrace::source::differences::{BOUND_SOCKETS, SOCKET_COOKIES};
use tcptrace_tests::{
    child::HOLD,
    netns::{self, NetNs},
    pair::{self, Pair},
    tool::{self, Line, Tool},
};

use crate::{
    doctor::{SERVICE, says},
    harness::{Folder, SOON, bounded, is_older_than},
};

const RANGE: &str = "40000 40199";
const WATCH: &str = "8s";

fn listen(port: u16) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A socket that has called `bind()` with port 0.
fn bound(address: Ipv4Addr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    Ok(socket)
}

fn is(error: &std::io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

fn says_text(line: &Line, at: &str, wanted: &str) -> Result<()> {
    ensure!(line.at(at).as_str().is_some_and(|text| text.contains(wanted)), "no `{wanted}`: {}", line.text);
    Ok(())
}

/// `bind()` with port 0, then `connect()` to four places in turn, until no port is left: each place has a quarter, and
/// nobody gets another port. The same holds once all are in TIME_WAIT, though `tcp_tw_reuse` is on for loopback.
#[test]
fn bind_before_connect_takes_ports_from_all_places() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            netns.set_sysctl("net/ipv4/ip_local_port_range", RANGE)?;
            let listeners: Vec<_> = (0..4).map(|number| listen(SERVICE + number)).collect::<Result<_>>()?;
            let mut held = Vec::new();
            for (count, verdict) in [(60, "ok"), (110, "watch"), (170, "act"), (usize::MAX, "act")] {
                while held.len() < count {
                    let socket = match bound(Ipv4Addr::LOCALHOST) {
                        Err(error) if is(&error, Errno::ADDRINUSE) => break,
                        other => other?,
                    };
                    let (listener, address) = listeners.get(held.len() % 4).context("no listener")?;
                    socket.connect(&(*address).into())?;
                    held.push((TcpStream::from(socket), listener.accept()?.0));
                }
                let line = says(netns, "ephemeral_ports", verdict)?;
                ensure!(line.count("/evidence/sources/0/ports_in_use") == held.len() as u64, "{}", line.text);
                ensure!(line.at("/evidence/sources/0/source") == "127.0.0.1", "{}", line.text);
                if verdict != "ok" {
                    says_text(&line, "/finding", "local ports")?;
                    says_text(&line, "/advice", "IP_BIND_ADDRESS_NO_PORT")?;
                }
            }
            ensure!(held.len() == 200, "{}", held.len());
            let exhausted = |state: &str| -> Result<()> {
                let line = says(netns, "ephemeral_ports", "act")?;
                says_text(&line, "/finding", "200 of 200 local ports (100%) of 127.0.0.1")?;
                says_text(&line, "/finding", "the most to one place is 50 (25%)")?;
                says_text(&line, "/advice", "EADDRINUSE")?;
                for (_, address) in &listeners {
                    let failed = TcpStream::connect(address).err().with_context(|| format!("one more: {state}"))?;
                    ensure!(is(&failed, Errno::ADDRNOTAVAIL), "{failed}: {state}");
                }
                let failed = bound(Ipv4Addr::LOCALHOST).err().with_context(|| format!("one more: {state}"))?;
                ensure!(is(&failed, Errno::ADDRINUSE), "{failed}: {state}");
                Ok(())
            };
            exhausted("held")?;
            for (client, server) in held {
                drop(client);
                pair::read_eof(&server)?;
            }
            // Longer than tcp_tw_reuse_delay.
            thread::sleep(Duration::from_millis(1500));
            exhausted("in TIME_WAIT")
        })
    })
}

/// `connect()` alone shares ports between places: as many connections, and nothing is short.
#[test]
fn connect_alone_shares_ports() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            netns.set_sysctl("net/ipv4/ip_local_port_range", RANGE)?;
            let mut held = Vec::new();
            for number in 0..4 {
                let (listener, address) = listen(SERVICE + number)?;
                for _ in 0..90 {
                    held.push((TcpStream::connect(address)?, listener.accept()?.0));
                }
            }
            let line = says(netns, "ephemeral_ports", "ok")?;
            ensure!(line.count("/evidence/places/0/used_ports") == 90, "{}", line.text);
            ensure!(line.at("/evidence/sources/0/binds_first") == false, "{}", line.text);
            ensure!(line.count("/evidence/sources/0/shared_ports") > 50, "{}", line.text);
            Ok(())
        })
    })
}

/// Sockets that are bound and not connected take their ports from everybody.
#[test]
fn bound_and_idle_sockets_take_ports() -> Result<()> {
    if is_older_than(&BOUND_SOCKETS) {
        return Ok(());
    }
    bounded(|| {
        netns::run(|netns| {
            netns.set_sysctl("net/ipv4/ip_local_port_range", RANGE)?;
            let (_listener, address) = listen(SERVICE)?;
            let mut held = Vec::new();
            while let Ok(socket) = bound(Ipv4Addr::LOCALHOST) {
                held.push(socket);
            }
            ensure!(held.len() == 200, "{}", held.len());
            let line = says(netns, "ephemeral_ports", "act")?;
            ensure!(line.count("/evidence/bound_and_idle_ports") == 200, "{}", line.text);
            let failed = TcpStream::connect(address).err().context("there was one more")?;
            ensure!(is(&failed, Errno::ADDRNOTAVAIL), "{failed}");
            drop(held);
            says(netns, "ephemeral_ports", "ok")?;
            Ok(())
        })
    })
}

/// A program that opens a connection for each request to a backend that closes first.
fn proxied(count: u64) -> Result<()> {
    let (listener, address) = listen(SERVICE)?;
    for _ in 0..count {
        let Pair { client, server, .. } = Pair::to(&listener, address)?;
        drop(server);
        pair::read_eof(&client)?;
        drop(client);
    }
    Ok(())
}

/// The opener is named though it never closes first, and a rate above the ceiling does not contradict the verdict.
#[test]
fn a_backend_that_closes_first() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let tool = Tool::watching(tool::command(["doctor", "--output", "json", "--netns", &inode, "--watch", WATCH])?)?;
        netns.run(|netns| {
            // 1000 ports: 16.6 connections a second are the ceiling.
            netns.set_sysctl("net/ipv4/ip_local_port_range", "40000 40999")?;
            proxied(800)
        })?;
        let finished = tool.finish(SOON)?;
        let lines = finished.lines()?;
        let row = |name: &str| lines.iter().find(|line| line.at("/row") == name).with_context(|| format!("no {name}"));
        let short = row("short_connections")?;
        ensure!(short.at("/verdict") == "act", "{}", short.text);
        ensure!(short.at("/evidence/openers/0/pid") == std::process::id(), "{}", short.text);
        ensure!(short.at("/evidence/openers/0/to") == "127.0.0.1:5000", "{}", short.text);
        ensure!(short.count("/evidence/openers/0/short") == 800, "{}", short.text);
        ensure!(short.count("/evidence/openers/0/closed_first") == 0, "{}", short.text);
        ensure!(short.count("/evidence/closers/0/local_port") == 5000, "{}", short.text);
        ensure!(short.count("/evidence/closers/0/closed_first") == 800, "{}", short.text);
        says_text(short, "/finding", "the other side closes them first")?;
        says_text(short, "/advice", "a pool")?;
        says_text(short, "/advice", "keepalive_timeout")?;
        let ports = row("ephemeral_ports")?;
        ensure!(ports.at("/verdict") == "ok", "{}", ports.text);
        says_text(ports, "/finding", "the peer closes first, so the ports come back at once")?;
        Ok(())
    })
}

/// A capture of a server with more clients' ports than are told apart says who closes, and takes the options of a live
/// run.
#[test]
fn a_capture_of_a_busy_server() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    const CLOSES: u64 = 4300;
    bounded(|| {
        let (folder, netns) = (Folder::new()?, NetNs::new()?);
        let (file, inode) = (folder.file("busy.cap"), netns.inode().to_string());
        let tool = Tool::live(&["record", &file], &["--summary", "--netns", &inode])?;
        netns.run(|_| proxied(CLOSES))?;
        thread::sleep(Duration::from_secs(1));
        tool.stop()?.expect_code(0)?;
        let replay = |more: &[&str]| -> Result<tool::Finished> {
            let words = ["replay", &file, "--doctor", "--netns", &inode];
            let finished = Tool::start(tool::command(words.iter().chain(more))?)?.finish(SOON)?;
            finished.expect_code(0)?;
            Ok(finished)
        };
        let lines = replay(&["--output", "json", "--only", "short_connections"])?.lines()?;
        let [line] = lines.as_slice() else { anyhow::bail!("not one row: {lines:?}") };
        ensure!(line.at("/verdict") == "act", "{}", line.text);
        ensure!(line.count("/evidence/closes_not_counted") == 0, "{}", line.text);
        ensure!(line.count("/evidence/closers/0/local_port") == 5000, "{}", line.text);
        ensure!(line.count("/evidence/closers/0/closed_first") == CLOSES, "{}", line.text);
        ensure!(line.count("/evidence/openers/0/short") == CLOSES, "{}", line.text);
        let all = replay(&["--output", "json"])?.lines()?;
        ensure!(all.len() == 13 && all.first().is_some_and(|line| line.at("/verdict") == "act"), "{all:?}");
        let problems = replay(&["--problems-only"])?.stdout;
        ensure!(problems.starts_with("ACT") || problems.contains("\nACT"), "{problems}");
        ensure!(!problems.lines().any(|line| line.starts_with("ok") || line.starts_with("unknown")), "{problems}");
        let snippet = replay(&["--snippet"])?.stdout;
        ensure!(snippet.starts_with("# tcptrace doctor"), "{snippet}");
        Ok(())
    })
}

/// More sockets of one program than were once looked at: each is counted.
#[test]
fn every_held_socket_is_counted() -> Result<()> {
    bounded(|| {
        const HELD: u64 = 4200;
        let wanted = Some(2 * HELD + 500);
        let most = getrlimit(Resource::Nofile).maximum.map(|most| most.max(2 * HELD + 500));
        setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: most }).context("no more open files")?;
        netns::run(|netns| {
            let (listener, address) = listen(SERVICE)?;
            let mut held = Vec::new();
            for _ in 0..HELD {
                let Pair { client, server, .. } = Pair::to(&listener, address)?;
                pair::shut(&client)?;
                // The program that is started below inherits it.
                fcntl_setfd(&client, FdFlags::empty())?;
                held.push((client, server));
            }
            let actor = Path::new(env!("CARGO_BIN_EXE_actor"));
            let mut holder = Command::new(actor).arg(HOLD).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
            let (line, pid) = (says(netns, "fin_timeout", "watch"), holder.id());
            holder.kill()?;
            holder.wait()?;
            let line = line?;
            ensure!(line.count("/evidence/held_in_fin_wait2") == HELD, "{}", line.text);
            ensure!(line.count("/evidence/held_by/0/sockets") == HELD, "{}", line.text);
            ensure!(line.count("/evidence/held_by/0/pid") == u64::from(pid), "{}", line.text);
            ensure!(line.count("/evidence/held_by_unseen") == 0, "{}", line.text);
            Ok(())
        })
    })
}

/// A listener that closes with connections in its queue is named with the process that closed it.
#[test]
fn a_listener_that_closes_with_a_queue() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let words = ["doctor", "--output", "json", "--netns", &inode, "--watch", "4s", "--only", "syn_side"];
        let tool = Tool::watching(tool::command(words)?)?;
        netns.run(|_| {
            let (listener, address) = listen(SERVICE)?;
            let clients: Vec<TcpStream> =
                (0..7).map(|_| TcpStream::connect(address)).collect::<std::io::Result<_>>()?;
            drop(listener);
            thread::sleep(Duration::from_millis(300));
            drop(clients);
            Ok(())
        })?;
        let lines = tool.finish(SOON)?.lines()?;
        let [line] = lines.as_slice() else { anyhow::bail!("not one row: {lines:?}") };
        ensure!(line.at("/verdict") == "act", "{}", line.text);
        ensure!(line.count("/evidence/reset_by_closed_listeners") == 7, "{}", line.text);
        ensure!(line.count("/evidence/closed_listeners/0/port") == u64::from(SERVICE), "{}", line.text);
        ensure!(line.at("/evidence/closed_listeners/0/pid") == std::process::id(), "{}", line.text);
        says_text(line, "/advice", "accept() all of them before close()")
    })
}
