//! Keeps programs that do nothing attached to `inet_sock_set_state` until its input ends.

use std::io::{self, Read, Write};

use anyhow::Result;
use tcptrace::source::Idle;

fn main() -> Result<()> {
    let _attached = Idle::start()?;
    writeln!(io::stdout(), "attached")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
