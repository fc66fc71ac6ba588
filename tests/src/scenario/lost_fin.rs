//! A FIN that gets lost for a while, and is sent again until it arrives.

use std::{thread, time::Duration};

use anyhow::Result;

use super::orphan;
use crate::{
    filter,
    netns::NetNs,
    pair::{self, Pair},
    proc_net::{self, State},
    segments::Sniffer,
    truth::{Close, Finding, Moment, Owner, Phase, Truth},
};

/// The client shuts down and its FINs are lost until `hold` is over; the server closes when one arrives.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn lost_then_restored(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let sniffer = Sniffer::start()?;
    filter::drop_fins(&server)?;
    let (shut, ()) = Moment::of(|| pair::shut(&client))?;
    thread::sleep(hold);
    let (restored, ()) = Moment::of(|| {
        filter::remove(&server)?;
        pair::read_eof(&server)?;
        pair::wait_for(&client, State::FinWait2)
    })?;
    let (closed, ()) = Moment::of(|| {
        pair::close_passive(server)?;
        pair::read_eof(&client)
    })?;
    drop(client);
    let active = Close {
        owner: Owner::closer()?,
        fin_wait1: Phase::Within(shut.until(restored)),
        fin_wait2: Phase::Within(restored.until(closed)),
        orphan: Some(false),
        three_way: Some(false),
        fin_resent: Some(sniffer.fins_resent(ends)?),
        ..Close::new(ends, "active", "fin")
    };
    let stuck = Finding {
        ends,
        kind: "stuck_fin_wait1",
        reason: "fin_unacked",
        owner: active.owner.clone(),
        age: shut.until(restored),
        outcome: None,
    };
    let closes = vec![active, passive(ends, restored, closed)?];
    Ok(Truth { netns: netns.inode(), closes, findings: vec![stuck] })
}

/// As above, but the client, half way, gives up its socket with `close()`. That is a step from FIN_WAIT1 to
/// FIN_WAIT1, and must not start the phase again.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn self_transition(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let sniffer = Sniffer::start()?;
    filter::drop_fins(&server)?;
    let (shut, ()) = Moment::of(|| pair::shut(&client))?;
    thread::sleep(hold / 2);
    drop(client);
    thread::sleep(hold / 2);
    let (restored, ()) = Moment::of(|| {
        filter::remove(&server)?;
        pair::read_eof(&server)?;
        // By now a timewait socket in that state: nobody held the full one.
        proc_net::wait_for(ends, State::FinWait2)
    })?;
    let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
    let active = Close {
        fin_wait1: Phase::Within(shut.until(restored)),
        fin_resent: Some(sniffer.fins_resent(ends)?),
        ..orphan::handed_over(ends, [restored, closed], Owner::closer()?)
    };
    let closes = vec![active, passive(ends, restored, closed)?];
    Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
}

fn passive(ends: pair::Ends, begun: Moment, closed: Moment) -> Result<Close> {
    Ok(Close {
        owner: Owner::closer()?,
        close_wait: Phase::Within(begun.until(closed)),
        last_ack: Phase::Within(closed.within()),
        orphan: Some(true),
        ..Close::new(ends.reversed(), "passive", "fin")
    })
}
