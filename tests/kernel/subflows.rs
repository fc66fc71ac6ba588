//! MPTCP: what is traced are the subflows, which are TCP sockets that end by themselves.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process, thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tcptrace::source::{
    btf::Btf,
    differences::{MPTCP, RESET_REASONS},
};
use tcptrace_tests::{
    netns::{NetNs, THREAD_NAME},
    pair::{self, Pair},
    tool::{Line, Tool},
};

use crate::{
    harness::{HOLD, SOON, bounded, is_older_than, lacks},
    judge,
    twin::{Twins, ends},
};

const IPPROTO_MPTCP: i32 = 262;
/// The process that MPTCP's worker would be taken for.
const KERNEL_THREAD: &str = "kworker";

fn socket() -> Result<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::from(IPPROTO_MPTCP))).context("no MPTCP socket")
}

fn listener() -> Result<TcpListener> {
    let socket = socket()?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(8)?;
    Ok(socket.into())
}

fn connect(listener: &TcpListener) -> Result<TcpStream> {
    let socket = socket()?;
    socket.connect(&listener.local_addr()?.into())?;
    Ok(socket.into())
}

/// A connection that is MPTCP on both sides, and has carried data.
fn connected() -> Result<Pair> {
    let listener = listener()?;
    let client = connect(&listener)?;
    let (server, _) = listener.accept()?;
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(SOON))?;
    }
    let ends = pair::Ends::of(&client)?;
    let mut pair = Pair { client, server, ends };
    pair.exchange(b"to the server", b"to the client")?;
    Ok(pair)
}

/// Runs tcptrace while `make` makes connections, until it has told this many closes.
fn closes(made: usize, make: impl Fn(&NetNs) -> Result<()> + Send + Sync) -> Result<(Vec<Line>, Line)> {
    let netns = NetNs::new()?;
    let tool = Tool::trace(&["--transitions"])?;
    netns.run(&make)?;
    tool.wait_for_closes(netns.inode(), made, SOON)?;
    let finished = tool.stop()?;
    finished.expect_code(0)?;
    let lines = finished.lines_in(netns.inode())?;
    Ok((lines, finished.summary()?))
}

/// Every line says that it is of a subflow, and none names a kernel thread.
fn are_subflows(lines: &[Line]) -> Result<()> {
    for line in lines {
        ensure!(*line.at("/mptcp") == true, "not told as a subflow: {}", line.text);
        let comm = line.at("/owner/comm").as_str().unwrap_or_default();
        ensure!(!comm.starts_with(KERNEL_THREAD), "a kernel thread owns it: {}", line.text);
    }
    Ok(())
}

fn told(lines: &[Line]) -> Vec<&Line> {
    lines.iter().filter(|line| line.is("close")).collect()
}

/// The server takes its time, which no subflow shows.
fn orderly(_: &NetNs) -> Result<()> {
    let Pair { client, mut server, .. } = connected()?;
    drop(client);
    ensure!(server.read(&mut [0])? == 0, "no end-of-file");
    thread::sleep(HOLD);
    drop(server);
    Ok(())
}

#[test]
fn a_subflow_is_marked_and_hides_what_it_cannot_know() -> Result<()> {
    if is_older_than(&MPTCP) {
        return Ok(());
    }
    bounded(|| {
        let (lines, summary) = closes(2, orderly)?;
        are_subflows(&lines)?;
        let closes = told(&lines);
        ensure!(closes.len() == 2, "{}", judge::shown(&lines));
        for line in &closes {
            for hidden in ["/phases_ns/fin_wait2", "/phases_ns/close_wait", "/close_ns"] {
                ensure!(line.at(hidden).is_null(), "{hidden} is told: {}", line.text);
            }
        }
        ensure!(summary.count("/mptcp") == 2, "{}", summary.text);
        let connecter = closes.iter().find(|line| line.at("/lifetime_ns").is_u64()).context("no connect was seen")?;
        ensure!(*connecter.at("/owner/comm") == THREAD_NAME, "{}", connecter.text);
        ensure!(*connecter.at("/owner/pid") == process::id(), "{}", connecter.text);
        Ok(())
    })
}

