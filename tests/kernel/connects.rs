//! `--failed-connects`: each kind of failure, made with real sockets.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process, thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};
use tcptrace_tests::{
    netns::{NetNs, THREAD_NAME},
    pair::Ends,
    tool::{self, Line, Tool},
};

use crate::{
    harness::{Folder, HOLD, SOON, bounded},
    judge,
};

const LIMIT: Duration = Duration::from_secs(30);
const OPTION: &str = "--failed-connects";

/// A listener whose queue is full: it answers no SYN (`tcp_conn_request()`).
struct Full {
    listener: Socket,
    _queued: TcpStream,
}

impl Full {
    fn new() -> Result<Self> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(0)?;
        let at = listener.local_addr()?.as_socket().context("no address")?;
        let queued = TcpStream::connect(at)?;
        Ok(Self { listener, _queued: queued })
    }

    fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr()?.as_socket().context("no address")
    }
}

/// A connect that has begun, and has no answer.
fn begin(to: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let begun = socket.connect(&to.into());
    ensure!(begun.is_err_and(|error| error.raw_os_error() == Some(115)), "it does not wait");
    Ok(socket)
}

/// An address where nobody listens.
fn nowhere() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The one failed connect that `make` makes; it returns the destination.
fn failed(
    make: impl Fn(&NetNs) -> Result<SocketAddr> + Send + Sync + 'static,
    failure: &'static str,
    least: Duration,
) -> Result<()> {
    bounded(move || {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[OPTION])?;
        let to = netns.run(&make)?;
        let is_failed = |line: &Line| line.is("failed_connect");
        tool.wait_for(netns.inode(), "a failed connect", |lines| lines.iter().any(is_failed), SOON)?;
        let finished = tool.stop()?;
        let lines = finished.lines_in(netns.inode())?;
        let told: Vec<&Line> = lines.iter().filter(|line| is_failed(line)).collect();
        let [line] = told.as_slice() else { anyhow::bail!("{} lines:\n{}", told.len(), judge::shown(&lines)) };
        ensure!(*line.at("/failure") == failure, "{}", line.text);
        ensure!(*line.at("/remote") == to.to_string().as_str(), "{}", line.text);
        ensure!(*line.at("/owner/pid") == process::id() && *line.at("/owner/comm") == THREAD_NAME, "{}", line.text);
        let took = Duration::from_nanos(line.count("/took_ns"));
        ensure!(line.at("/took_ns").is_u64() && took >= least && took < LIMIT, "{}", line.text);
        let summary = finished.summary()?;
        ensure!(summary.count(&format!("/failed_connects/{failure}")) >= 1, "{}", summary.text);
        let rows = summary.at("/failed_connects_by").as_array().context("no rows")?;
        let row = rows.iter().find(|row| row["remote"] == to.to_string().as_str()).context("no row")?;
        ensure!(row["comm"] == THREAD_NAME && row["count"] == 1 && row[failure] == 1, "{row}");
        Ok(())
    })
}

#[test]
fn refused() -> Result<()> {
    let make = |_: &NetNs| {
        let to = nowhere()?;
        ensure!(TcpStream::connect(to).is_err(), "somebody listens");
        Ok(to)
    };
    failed(make, "refused", Duration::ZERO)
}

#[test]
fn timed_out() -> Result<()> {
    let make = |netns: &NetNs| {
        netns.set_sysctl("net/ipv4/tcp_syn_retries", "1")?;
        let full = Full::new()?;
        let to = full.address()?;
        ensure!(TcpStream::connect(to).is_err_and(|error| error.raw_os_error() == Some(110)), "no timeout");
        Ok(to)
    };
    failed(make, "timed_out", Duration::from_secs(2))
}

