//! A peer that does not read: the FIN waits behind data that the window has no room for.

use std::{io::ErrorKind, io::Write, thread, time::Duration};

use anyhow::Result;

use super::orphan;
use crate::{
    netns::NetNs,
    pair::{self, Pair},
    proc_net::{self, State},
    truth::{Close, Finding, Moment, Owner, Phase, Truth},
};

/// The client fills the server's window and calls `close()`; the server reads when `hold` is over.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn zero_window(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let queued = fill(&client)?;
    proc_net::wait_until("to probe a window of 0", ends, |row| row.timer == proc_net::TIMER_PROBE)?;
    let (left, ()) = Moment::of(|| {
        drop(client);
        proc_net::wait_for(ends, State::FinWait1)
    })?;
    thread::sleep(hold);
    let (opened, _) = Moment::of(|| {
        let read = pair::read_to_end(&server)?;
        anyhow::ensure!(read == queued, "{queued} bytes were sent and {read} read");
        proc_net::wait_for(ends, State::FinWait2)
    })?;
    let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
    let active = Close {
        fin_wait1: Phase::Within(left.until(opened)),
        bytes_sent: Some(queued),
        // None while the window is shut, as the finding's reason shows; afterwards a slow reader may provoke one.
        fin_resent: None,
        ..orphan::handed_over(ends, [opened, closed], Owner::closer()?)
    };
    let passive = Close {
        owner: Owner::closer()?,
        close_wait: Phase::Within(opened.until(closed)),
        last_ack: Phase::Within(closed.within()),
        orphan: Some(true),
        bytes_received: Some(queued),
        ..Close::new(ends.reversed(), "passive", "fin")
    };
    let stuck = Finding {
        ends,
        kind: "stuck_fin_wait1",
        reason: "zero_window",
        owner: active.owner.clone(),
        age: left.until(opened),
        outcome: None,
    };
    Ok(Truth { netns: netns.inode(), closes: vec![active, passive], findings: vec![stuck] })
}

/// Writes until there is no room; says how many bytes there was room for.
///
/// # Errors
/// When it cannot be written to.
pub fn fill(mut stream: &std::net::TcpStream) -> Result<u64> {
    stream.set_nonblocking(true)?;
    let chunk = vec![7; 64 * 1024];
    let mut total = 0;
    loop {
        match stream.write(&chunk) {
            Ok(length) => total += length as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
            Err(error) => return Err(error.into()),
        }
    }
}
