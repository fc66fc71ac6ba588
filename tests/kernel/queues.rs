//! Listeners that are closed while connections wait in their queues: each of those is reset.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process,
};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};
use tcptrace_tests::{
    child::{Actor, HOLD as SIT},
    netns::{NetNs, THREAD_NAME},
    pair::{self, Ends},
    proc_net::{self, State},
    tool::{Line, Tool},
};

use crate::{
    harness::{SOON, bounded},
    judge,
    twin::{Said, Twins},
};

/// Connections in a queue.
const QUEUED: usize = 5;

fn listener() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
}

/// Clients that nobody accepts, all in the queue.
fn queue(at: SocketAddr) -> Result<Vec<TcpStream>> {
    let clients: Vec<TcpStream> = (0..QUEUED).map(|_| TcpStream::connect(at)).collect::<Result<_, _>>()?;
    for client in &clients {
        proc_net::wait_for(Ends::of(client)?.reversed(), State::Established)?;
    }
    Ok(clients)
}

fn is_closed_listeners(line: &Line) -> bool {
    *line.at("/reason") == "listener_closed"
}

/// Every queued connection is told as that, and is of the process that closed the listener.
fn judge_queue(lines: &[Line], clients: &[Ends], pid: u32, comm: &str) -> Result<()> {
    let told: Vec<&Line> = lines.iter().filter(|line| line.is("close") && is_closed_listeners(line)).collect();
    ensure!(told.len() == clients.len(), "{} of {}:\n{}", told.len(), clients.len(), judge::shown(lines));
    for client in clients {
        let line = told.iter().find(|line| line.has_ends(client.reversed())).with_context(|| judge::shown(lines))?;
        ensure!(*line.at("/outcome") == "reset_sent" && *line.at("/role") == "abort", "{}", line.text);
        ensure!(*line.at("/owner/pid") == pid && *line.at("/owner/comm") == comm, "{}", line.text);
        ensure!(*line.at("/owner/source") == "close", "{}", line.text);
    }
    Ok(())
}

fn all_ends(clients: &[TcpStream]) -> Result<Vec<Ends>> {
    clients.iter().map(Ends::of).collect()
}

/// One of them has closed already, so its connection waits in CLOSE_WAIT.
#[test]
fn a_closed_listener_is_the_reason() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[])?;
        let clients = netns.run(|_| {
            let listener = listener()?;
            let clients = queue(listener.local_addr()?)?;
            let ends = all_ends(&clients)?;
            pair::shut(&clients[0])?;
            proc_net::wait_for(ends[0].reversed(), State::CloseWait)?;
            drop(listener);
            Ok(ends)
        })?;
        tool.wait_for_closes(netns.inode(), 2 * QUEUED, SOON)?;
        let finished = tool.stop()?;
        let (lines, summary) = (finished.lines_in(netns.inode())?, finished.summary()?);
        judge_queue(&lines, &clients, process::id(), THREAD_NAME)?;
        ensure!(summary.count("/listener_closed") >= QUEUED as u64, "{}", summary.text);
        let peers = lines.iter().filter(|line| *line.at("/outcome") == "reset_received").count();
        ensure!(peers == QUEUED, "{peers} peers:\n{}", judge::shown(&lines));
        Ok(())
    })
}

/// A reload: workers share a port, and one of them goes.
#[test]
fn a_worker_with_so_reuseport_goes() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[])?;
        let (queued, pid) = netns.run(|_| {
            let at = listener_of_many(None)?;
            let address = at.local_addr()?;
            let other = listener_of_many(Some(address))?;
            let clients = queue(address)?;
            let worker = Actor::given(Path::new(env!("CARGO_BIN_EXE_actor")), SIT, other)?;
            let pid = worker.pid();
            let ends = all_ends(&clients)?;
            worker.kill()?;
            // What the first one has in its queue stays.
            let open =
                ends.iter().filter(|ends| proc_net::find(ends.reversed()).is_ok_and(|row| row.is_some())).count();
            let gone = QUEUED - open;
            drop((at, clients));
            Ok((gone, pid))
        })?;
        tool.wait_for_closes(netns.inode(), 2 * QUEUED, SOON)?;
        let lines = tool.stop()?.lines_in(netns.inode())?;
        let of = |pid: u32| {
            let told = lines.iter().filter(|line| line.is("close") && is_closed_listeners(line));
            told.filter(|line| *line.at("/owner/pid") == pid).count()
        };
        ensure!(of(pid) == queued, "{queued} were in its queue:\n{}", judge::shown(&lines));
        ensure!(of(process::id()) == QUEUED - queued, "the others:\n{}", judge::shown(&lines));
        Ok(())
    })
}

fn listener_of_many(at: Option<SocketAddr>) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&at.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).into())?;
    socket.listen(i32::try_from(QUEUED)?)?;
    Ok(socket.into())
}

/// Whose listener it was is whom the filters ask for.
#[test]
fn filters_ask_for_who_closed_the_listener() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        netns.run(|netns| {
            let listener = listener()?;
            let at = listener.local_addr()?;
            let other = self::listener()?;
            let others = other.local_addr()?;
            let held = Actor::given(Path::new(env!("CARGO_BIN_EXE_actor")), SIT, listener)?;
            let pid = held.pid();
            let port = at.port().to_string();
            let by_pid = Twins::start(netns, &["--pid", &pid.to_string()])?;
            let by_comm = Twins::start(netns, &["--comm", "actor", "--local-port", &port])?;
            let (clients, rest) = (queue(at)?, queue(others)?);
            pair::shut(&clients[0])?;
            proc_net::wait_for(Ends::of(&clients[0])?.reversed(), State::CloseWait)?;
            let ends = all_ends(&clients)?;
            held.kill()?;
            drop(other);
            let is_its = |line: &Line| *line.at("/owner/pid") == pid;
            let check = |said: &Said| {
                said.same_closes(is_its)?;
                judge_queue(&said.filtered, &ends, pid, "actor")
            };
            check(&by_pid.stop(4 * QUEUED, QUEUED)?)?;
            check(&by_comm.stop(4 * QUEUED, QUEUED)?)?;
            drop((clients, rest));
            Ok(())
        })
    })
}

/// What ends an unaccepted connection from outside is not the listener's doing.
#[test]
fn a_reset_of_a_queued_connection_is_the_peers() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[])?;
        netns.run(|_| {
            let listener = listener()?;
            for client in queue(listener.local_addr()?)? {
                let ends = Ends::of(&client)?;
                pair::close_with_reset(client)?;
                proc_net::wait_gone(ends.reversed())?;
            }
            drop(listener);
            Ok(())
        })?;
        tool.wait_for_closes(netns.inode(), 2 * QUEUED, SOON)?;
        let lines = tool.stop()?.lines_in(netns.inode())?;
        let received: Vec<&Line> = lines.iter().filter(|line| *line.at("/outcome") == "reset_received").collect();
        ensure!(received.len() == QUEUED, "{}", judge::shown(&lines));
        for line in received {
            ensure!(line.at("/reason").is_null() && line.at("/owner").is_null(), "{}", line.text);
        }
        ensure!(!lines.iter().any(is_closed_listeners), "{}", judge::shown(&lines));
        Ok(())
    })
}
