//! Connects to the address in its argument, says so, and holds the connection until it is killed or its
//! standard input ends. Or takes its standard input for the connection, and holds or polls that.

use std::{
    env,
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::event::epoll;
use tcptrace_tests::child::{CONNECTED, HOLD, POLL};

/// Longer than any test: one that nobody kills ends by itself.
const LONGEST: Duration = Duration::from_secs(180);

fn main() -> Result<()> {
    match env::args().nth(1).context("usage: actor ADDRESS, actor hold, actor poll")?.as_str() {
        HOLD => {
            say_connected()?;
            thread::sleep(LONGEST);
            Ok(())
        }
        POLL => {
            let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            // Edge-triggered, so that waiting for it costs nothing.
            let events = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&set, io::stdin(), epoll::EventData::new_u64(0), events)?;
            say_connected()?;
            thread::sleep(LONGEST);
            Ok(())
        }
        target => connect(target),
    }
}

fn connect(target: &str) -> Result<()> {
    let stream = TcpStream::connect(target).with_context(|| format!("cannot connect to {target}"))?;
    say_connected()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(stream);
    Ok(())
}

fn say_connected() -> Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{CONNECTED}")?;
    Ok(stdout.flush()?)
}
