//! Timewait sockets in FIN_WAIT2 that never get to TIME_WAIT.

use std::{thread, time::Duration};

use anyhow::Result;

use super::orphan;
use crate::{
    netns::NetNs,
    pair::{self, Pair},
    proc_net::{self, State},
    truth::{Close, Finding, Moment, Owner, Phase, Span, Truth},
    wait,
};

const LIMIT: Duration = Duration::from_secs(20);
/// By which a timer of some seconds fires late at most: an eighth (`calc_wheel_index()`).
const LATE: u32 = 8;
/// Rounding at both ends.
const TICKS: Duration = Duration::from_millis(20);

/// The client calls `close()`, and the server does not for longer than `tcp_fin_timeout`.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn times_out(netns: &NetNs, fin_timeout: Duration) -> Result<Truth> {
    netns.set_sysctl("net/ipv4/tcp_fin_timeout", &fin_timeout.as_secs().to_string())?;
    let Pair { client, server, ends } = Pair::connect()?;
    let (left, ()) = Moment::of(|| {
        drop(client);
        pair::read_eof(&server)?;
        proc_net::wait_for(ends, State::FinWait2)
    })?;
    let gone = || Ok(proc_net::find(ends)?.is_none().then_some(()));
    wait::until(&format!("{ends} to time out"), LIMIT, gone)?;
    let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
    let age = Span { at_least: fin_timeout - TICKS, at_most: fin_timeout + fin_timeout / LATE + TICKS };
    let active = Close {
        outcome: "fin_wait2_timeout",
        fin_wait2: Phase::Within(age),
        three_way: None,
        ..orphan::handed_over(ends, [left, closed], Owner::closer()?)
    };
    let stuck = Finding {
        ends,
        kind: "stuck_fin_wait2",
        reason: "peer_open",
        owner: active.owner.clone(),
        age,
        outcome: Some("fin_wait2_timeout"),
    };
    let closes = vec![active, reset_in_last_ack(ends, left, closed)?];
    Ok(Truth { netns: netns.inode(), closes, findings: vec![stuck] })
}

/// The client calls `close()` where there is no room for a timewait socket.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn overflow(netns: &NetNs, hold: Duration) -> Result<Truth> {
    // A namespace whose counters were never read tells nothing when they are read for the first time.
    let mut truth = orphan::peer_holds(netns, hold)?;
    netns.set_sysctl("net/ipv4/tcp_max_tw_buckets", "0")?;
    let Pair { client, server, ends } = Pair::connect()?;
    // The namespace has been heard of by its connect: its counters are read before they move.
    thread::sleep(Duration::from_secs(1));
    let (left, ()) = Moment::of(|| {
        drop(client);
        pair::read_eof(&server)?;
        wait::until(&format!("{ends} to be refused"), LIMIT, || Ok(proc_net::find(ends)?.is_none().then_some(())))
    })?;
    let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
    truth.closes.push(Close {
        reason: Some("timewait_overflow"),
        owner: Owner::closer()?,
        fin_wait1: Phase::Within(left.within()),
        complete: false,
        orphan: Some(true),
        ..Close::new(ends, "active", "unknown")
    });
    truth.closes.push(reset_in_last_ack(ends, left, closed)?);
    Ok(truth)
}

/// Nobody is there to take the server's FIN.
fn reset_in_last_ack(ends: pair::Ends, left: Moment, closed: Moment) -> Result<Close> {
    Ok(Close {
        owner: Owner::closer()?,
        close_wait: Phase::Within(left.until(closed)),
        last_ack: Phase::Within(closed.within()),
        orphan: Some(true),
        ..Close::new(ends.reversed(), "passive", "reset_received")
    })
}
