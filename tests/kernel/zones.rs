//! Sockets that are bound to an interface: link-local addresses are told apart by nothing else.

use std::{
    io::Read,
    net::{Ipv6Addr, SocketAddrV6, TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};
use tcptrace_tests::{
    links,
    netns::NetNs,
    pair::Ends,
    proc_net::{self, State},
    tool::{self, Finished, Line, Tool},
};

use crate::harness::{Folder, SOON, bounded};

const CLIENT: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const SERVER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const SERVER_PORT: u16 = 5000;
const CLIENT_PORT: u16 = 40_000;
const LIMIT: Duration = Duration::from_secs(30);

/// A client with two links, each to a server of its own, with the same addresses on both. A thread of this process is
/// in each namespace, as a program would be.
struct Links {
    client: Arc<NetNs>,
    servers: [Arc<NetNs>; 2],
    /// What these threads wait for.
    _end: [SyncSender<()>; 3],
}

/// A namespace with a thread in it, which ends with the sender.
fn inhabited() -> Result<(Arc<NetNs>, SyncSender<()>)> {
    let netns = Arc::new(NetNs::new()?);
    let ((tell, told), (end, ended)) = (mpsc::sync_channel(1), mpsc::sync_channel::<()>(1));
    let there = Arc::clone(&netns);
    thread::spawn(move || {
        there.run(move |_| {
            tell.send(())?;
            // It never says anything: the other side is dropped.
            let _ = ended.recv();
            Ok(())
        })
    });
    told.recv().context("the thread did not come about")?;
    Ok((netns, end))
}

impl Links {
    const NAMES: [&str; 2] = ["left", "right"];

    fn new() -> Result<Self> {
        let [(client, a), (left, b), (right, c)] = [inhabited()?, inhabited()?, inhabited()?];
        let (servers, end) = ([left, right], [a, b, c]);
        client.run(|_| {
            links::veth(c"left", c"up", &servers[0])?;
            links::veth(c"right", c"up", &servers[1])
        })?;
        for server in &servers {
            server.run(|_| links::up("up", SERVER))?;
        }
        client.run(|_| Self::NAMES.iter().try_for_each(|name| links::up(name, CLIENT).map(|_| ())))?;
        Ok(Self { client, servers, _end: end })
    }

    /// One connection over a link, always with the same ends. The client closes; the server follows, or does `hold`
    /// with its socket before.
    fn connect(&self, link: usize, hold: impl FnOnce(&TcpStream) -> Result<()> + Send) -> Result<()> {
        let server = &self.servers[link];
        let (tell, told) = mpsc::sync_channel(1);
        thread::scope(|scope| {
            let serving = scope.spawn(move || {
                server.run(move |_| {
                    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, SERVER_PORT))?;
                    tell.send(())?;
                    let (mut stream, _) = listener.accept()?;
                    stream.read_to_end(&mut Vec::new())?;
                    hold(&stream)
                })
            });
            told.recv().context("the server does not listen")?;
            self.client.run(|_| {
                let index = links::index(Self::NAMES[link])?;
                let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
                socket.set_reuse_address(true)?;
                socket.bind(&SocketAddrV6::new(CLIENT, CLIENT_PORT, 0, index).into())?;
                socket.connect(&SocketAddrV6::new(SERVER, SERVER_PORT, 0, index).into())?;
                Ok(())
            })?;
            serving.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
        })
    }
}

fn run(arguments: &[&str]) -> Result<Finished> {
    let finished = Tool::start(tool::command(arguments)?)?.finish(LIMIT)?;
    finished.expect_code(0)?;
    Ok(finished)
}

fn interfaces<'a>(lines: &'a [Line], kind: &str) -> Vec<&'a str> {
    lines.iter().filter(|line| line.is(kind)).filter_map(|line| line.at("/interface").as_str()).collect()
}

#[test]
fn two_links_give_two_different_lines() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let capture = folder.file("zones.cap");
        let links = Links::new()?;
        let recording = Tool::live(&["record", &capture], &[])?;
        let tool = Tool::trace(&["--transitions"])?;
        for link in [0, 1] {
            links.connect(link, |_| Ok(()))?;
            tool.wait_for_closes(links.client.inode(), link + 1, SOON)?;
            tool.wait_for_closes(links.servers[link].inode(), 1, SOON)?;
        }
        let finished = tool.stop()?;
        recording.stop()?.expect_code(0)?;
        let lines = finished.lines_in(links.client.inode())?;
        let closes: Vec<&Line> = lines.iter().filter(|line| line.is("close")).collect();
        for line in &closes {
            ensure!(
                *line.at("/local") == "[fe80::1]:40000" && *line.at("/remote") == "[fe80::2]:5000",
                "{}",
                line.text
            );
        }
        ensure!(interfaces(&lines, "close") == Links::NAMES, "{}", finished.stdout);
        ensure!(closes[0].at("/interface_index") != closes[1].at("/interface_index"), "{}", finished.stdout);
        let transitions = interfaces(&lines, "transition");
        ensure!(Links::NAMES.iter().all(|name| transitions.contains(name)), "{transitions:?}");
        for server in &links.servers {
            ensure!(interfaces(&finished.lines_in(server.inode())?, "close") == ["up"], "{}", finished.stdout);
        }
        replayed(&capture, &links)
    })
}

/// The names are in the capture: nothing of this host is asked.
fn replayed(capture: &str, links: &Links) -> Result<()> {
    let netns = links.client.inode().to_string();
    let table = run(&["replay", capture, "--netns", &netns])?.stdout;
    for name in Links::NAMES {
        ensure!(table.contains(&format!(" [fe80::1%{name}]:40000 ")), "{table}");
    }
    let keys = run(&["replay", capture, "--netns", &netns, "--by", "interface", "--output", "json"])?.stdout;
    let export = ["export", capture, "--netns", &netns, "--format", "csv", "--table", "closes", "--out", "-"];
    let rows = run(&export)?.stdout;
    for name in Links::NAMES {
        ensure!(keys.contains(&format!("\"interface\":\"{name}\"")), "{keys}");
        ensure!(rows.lines().filter(|row| row.contains(&format!(",{name},"))).count() == 1, "{rows}");
    }
    Ok(())
}

#[test]
fn listings_show_the_interface() -> Result<()> {
    bounded(|| {
        let links = Links::new()?;
        let netns = links.servers[0].inode().to_string();
        links.connect(0, |stream| {
            proc_net::wait_for(Ends::of(stream)?, State::CloseWait)?;
            let look = ["leaks", "--sockets", "--netns", &netns, "--leak-after", "1ms"];
            let table = run(&look)?.stdout;
            ensure!(table.contains("[fe80::2%up]:5000"), "{table}");
            let lines = run(&[look.as_slice(), &["--output", "json"]].concat())?.lines()?;
            ensure!(interfaces(&lines, "finding") == ["up"], "{lines:?}");
            Ok(())
        })
    })
}
