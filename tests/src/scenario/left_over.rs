//! Errors that are left over on a socket (`sk_err`), and are not why it ended.

use std::{io::Write, net::TcpStream, thread, time::Duration};

use anyhow::{Context, Result};

use super::orphan;
use crate::{
    filter, left_over,
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    segments::Sniffer,
    sockmap::Sockmap,
    truth::{Close, Moment, Owner, Phase, Truth},
};

/// A connection whose client still has the error of an ICMP message that has passed.
fn with_error() -> Result<Pair> {
    let sniffer = Sniffer::start()?;
    let pair = Pair::connect()?;
    left_over::leave_unreachable(&pair.client, &sniffer)?;
    Ok(pair)
}

fn truth(netns: &NetNs, closes: Vec<Close>) -> Truth {
    Truth { netns: netns.inode(), closes, findings: Vec::new() }
}

/// `close()`, which the server answers later.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn orderly(netns: &NetNs, hold: Duration) -> Result<Truth> {
    orphan::held(netns, vec![with_error()?], hold)
}

/// The server closes first: CLOSE_WAIT and LAST_ACK.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn passive(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = with_error()?;
    let left = orphan::leave(Pair { client: server, server: client, ends: ends.reversed() })?;
    thread::sleep(hold);
    Ok(truth(netns, left.answer()?.into()))
}

/// `shutdown()`, and the socket is held until the peer has closed.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn half_close(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = with_error()?;
    let (shut, ()) = Moment::of(|| {
        pair::shut(&client)?;
        pair::wait_for(&client, State::FinWait2)
    })?;
    thread::sleep(hold);
    let (closed, ()) = Moment::of(|| {
        pair::close_passive(server)?;
        proc_net::wait_for(ends, State::TimeWait)
    })?;
    drop(client);
    Ok(truth(netns, active_and_passive(ends, shut, shut, closed, false)?))
}

fn active_and_passive(ends: Ends, shut: Moment, acked: Moment, closed: Moment, resent: bool) -> Result<Vec<Close>> {
    let active = Close {
        owner: Owner::closer()?,
        fin_wait1: Phase::Within(shut.until(acked).or_less()),
        fin_wait2: Phase::Within(acked.until(closed)),
        orphan: Some(false),
        three_way: Some(false),
        fin_resent: (!resent).then_some(0),
        ..Close::new(ends, "active", "fin")
    };
    let passive = Close {
        owner: Owner::closer()?,
        close_wait: Phase::Within(acked.until(closed)),
        last_ack: Phase::Within(closed.within()),
        orphan: Some(true),
        ..Close::new(ends.reversed(), "passive", "fin")
    };
    Ok(vec![active, passive])
}

fn resets(ends: Ends, reason: &'static str, orphan: bool) -> Result<Vec<Close>> {
    let owner = if orphan { Owner::closer()? } else { Owner::Any };
    let sent = Close { reason: Some(reason), owner, orphan: Some(orphan), ..Close::new(ends, "abort", "reset_sent") };
    let received = Close { orphan: Some(false), ..Close::new(ends.reversed(), "abort", "reset_received") };
    Ok(vec![sent, received])
}

/// `close()` with SO_LINGER 0. The owner is known all the same: it is made in its context.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn linger_0(netns: &NetNs) -> Result<Truth> {
    let Pair { client, server, ends } = with_error()?;
    pair::close_with_reset(client)?;
    proc_net::wait_gone(ends.reversed())?;
    drop(server);
    Ok(truth(netns, resets(ends, "linger_0", true)?))
}

/// `close()` with unread data.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn unread_data(netns: &NetNs) -> Result<Truth> {
    let Pair { client, mut server, ends } = with_error()?;
    server.write_all(b"unread")?;
    proc_net::wait_until("to have data", ends, |row| row.unread == 6)?;
    drop(client);
    proc_net::wait_gone(ends.reversed())?;
    drop(server);
    let mut closes = resets(ends, "unread_data", true)?;
    for (close, (sent, received)) in closes.iter_mut().zip([(0, 6), (6, 0)]) {
        (close.bytes_sent, close.bytes_received) = (Some(sent), Some(received));
    }
    Ok(truth(netns, closes))
}

