//! Closes in which both sides do as they should, at once or slowly.

use std::{net::TcpStream, thread, time::Duration};

use anyhow::Result;

use crate::{
    filter,
    netns::NetNs,
    pair::{self, Pair},
    proc_net::State,
    segments::Sniffer,
    truth::{Close, Moment, Owner, Phase, Truth},
};

/// Who of a pair closes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The side that connected.
    Client,
    /// The side that was accepted.
    Server,
}

/// Both sides close at once, after bytes both ways: the first with `shutdown()`, so that it sees the end.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn orderly(netns: &NetNs) -> Result<Truth> {
    let mut pair = Pair::connect()?;
    pair.exchange(b"question", b"the answer")?;
    let mut truth = close_slowly(netns, pair, First::Client, Duration::ZERO)?;
    for (close, (sent, received)) in truth.closes.iter_mut().zip([(8, 10), (10, 8)]) {
        close.bytes_sent = Some(sent);
        close.bytes_received = Some(received);
    }
    Ok(truth)
}

/// The client shuts down, the server holds its side open, and closes.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn half_close(netns: &NetNs, hold: Duration) -> Result<Truth> {
    close_slowly(netns, Pair::connect()?, First::Client, hold)
}

/// The server shuts down, and the client lingers in CLOSE_WAIT.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn passive_hold(netns: &NetNs, hold: Duration) -> Result<Truth> {
    close_slowly(netns, Pair::connect()?, First::Server, hold)
}

/// A half close where there is no room for a timewait socket: the transitions look the same.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn time_wait_overflow(netns: &NetNs, hold: Duration) -> Result<Truth> {
    netns.set_sysctl("net/ipv4/tcp_max_tw_buckets", "0")?;
    half_close(netns, hold)
}

/// One side shuts down; when that is acknowledged the other holds, then closes.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn close_slowly(netns: &NetNs, pair: Pair, first: First, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = pair;
    let (active, passive, active_ends): (TcpStream, TcpStream, _) = match first {
        First::Client => (client, server, ends),
        First::Server => (server, client, ends.reversed()),
    };
    // A peer that closes at once may acknowledge with its own FIN: then there is no FIN_WAIT2 to wait for.
    let held = !hold.is_zero();
    let (shut, ()) = Moment::of(|| {
        pair::shut(&active)?;
        pair::read_eof(&passive)?;
        if held { pair::wait_for(&active, State::FinWait2) } else { Ok(()) }
    })?;
    thread::sleep(hold);
    let (closed, ()) = Moment::of(|| {
        pair::close_passive(passive)?;
        pair::read_eof(&active)
    })?;
    drop(active);
    let whole = shut.until(closed);
    let closes = vec![
        Close {
            owner: Owner::closer()?,
            fin_wait1: Phase::Within(if held { shut.within() } else { whole.or_less() }),
            fin_wait2: Phase::Within(if held { whole } else { whole.or_less() }),
            orphan: Some(false),
            three_way: held.then_some(false),
            ..Close::new(active_ends, "active", "fin")
        },
        Close {
            owner: Owner::closer()?,
            close_wait: Phase::Within(whole),
            last_ack: Phase::Within(closed.within()),
            orphan: Some(true),
            ..Close::new(active_ends.reversed(), "passive", "fin")
        },
    ];
    Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
}

/// The server closes, and all that the client gets to see is the FIN that acknowledges its own: three
/// segments, and a FIN_WAIT2 without length.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn three_way(netns: &NetNs) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let sniffer = Sniffer::start()?;
    filter::keep_only_fins(&client)?;
    let (shut, ()) = Moment::of(|| {
        pair::shut(&client)?;
        pair::read_eof(&server)
    })?;
    let (closed, ()) = Moment::of(|| {
        pair::close_passive(server)?;
        pair::read_eof(&client)
    })?;
    drop(client);
    let closes = vec![
        Close {
            owner: Owner::closer()?,
            fin_wait1: Phase::Within(shut.until(closed)),
            fin_wait2: Phase::Within(closed.within()),
            orphan: Some(false),
            three_way: Some(true),
            fin_resent: Some(sniffer.fins_resent(ends)?),
            ..Close::new(ends, "active", "fin")
        },
        Close {
            owner: Owner::closer()?,
            close_wait: Phase::Within(shut.until(closed)),
            last_ack: Phase::Within(closed.within()),
            orphan: Some(true),
            ..Close::new(ends.reversed(), "passive", "fin")
        },
    ];
    Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
}
