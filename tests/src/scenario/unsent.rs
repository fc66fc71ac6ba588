//! A FIN that does not leave this host, for reasons other than the peer's window.

use std::{io::Write, thread, time::Duration};

use anyhow::Result;

use super::orphan;
use crate::{
    filter, firewall,
    netns::NetNs,
    pair::{self, Pair},
    proc_net::{self, State},
    truth::{Close, Finding, Moment, Owner, Phase, Truth},
};

/// Written before the FIN; more than a new connection may have under way.
pub const QUEUED: usize = 300_000;

/// The client calls `close()` and this host's firewall drops all that it sends until `hold` is over.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn firewalled(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    firewall::drop_output()?;
    let (left, ()) = Moment::of(|| {
        drop(client);
        proc_net::wait_for(ends, State::FinWait1)
    })?;
    thread::sleep(hold);
    let (opened, ()) = Moment::of(|| {
        firewall::remove()?;
        pair::read_eof(&server)?;
        proc_net::wait_for(ends, State::FinWait2)
    })?;
    let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
    let closes = sides(ends, [left, opened, closed], 0)?;
    let findings = vec![stuck(ends, "local_drop", left, opened)?];
    Ok(Truth { netns: netns.inode(), closes, findings })
}

/// The client writes, calls `close()`, and nothing arrives until `hold` is over: the FIN waits behind data that waits
/// for acknowledgements.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn data_ahead(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { mut client, server, ends } = Pair::connect()?;
    filter::drop_all(&server)?;
    client.write_all(&vec![7; QUEUED])?;
    let (left, ()) = Moment::of(|| {
        drop(client);
        proc_net::wait_for(ends, State::FinWait1)
    })?;
    thread::sleep(hold);
    let (opened, _) = Moment::of(|| {
        filter::remove(&server)?;
        let read = pair::read_to_end(&server)?;
        anyhow::ensure!(read == QUEUED as u64, "{QUEUED} bytes were sent and {read} read");
        proc_net::wait_for(ends, State::FinWait2)
    })?;
    let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
    let closes = sides(ends, [left, opened, closed], QUEUED as u64)?;
    let findings = vec![stuck(ends, "unsent_data", left, opened)?];
    Ok(Truth { netns: netns.inode(), closes, findings })
}

fn sides(ends: pair::Ends, [left, opened, closed]: [Moment; 3], bytes: u64) -> Result<Vec<Close>> {
    let active = Close {
        fin_wait1: Phase::Within(left.until(opened)),
        bytes_sent: Some(bytes),
        // Whether the last of the attempts counts as one depends on when the way opens.
        fin_resent: None,
        ..orphan::handed_over(ends, [opened, closed], Owner::closer()?)
    };
    let passive = Close {
        owner: Owner::closer()?,
        close_wait: Phase::Within(opened.until(closed)),
        last_ack: Phase::Within(closed.within()),
        orphan: Some(true),
        bytes_received: Some(bytes),
        ..Close::new(ends.reversed(), "passive", "fin")
    };
    Ok(vec![active, passive])
}

fn stuck(ends: pair::Ends, reason: &'static str, left: Moment, opened: Moment) -> Result<Finding> {
    Ok(Finding {
        ends,
        kind: "stuck_fin_wait1",
        reason,
        owner: Owner::closer()?,
        age: left.until(opened),
        outcome: None,
    })
}
