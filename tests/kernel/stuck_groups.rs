//! Groups of `stuck`: by owner, or by the service whose orphans they are. No BPF here.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use tcptrace_tests::{
    child::{Actor, HOLD},
    filter,
    netns::{self, NetNs},
    pair::{Ends, Pair, shut},
    proc_net::{self, State},
    tool::{self, Line, Tool},
    wait,
};

use crate::{
    harness::{SOON, bounded},
    listings::{texts, told},
};

/// In no range of ephemeral ports.
const SERVICE: u16 = 7070;
const COUNT: u64 = 3;

/// Connections whose server, or else whose client, has closed into the void.
fn orphans(listener: &TcpListener, by_server: bool) -> Result<Vec<(Pair, Ends)>> {
    let mut pairs = Vec::new();
    for _ in 0..COUNT {
        let pair = Pair::to(listener, listener.local_addr()?)?;
        let ends = if by_server { pair.ends.reversed() } else { pair.ends };
        pairs.push((pair, ends));
    }
    Ok(pairs)
}

fn groups(lines: &[Line]) -> Vec<&Line> {
    lines.iter().filter(|line| line.is("stuck_group")).collect()
}

fn table(netns: &NetNs, more: &[&str]) -> Result<String> {
    let netns = netns.inode().to_string();
    let words = ["stuck", "--stuck-after", "1ms", "--netns", &netns];
    let finished = Tool::start(tool::command(words.iter().chain(more))?)?.finish(SOON)?;
    finished.expect_code(0)?;
    Ok(finished.stdout)
}

/// The listener, which a helper has, names the service of the orphans on its port.
#[test]
fn orphans_of_a_listeners_port() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            let mut clients = Vec::new();
            for (Pair { client, server, .. }, ends) in orphans(&listener, true)? {
                filter::drop_all(&client)?;
                drop(server);
                proc_net::wait_for(ends, State::FinWait1)?;
                clients.push((client, ends));
            }
            let actor = Actor::given(Path::new(env!("CARGO_BIN_EXE_actor")), HOLD, listener)?;
            let lines = told("stuck", netns)?;
            let [group] = groups(&lines)[..] else { anyhow::bail!("{:?}", texts(&lines)) };
            ensure!(group.at("/service/side") == "local" && group.at("/service/port") == port, "{}", group.text);
            ensure!(group.at("/service/holders/0/pid") == actor.pid(), "{}", group.text);
            ensure!(group.at("/orphans") == true && group.at("/pid").is_null(), "{}", group.text);
            ensure!(group.count("/sockets") == COUNT && group.at("/reason") == "fin_unacked", "{}", group.text);
            ensure!(group.count("/remotes/0/sockets") == COUNT, "{}", group.text);
            let findings: Vec<&Line> = lines.iter().filter(|line| line.is("finding")).collect();
            let oldest = findings.iter().map(|line| line.count("/age_ns")).max();
            ensure!(oldest == Some(group.count("/oldest_ns")) && findings.len() as u64 == COUNT, "{:?}", texts(&lines));
            // A person sees the group, and each socket when asked for.
            let title =
                format!("orphans on port {port} of {}/{}  {COUNT} stuck in fin_wait1", actor.comm()?, actor.pid());
            for (more, each) in [(&[][..], false), (&["--sockets"], true)] {
                let text = table(netns, more)?;
                ensure!(text.contains(&title), "{text}");
                let shown = clients.iter().all(|(_, ends)| text.contains(&ends.remote.to_string()));
                ensure!(shown == each, "{text}");
            }
            Ok(())
        })
    })
}

/// Of connections that this host opened, the remote port names the service.
#[test]
fn orphans_of_a_port_elsewhere() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, SERVICE)))?;
            let mut servers = Vec::new();
            for (Pair { client, server, .. }, ends) in orphans(&listener, false)? {
                filter::drop_all(&server)?;
                drop(client);
                proc_net::wait_for(ends, State::FinWait1)?;
                servers.push(server);
            }
            let by_port = |lines: &[Line]| -> Result<()> {
                let [group] = groups(lines)[..] else { anyhow::bail!("{:?}", texts(lines)) };
                ensure!(group.at("/service/side") == "remote", "{}", group.text);
                ensure!(group.at("/service/port") == SERVICE && group.count("/sockets") == COUNT, "{}", group.text);
                Ok(())
            };
            by_port(&told("stuck", netns)?)?;
            drop(listener);
            by_port(&told("stuck", netns)?).context("without its listener")
        })
    })
}

/// A program that holds a socket whose FIN is never acknowledged, and the peer that drops it.
fn held_in_fin_wait1() -> Result<(Actor, TcpStream)> {
    let Pair { client, server, ends } = Pair::connect()?;
    filter::drop_all(&server)?;
    shut(&client)?;
    proc_net::wait_for(ends, State::FinWait1)?;
    Ok((crate::listings::actor(HOLD, client)?, server))
}

/// Sockets that a program holds are that program's.
#[test]
fn sockets_that_are_held() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (actor, _server) = held_in_fin_wait1()?;
            let lines = told("stuck", netns)?;
            let [group] = groups(&lines)[..] else { anyhow::bail!("{:?}", texts(&lines)) };
            ensure!(group.at("/pid") == actor.pid() && group.at("/service").is_null(), "{}", group.text);
            ensure!(group.at("/orphans") == false, "{}", group.text);
            Ok(())
        })
    })
}

/// With --watch, an orphan is of the process that had it in an earlier round.
#[test]
fn an_orphan_of_a_program_that_ended() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (actor, _server) = held_in_fin_wait1()?;
            let (pid, inode) = (actor.pid(), netns.inode().to_string());
            let words = ["stuck", "--watch", "200ms", "--stuck-after", "300ms", "--output", "json", "--netns", &inode];
            let tool = Tool::start(tool::command(words)?)?;
            let seen = |orphans: bool| {
                wait::until("a group of the process", SOON, || {
                    let text = tool.stdout();
                    let lines = text.lines().map(Line::parse).collect::<Result<Vec<_>>>()?;
                    let is = |group: &&Line| group.at("/pid") == pid && group.at("/orphans") == orphans;
                    Ok(groups(&lines).iter().any(is).then_some(()))
                })
            };
            seen(false)?;
            actor.kill()?;
            seen(true)?;
            tool.stop()?.expect_code(0)
        })
    })
}
