//! Whose a close is when a thread with a name of its own makes it: a worker of io_uring, a kernel thread, any thread.

use std::{
    io::{ErrorKind, Read},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::{AsRawFd, IntoRawFd},
    process, thread,
};

use anyhow::{Context, Result, ensure};
use io_uring::{IoUring, opcode, squeue, types};
use tcptrace_tests::{
    netns::{NetNs, THREAD_NAME},
    pair::{self, Pair},
    tool::{Line, Tool},
};

use crate::{
    harness::{HOLD, bounded},
    judge,
    twin::{Said, Twins},
};

/// Not the process's.
const OTHER_NAME: &str = "odd-one";
/// Milliseconds without work after which the thread of SQPOLL sleeps.
const SQPOLL_IDLE: u32 = 1000;

/// Runs `make`, which makes a connection's two closes, beside a run that asks for this process by name and one that
/// asks for another name.
fn told(make: impl Fn() -> Result<()> + Send + Sync + 'static) -> Result<Said> {
    let netns = NetNs::new()?;
    netns.run(|netns| {
        let others = Twins::start(netns, &["--comm", OTHER_NAME])?;
        let pid = process::id().to_string();
        let ours = Twins::start(netns, &["--comm", THREAD_NAME, "--pid", &pid])?;
        make()?;
        let is_ours = |line: &Line| *line.at("/owner/pid") == process::id();
        others.stop(2, 0)?.same_closes(|_| false)?;
        let said = ours.stop(2, 2)?;
        said.judge(is_ours)?;
        Ok(said)
    })
}

/// Both closes are this process's, under its own name.
fn all_ours(make: impl Fn() -> Result<()> + Send + Sync + 'static) -> Result<()> {
    bounded({
        let make = std::sync::Arc::new(make);
        move || {
            let make = std::sync::Arc::clone(&make);
            let said = told(move || make())?;
            for line in said.whole.iter().filter(|line| line.at("/owner").is_object()) {
                ensure!(*line.at("/owner/comm") == THREAD_NAME, "{}", line.text);
                ensure!(*line.at("/owner/pid") == process::id(), "{}", line.text);
            }
            Ok(())
        }
    })
}

fn connected() -> Result<Pair> {
    Pair::connect()
}

/// Submits one entry and waits for its result.
fn done(ring: &mut IoUring, entry: &squeue::Entry) -> Result<i32> {
    // SAFETY: what the entries here point at outlives their completion, which is waited for.
    unsafe { ring.submission().push(entry) }.context("the ring is full")?;
    ring.submit_and_wait(1)?;
    let result = ring.completion().next().context("no completion")?.result();
    ensure!(result >= 0, "the ring says {}", std::io::Error::from_raw_os_error(-result));
    Ok(result)
}

/// The rest of a close that the client began.
fn server_follows(mut server: TcpStream) -> Result<()> {
    loop {
        match server.read(&mut [0]) {
            // A ring that ends interrupts its thread.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) => return pair::close_passive(server),
            other => anyhow::bail!("expected end-of-file, read {other:?}"),
        }
    }
}

#[test]
fn a_thread_with_a_name_of_its_own() -> Result<()> {
    all_ours(|| {
        let Pair { client, server, .. } = connected()?;
        let thread = thread::Builder::new().name(OTHER_NAME.to_owned()).spawn(move || {
            drop(client);
        })?;
        thread.join().map_err(|_| anyhow::anyhow!("the thread panicked"))?;
        server_follows(server)
    })
}

/// A worker of the ring (`iou-wrk-PID`) makes the FIN.
#[test]
fn io_uring_shuts_down() -> Result<()> {
    all_ours(|| {
        let Pair { client, server, .. } = connected()?;
        let mut ring = IoUring::new(4)?;
        let how = rustix::net::Shutdown::Write as i32;
        let entry = opcode::Shutdown::new(types::Fd(client.as_raw_fd()), how).build().flags(squeue::Flags::ASYNC);
        done(&mut ring, &entry)?;
        server_follows(server)
    })
}

