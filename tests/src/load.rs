//! Many short connections as quickly as two threads can: one connects and closes, one accepts, reads
//! end-of-file and closes. No data, and no connection ends with a reset. (Some are sent all the same: a second
//! acknowledgement that comes when the server's socket is gone meets the listener, which answers so.)

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::netns::NetNs;

/// Below the range that clients take their ports from.
const SERVER_PORT: u16 = 99;
/// So many 127.0.0.x are connected to. Each has all client ports to itself, so that a port is needed again
/// only after some seconds, when `tcp_tw_reuse` lets it be had.
const TARGETS: u64 = 4;
/// The client stays ahead of the server by less than this, so that the queue of the listener never overflows:
/// a SYN that was dropped costs a second.
const MOST_AHEAD: u64 = 512;
const BACKLOG: i32 = 4096;
/// Connections that were opened reach the server within this.
const LIMIT: Duration = Duration::from_secs(10);
/// The server takes what has gathered in this time. Waking it for each connection would cost the client more
/// than the connection does.
const GATHER: Duration = Duration::from_micros(200);

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// After this many connections.
    Connections(u64),
    /// After this time.
    Time(Duration),
}

/// How the sides close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server's FIN acknowledges the client's: three segments.
    ThreeWay,
    /// The server acknowledges first, and the kernel hands the client's orphan over to a timewait socket in FIN_WAIT2.
    HandOver,
}

/// What was done.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Connections opened and closed on both sides.
    pub connections: u64,
    /// From the first connect to the last close.
    pub took: Duration,
    /// Connections that did not come about.
    pub errors: u64,
}

impl Report {
    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let seconds = self.took.as_secs_f64();
        // Counts here are far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let per_second = (self.connections as f64 / seconds).round();
        json!({"connections": self.connections, "seconds": seconds, "per_second": per_second, "errors": self.errors})
    }
}

/// What both threads tell each other.
struct Progress {
    closed: AtomicU64,
    /// How many there will be; unknown until the client is done.
    total: AtomicU64,
    server_failed: AtomicBool,
}

const UNKNOWN: u64 = u64::MAX;

/// Runs the load in this namespace, whose sysctls it changes.
///
/// # Errors
/// When the server cannot work; connections that fail are counted.
pub fn run(netns: &NetNs, amount: Amount, ending: Ending) -> Result<Report> {
    netns.set_sysctl("net/ipv4/ip_local_port_range", "1024 65535")?;
    netns.set_sysctl("net/ipv4/tcp_tw_reuse", "1")?;
    // Room for a timewait socket on every port: without one, a closed socket answers FINs with resets.
    netns.set_sysctl("net/ipv4/tcp_max_tw_buckets", "1048576")?;
    netns.set_sysctl("net/core/somaxconn", &BACKLOG.to_string())?;
    let listener = listen()?;
    let progress =
        Progress { closed: AtomicU64::new(0), total: AtomicU64::new(UNKNOWN), server_failed: AtomicBool::new(false) };
    thread::scope(|scope| {
        let server = thread::Builder::new().name("server".to_owned()).spawn_scoped(scope, || {
            let result = serve(&listener, &progress, ending);
            progress.server_failed.store(result.is_err(), Ordering::Release);
            result
        })?;
        let start = Instant::now();
        let (opened, errors) = connect(amount, &progress);
        progress.total.store(opened, Ordering::Release);
        let end = server.join().map_err(|_| anyhow::anyhow!("the server panicked"))??;
        Ok(Report { connections: opened, took: end.saturating_duration_since(start), errors })
    })
}

fn listen() -> Result<Socket> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVER_PORT));
    listener.bind(&everywhere.into()).context("cannot bind the server")?;
    listener.listen(BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Opens and closes; says how often that worked, and how often not.
fn connect(amount: Amount, progress: &Progress) -> (u64, u64) {
    let start = Instant::now();
    let (mut opened, mut errors) = (0, 0);
    loop {
        let tried: u64 = opened + errors;
        let enough = match amount {
            Amount::Connections(connections) => tried >= connections,
            Amount::Time(time) => start.elapsed() >= time,
        };
        if enough {
            return (opened, errors);
        }
        while opened >= progress.closed.load(Ordering::Acquire) + MOST_AHEAD {
            if progress.server_failed.load(Ordering::Acquire) {
                return (opened, errors);
            }
            thread::yield_now();
        }
        let target = u8::try_from(tried % TARGETS).unwrap_or_default() + 1;
        match TcpStream::connect((Ipv4Addr::new(127, 0, 0, target), SERVER_PORT)) {
            Ok(stream) => {
                drop(stream);
                opened += 1;
            }
            Err(_) => errors += 1,
        }
    }
}

/// Accepts and closes until all are closed; says when the last one was.
fn serve(listener: &Socket, progress: &Progress, ending: Ending) -> Result<Instant> {
    let mut last = Instant::now();
    let mut closed = 0;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                read_eof(&stream)?;
                if ending == Ending::HandOver {
                    // Sends what was put off: the acknowledgement of the FIN.
                    stream.set_tcp_quickack(true)?;
                }
                drop(stream);
                closed += 1;
                progress.closed.store(closed, Ordering::Release);
                last = Instant::now();
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let total = progress.total.load(Ordering::Acquire);
                if closed >= total {
                    return Ok(last);
                }
                let overdue = total != UNKNOWN && last.elapsed() > LIMIT;
                ensure!(!overdue, "{total} connections were opened, and {closed} came to the server");
                thread::sleep(GATHER);
            }
            Err(error) => return Err(error).context("cannot accept"),
        }
    }
}

/// The client closes first, always.
fn read_eof(mut stream: &Socket) -> Result<()> {
    stream.read(&mut [0]).context("cannot read end-of-file")?;
    Ok(())
}