/// `connect(AF_UNSPEC)`.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn disconnect(netns: &NetNs) -> Result<Truth> {
    let Pair { client, server, ends } = with_error()?;
    rustix::net::connect_unspec(&client).context("cannot disconnect")?;
    proc_net::wait_gone(ends.reversed())?;
    drop((client, server));
    Ok(truth(netns, resets(ends, "disconnect", false)?))
}

/// The server resets.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn reset_received(netns: &NetNs) -> Result<Truth> {
    let Pair { client, server, ends } = with_error()?;
    pair::close_with_reset(server)?;
    proc_net::wait_gone(ends)?;
    drop(client);
    Ok(truth(netns, resets(ends.reversed(), "linger_0", true)?))
}

/// Has a FIN lost, an ICMP error come for it, and the FIN arrive a moment later as if it had only been late: no event
/// of the socket lies between the error and the acknowledgement.
fn error_then_arrival(sniffer: &Sniffer, from: Ends, to: &TcpStream) -> Result<()> {
    let fin = sniffer.wait_fin(from)?;
    left_over::unreachable(&fin)?;
    filter::remove(to)?;
    fin.send_marked()
}

/// The error comes in FIN_WAIT1, whose FIN then arrives.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn in_fin_wait1(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let sniffer = Sniffer::start()?;
    let Pair { client, server, ends } = Pair::connect()?;
    left_over::want_errors(&client)?;
    filter::drop_fins(&server)?;
    let (shut, ()) = Moment::of(|| pair::shut(&client))?;
    let (acked, ()) = Moment::of(|| {
        error_then_arrival(&sniffer, ends, &server)?;
        pair::wait_for(&client, State::FinWait2)
    })?;
    thread::sleep(hold);
    let (closed, ()) = Moment::of(|| {
        pair::close_passive(server)?;
        proc_net::wait_for(ends, State::TimeWait)
    })?;
    left_over::wait_for_error(&client)?;
    drop(client);
    Ok(truth(netns, active_and_passive(ends, shut, acked, closed, true)?))
}

/// The error comes in the last state and is new at its end, and yet the acknowledgement brought that.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn in_last_ack(netns: &NetNs) -> Result<Truth> {
    let sniffer = Sniffer::start()?;
    let Pair { client, server, ends } = Pair::connect()?;
    let (shut, ()) = Moment::of(|| {
        pair::shut(&client)?;
        pair::wait_for(&client, State::FinWait2)
    })?;
    filter::drop_fins(&client)?;
    left_over::want_errors(&server)?;
    let (closed, ()) = Moment::of(|| {
        drop(server);
        error_then_arrival(&sniffer, ends.reversed(), &client)?;
        proc_net::wait_gone(ends.reversed())
    })?;
    drop(client);
    let mut closes = active_and_passive(ends, shut, shut, closed, false)?;
    for close in &mut closes {
        (close.fin_resent, close.three_way) = (None, close.three_way);
    }
    Ok(truth(netns, closes))
}

/// The bare FIN of a sockmap source's peer is passed on through the target, which has nothing to send for it: EPIPE
/// (`sk_psock_backlog()`). The target then closes.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn failed_redirect(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let (from, to) = (Pair::connect()?, Pair::connect()?);
    let map = Sockmap::redirect(&from.server, &to.client)?;
    let source = orphan::leave(from)?;
    left_over::wait_for_error(&to.client)?;
    let mut closes = Vec::from(source.answer()?);
    let target = orphan::leave(to)?;
    thread::sleep(hold);
    closes.extend(target.answer()?);
    drop(map);
    Ok(truth(netns, closes))
}
