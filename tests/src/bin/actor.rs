//! Connects to the address in its argument, says so, and holds the connection until it is killed or its standard
//! input ends: as a program that never looks at it, or as the second argument says.

use std::{
    env,
    io::{self, Read, Write},
    net::TcpStream,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use rustix::event::epoll;
use tcptrace_tests::child::{CONNECTED, HOLD, POLL, READ, SHARE};

fn main() -> Result<()> {
    let target = env::args().nth(1).context("usage: actor ADDRESS [poll|read|share]")?;
    if target == HOLD {
        return wait();
    }
    let mut stream = TcpStream::connect(&target).with_context(|| format!("cannot connect to {target}"))?;
    let mode = env::args().nth(2);
    // What a mode makes has to live as long as the connection.
    let mut sets: Vec<OwnedFd> = Vec::new();
    let mut others: Vec<Child> = Vec::new();
    match mode.as_deref() {
        Some(POLL) => sets.push(polled(&stream)?),
        Some(SHARE) => others.push(shared(&stream)?),
        None | Some(READ) => {}
        Some(other) => bail!("what is {other}?"),
    }
    let ids: String = others.iter().map(|child| format!(" {}", child.id())).collect();
    let mut stdout = io::stdout();
    writeln!(stdout, "{CONNECTED}{ids}")?;
    stdout.flush()?;
    if mode.as_deref() == Some(READ) {
        stream.read_to_end(&mut Vec::new())?;
    }
    wait()?;
    drop((stream, sets));
    for mut child in others {
        drop(child.stdin.take());
        child.wait()?;
    }
    Ok(())
}

fn wait() -> Result<()> {
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn polled(stream: &TcpStream) -> Result<OwnedFd> {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&set, stream, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    Ok(set)
}

/// Another process that has the connection as its standard output, and never uses it.
fn shared(stream: &TcpStream) -> Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(HOLD).stdin(Stdio::piped()).stdout(OwnedFd::from(stream.try_clone()?));
    command.spawn().context("cannot start the other process")
}