#[test]
fn io_uring_closes() -> Result<()> {
    all_ours(|| {
        let Pair { client, server, .. } = connected()?;
        let mut ring = IoUring::new(4)?;
        let entry = opcode::Close::new(types::Fd(client.into_raw_fd())).build().flags(squeue::Flags::ASYNC);
        done(&mut ring, &entry)?;
        server_follows(server)
    })
}

/// The thread that polls the ring (`iou-sqp-PID`) does it.
#[test]
fn io_uring_polls() -> Result<()> {
    all_ours(|| {
        let Pair { client, server, .. } = connected()?;
        let mut ring = IoUring::builder().setup_sqpoll(SQPOLL_IDLE).build(4)?;
        let how = rustix::net::Shutdown::Write as i32;
        let entry = opcode::Shutdown::new(types::Fd(client.as_raw_fd()), how).build();
        done(&mut ring, &entry)?;
        server_follows(server)
    })
}

/// A process is one key of `hist`, however many names its threads have.
#[test]
fn a_process_is_one_key() -> Result<()> {
    const THREADS: usize = 3;
    bounded(|| {
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let tool = Tool::live(&["hist"], &["--by", "process", "--output", "json", "--netns", &inode])?;
        netns.run(|_| {
            for number in 0..THREADS {
                let Pair { client, server, .. } = connected()?;
                let thread = thread::Builder::new().name(format!("{OTHER_NAME}-{number}"));
                let thread = thread.spawn(move || drop(client))?;
                thread.join().map_err(|_| anyhow::anyhow!("the thread panicked"))?;
                server_follows(server)?;
            }
            // A close is told up to 100 ms after its last event.
            thread::sleep(HOLD);
            Ok(())
        })?;
        let lines = tool.stop()?.lines()?;
        let total =
            |line: &&Line| line.is("histogram") && *line.at("/span") == "total" && *line.at("/remainder") == false;
        let keys: Vec<&Line> = lines.iter().filter(total).collect();
        let [line] = keys.as_slice() else { anyhow::bail!("{} keys:\n{}", keys.len(), judge::shown(&lines)) };
        ensure!(*line.at("/key/process") == THREAD_NAME, "{}", line.text);
        ensure!(line.count("/count") == 2 * THREADS as u64, "{}", line.text);
        Ok(())
    })
}

/// The last reference goes with the ring, in a kernel thread (`io_ring_exit_work()`): who connected stays the owner,
/// and nobody is named where nobody did.
#[test]
fn a_kernel_thread_owns_nothing() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        netns.run(|netns| {
            let pid = process::id().to_string();
            let twins = Twins::start(netns, &["--pid", &pid])?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let Pair { client, server, ends } = Pair::to(&listener, listener.local_addr()?)?;
            give_away(client)?;
            server_follows(server)?;
            let second = Pair::to(&listener, listener.local_addr()?)?;
            let accepted = second.ends.reversed();
            give_away(second.server)?;
            server_follows(second.client)?;
            let is_ours = |line: &Line| *line.at("/owner/pid") == process::id();
            let said = twins.stop(4, 3)?;
            said.same_closes(is_ours)?;
            let close = |of: pair::Ends| {
                let found = said.whole.iter().find(|line| line.is("close") && line.has_ends(of));
                found.with_context(|| judge::shown(&said.whole))
            };
            let connected = close(ends)?;
            ensure!(*connected.at("/owner/source") == "connect", "{}", connected.text);
            ensure!(*connected.at("/owner/comm") == THREAD_NAME, "{}", connected.text);
            ensure!(close(accepted)?.at("/owner").is_null(), "{}", close(accepted)?.text);
            for of in [ends, accepted] {
                let closing = |line: &&Line| line.has_ends(of) && *line.at("/new") == "fin_wait1";
                let event = said.whole.iter().find(closing).with_context(|| judge::shown(&said.whole))?;
                ensure!(event.at("/owner").is_null(), "no kernel thread closed it: {}", event.text);
            }
            Ok(())
        })
    })
}

/// Leaves a socket to a ring alone, and ends that.
fn give_away(stream: TcpStream) -> Result<()> {
    let ring = IoUring::new(4)?;
    ring.submitter().register_files(&[stream.as_raw_fd()])?;
    drop(stream);
    drop(ring);
    Ok(())
}