/// The way there is lost while it connects (`inet_sk_rebuild_header()` keeps the error, `tcp_write_err()` tells it).
#[test]
fn unreachable() -> Result<()> {
    let make = |netns: &NetNs| {
        netns.set_sysctl("net/ipv4/tcp_syn_retries", "1")?;
        let full = Full::new()?;
        let to = full.address()?;
        // Asking the socket for its error would take the one that is kept.
        let connecting = thread::spawn(move || TcpStream::connect(to).err().and_then(|error| error.raw_os_error()));
        thread::sleep(HOLD);
        netns.lose_routes()?;
        let errno = connecting.join().map_err(|_| anyhow::anyhow!("the thread panicked"))?;
        ensure!(matches!(errno, Some(101 | 113)), "neither ENETUNREACH nor EHOSTUNREACH: {errno:?}");
        Ok(to)
    };
    failed(make, "unreachable", Duration::from_secs(1))
}

#[test]
fn abandoned() -> Result<()> {
    let make = |_: &NetNs| {
        let full = Full::new()?;
        let to = full.address()?;
        let socket = begin(to)?;
        thread::sleep(HOLD);
        drop(socket);
        Ok(to)
    };
    failed(make, "abandoned", HOLD)
}

#[test]
fn no_local_port() -> Result<()> {
    let make = |netns: &NetNs| {
        netns.set_sysctl("net/ipv4/ip_local_port_range", "40000 40000")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 5000))?;
        let to = listener.local_addr()?;
        let first = TcpStream::connect(to)?;
        ensure!(TcpStream::connect(to).is_err(), "there is a second port");
        drop(first);
        Ok(to)
    };
    failed(make, "no_local_port", Duration::ZERO)
}

/// Nobody asks, nothing is told; a capture holds them all the same, and its replay tells what a live run would.
#[test]
fn a_capture_tells_them_when_asked() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let netns = NetNs::new()?;
        let live = Tool::live(&["record", &file], &["--show", "--output", "json", OPTION])?;
        let quiet = Tool::trace(&[])?;
        let drawn = Tool::live(&["hist"], &["--output", "json", OPTION])?;
        netns.run(|_| {
            let to = nowhere()?;
            for _ in 0..3 {
                ensure!(TcpStream::connect(to).is_err(), "somebody listens");
            }
            Ok(())
        })?;
        let three = |lines: &[Line]| lines.iter().filter(|line| line.is("failed_connect")).count() == 3;
        live.wait_for(netns.inode(), "3 failed connects", three, SOON)?;
        let live = live.stop()?;
        let again = |options: &[&str]| {
            let command = tool::command(["replay", &file, "--output", "json"].iter().chain(options))?;
            Tool::start(command)?.finish(LIMIT)
        };
        ensure!(live.stdout == again(&[OPTION])?.stdout, "the replay says something else");
        let silent = [quiet.stop()?, again(&[])?];
        for finished in &silent {
            ensure!(!finished.stdout.contains("failed_connect"), "{}", finished.stdout);
        }
        let summary = drawn.stop()?.summary()?;
        ensure!(summary.count("/failed_connects/refused") >= 3, "{}", summary.text);
        Ok(())
    })
}

#[test]
fn filters_hold_for_them() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let pid = process::id().to_string();
        let inode = netns.inode().to_string();
        let both = ["--netns", inode.as_str(), OPTION];
        let ours = Tool::trace(&[both.as_slice(), &["--pid", &pid, "--comm", THREAD_NAME]].concat())?;
        let others = Tool::trace(&[both.as_slice(), &["--comm", "somebody-else"]].concat())?;
        let to = netns.run(|_| {
            let to = nowhere()?;
            ensure!(TcpStream::connect(to).is_err(), "somebody listens");
            // An ordinary close, which both must get through.
            let pair = tcptrace_tests::pair::Pair::connect()?;
            let _: Ends = pair.ends;
            drop(pair);
            Ok(to)
        })?;
        let is_failed = |line: &Line| line.is("failed_connect") && *line.at("/remote") == to.to_string().as_str();
        ours.wait_for(netns.inode(), "a failed connect", |lines| lines.iter().any(is_failed), SOON)?;
        ours.stop()?.expect_code(0)?;
        let finished = others.stop()?;
        ensure!(!finished.lines_in(netns.inode())?.iter().any(is_failed), "{}", finished.stdout);
        ensure!(finished.summary()?.count("/failed_connects/refused") == 0, "{}", finished.stdout);
        Ok(())
    })
}