/// `mptcp_do_fastclose()` gives reason 11 (unread data) for everything, on 6.18.
fn fast_close(abort: impl Fn(Pair) -> Result<()> + Send + Sync + 'static) -> Result<()> {
    bounded(move || {
        let (lines, _) = closes(2, |_| abort(connected()?))?;
        are_subflows(&lines)?;
        let sent = told(&lines).into_iter().find(|line| *line.at("/outcome") == "reset_sent");
        let sent = sent.with_context(|| judge::shown(&lines))?;
        let reason = if lacks(&RESET_REASONS) { None } else { Some("mptcp_fastclose") };
        ensure!(sent.at("/reason").as_str() == reason, "{}", sent.text);
        ensure!(*sent.at("/owner/comm") == THREAD_NAME, "{}", sent.text);
        Ok(())
    })
}

#[test]
fn linger_0_is_a_fast_close() -> Result<()> {
    if is_older_than(&MPTCP) {
        return Ok(());
    }
    fast_close(|Pair { client, server, .. }| {
        SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
        drop(client);
        thread::sleep(HOLD);
        drop(server);
        Ok(())
    })
}

#[test]
fn unread_data_is_a_fast_close() -> Result<()> {
    if is_older_than(&MPTCP) {
        return Ok(());
    }
    fast_close(|Pair { client, mut server, .. }| {
        server.write_all(b"unread")?;
        client.peek(&mut [0])?;
        drop(client);
        thread::sleep(HOLD);
        drop(server);
        Ok(())
    })
}

/// A worker that closes a subflow must not hide it from who connected it, nor show it to who asks for the worker.
#[test]
fn filters_find_the_connecter() -> Result<()> {
    if is_older_than(&MPTCP) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        netns.run(|netns| {
            let pid = process::id().to_string();
            let ours = Twins::start(netns, &["--pid", &pid, "--comm", THREAD_NAME])?;
            orderly(netns)?;
            let owned = |line: &Line| *line.at("/owner/pid") == process::id();
            let said = ours.stop(2, 1)?;
            said.same_closes(owned)?;
            let mut closes = said.filtered.iter().filter(|line| line.is("close"));
            ensure!(closes.any(|line| ends(line)[0].port() != 0), "{}", judge::shown(&said.filtered));
            Ok(())
        })
    })
}

/// Plain TCP to an MPTCP listener is no subflow of anything.
#[test]
fn plain_tcp_beside_it_is_not_marked() -> Result<()> {
    if is_older_than(&MPTCP) {
        return Ok(());
    }
    bounded(|| {
        let (lines, summary) = closes(2, |_| {
            let listener = listener()?;
            let client = TcpStream::connect(listener.local_addr()?)?;
            let (server, _) = listener.accept()?;
            drop(client);
            drop(server);
            Ok(())
        })?;
        ensure!(lines.iter().all(|line| line.at("/mptcp").is_null()), "{}", judge::shown(&lines));
        ensure!(summary.at("/mptcp").is_null(), "{}", summary.text);
        Ok(())
    })
}

/// The mark is found as a `bool` and as a bit field, of which `tcp_sock` has some of one bit on every kernel.
#[test]
fn flags_are_found_in_the_kernels_types() -> Result<()> {
    if is_older_than(&MPTCP) {
        return Ok(());
    }
    let btf = Btf::of_running_kernel()?;
    let (_, mask) = btf.flag("tcp_sock", "is_mptcp")?;
    ensure!(mask == 0xff || mask.is_power_of_two(), "{mask:#x}");
    let (at, mask) = btf.flag("tcp_sock", "syn_data")?;
    let (beside, other) = btf.flag("tcp_sock", "syn_fastopen")?;
    ensure!(mask < 0x100 && mask.is_power_of_two() && other.is_power_of_two(), "{mask:#x}, {other:#x}");
    ensure!((at, mask) != (beside, other), "two flags in one place");
    ensure!(
        btf.flag("tcp_sock", "srtt_us").is_err() && btf.flag("tcp_sock", "nothing").is_err(),
        "a number is no flag"
    );
    Ok(())
}
