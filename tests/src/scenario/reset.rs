//! Connections that end with a reset.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::orderly::First;
use crate::{
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    truth::{Close, Moment, Owner, Phase, Truth},
};

/// One side closes with SO_LINGER 0, and the other is told.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn linger_0(netns: &NetNs, first: First) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let (closer, other, ends) = match first {
        First::Client => (client, server, ends),
        First::Server => (server, client, ends.reversed()),
    };
    pair::close_with_reset(closer)?;
    expect_reset(&other)?;
    let victim = match first {
        First::Client => Owner::Null,
        // Nobody closed it, but its connect() was seen.
        First::Server => Owner::connecter()?,
    };
    Ok(truth(netns, vec![sent(ends, "linger_0", Owner::closer()?), received(ends.reversed(), victim)]))
}

/// The client closes without having read all that came.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn unread_data(netns: &NetNs) -> Result<Truth> {
    let Pair { client, mut server, ends } = Pair::connect()?;
    server.write_all(b"unread")?;
    proc_net::wait_until("to have data", ends, |row| row.unread == 6)?;
    drop(client);
    expect_reset(&server)?;
    let mut closes = vec![sent(ends, "unread_data", Owner::closer()?), received(ends.reversed(), Owner::Null)];
    for (close, (sent, received)) in closes.iter_mut().zip([(0, 6), (6, 0)]) {
        close.bytes_sent = Some(sent);
        close.bytes_received = Some(received);
    }
    Ok(truth(netns, closes))
}

/// The client dissolves its connection with `connect(AF_UNSPEC)` and keeps the socket.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn disconnect(netns: &NetNs) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    rustix::net::connect_unspec(&client).context("cannot disconnect")?;
    expect_reset(&server)?;
    drop(client);
    Ok(truth(netns, vec![sent(ends, "disconnect", Owner::Any), received(ends.reversed(), Owner::Null)]))
}

/// The client shuts down, waits for the server in vain, and resets it in CLOSE_WAIT.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn in_close_wait(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let (shut, ()) = Moment::of(|| {
        pair::shut(&client)?;
        pair::read_eof(&server)?;
        pair::wait_for(&client, State::FinWait2)
    })?;
    thread::sleep(hold);
    let (reset, ()) = Moment::of(|| {
        pair::close_with_reset(client)?;
        proc_net::wait_gone(ends.reversed())
    })?;
    drop(server);
    let closes = vec![
        Close {
            reason: Some("linger_0"),
            owner: Owner::closer()?,
            fin_wait1: Phase::Within(shut.within()),
            fin_wait2: Phase::Within(shut.until(reset)),
            ..Close::new(ends, "active", "reset_sent")
        },
        Close { close_wait: Phase::Within(shut.until(reset)), ..received(ends.reversed(), Owner::Null) },
    ];
    Ok(truth(netns, closes))
}

fn sent(ends: Ends, reason: &'static str, owner: Owner) -> Close {
    Close { reason: Some(reason), owner, ..Close::new(ends, "abort", "reset_sent") }
}

fn received(ends: Ends, owner: Owner) -> Close {
    Close { owner, ..Close::new(ends, "abort", "reset_received") }
}

fn truth(netns: &NetNs, closes: Vec<Close>) -> Truth {
    Truth { netns: netns.inode(), closes, findings: Vec::new() }
}

fn expect_reset(mut stream: &TcpStream) -> Result<()> {
    let answer = stream.read(&mut [0]);
    let reset = answer.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
    ensure!(reset, "expected a reset, read {answer:?}");
    Ok(())
}
