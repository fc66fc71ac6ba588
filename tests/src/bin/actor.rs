//! Connects to the address in its argument, says so, and holds the connection until it is killed or its
//! standard input ends.

use std::{
    env,
    io::{self, Read, Write},
    net::TcpStream,
};

use anyhow::{Context, Result};
use tcptrace_tests::child::CONNECTED;

fn main() -> Result<()> {
    let target = env::args().nth(1).context("usage: actor ADDRESS")?;
    let stream = TcpStream::connect(&target).with_context(|| format!("cannot connect to {target}"))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{CONNECTED}")?;
    stdout.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(stream);
    Ok(())
}
