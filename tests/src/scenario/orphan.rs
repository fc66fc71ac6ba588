//! Sockets that nobody holds any more while they close.

use std::{io::Write, net::TcpStream, path::Path, thread, time::Duration};

use anyhow::{Context, Result};

use crate::{
    child::Actor,
    filter,
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    segments::Sniffer,
    truth::{Close, Finding, Moment, Owner, Phase, Span, Truth, Who},
    wait,
};

/// `((2 << 1) - 1) * rto_min`, by which `retransmits_timed_out()` models one retry, less some slack: the
/// measured timeouts begin at the first retransmit.
const ONE_RETRY_AT_LEAST: Duration = Duration::from_millis(400);
const LIMIT: Duration = Duration::from_secs(20);

/// The client calls `close()`; the server holds. What events show of the client ends at once.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn peer_holds(netns: &NetNs, hold: Duration) -> Result<Truth> {
    held(netns, vec![Pair::connect()?], hold)
}

/// As above, with several pairs at once.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn held(netns: &NetNs, pairs: Vec<Pair>, hold: Duration) -> Result<Truth> {
    let open = pairs.into_iter().map(leave).collect::<Result<Vec<_>>>()?;
    thread::sleep(hold);
    let mut closes = Vec::new();
    for left in open {
        closes.extend(left.answer()?);
    }
    Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
}

/// An orphan in FIN_WAIT2, and its peer.
#[derive(Debug)]
pub struct Left {
    moment: Moment,
    server: TcpStream,
    ends: Ends,
}

/// The client calls `close()`.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn leave(pair: Pair) -> Result<Left> {
    let Pair { client, server, ends } = pair;
    let (moment, ()) = Moment::of(|| {
        drop(client);
        // No read, which would take an error from the socket.
        proc_net::wait_for(ends.reversed(), State::CloseWait)?;
        proc_net::wait_for(ends, State::FinWait2)
    })?;
    Ok(Left { moment, server, ends })
}

impl Left {
    /// The server calls `close()`, too.
    ///
    /// # Errors
    /// When the sockets do not do as they should.
    pub fn answer(self) -> Result<[Close; 2]> {
        let Self { moment: left, server, ends } = self;
        let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
        let passive = Close {
            owner: Owner::closer()?,
            close_wait: Phase::Within(left.until(closed)),
            last_ack: Phase::Within(closed.within()),
            orphan: Some(true),
            ..Close::new(ends.reversed(), "passive", "fin")
        };
        Ok([handed_over(ends, [left, closed], Owner::closer()?), passive])
    }

    /// The server calls `close()` with SO_LINGER 0: its reset ends the orphan.
    ///
    /// # Errors
    /// When the sockets do not do as they should.
    pub fn reset(self) -> Result<[Close; 2]> {
        let Self { moment: left, server, ends } = self;
        let (reset, ()) = Moment::of(|| {
            pair::close_with_reset(server)?;
            proc_net::wait_gone(ends)
        })?;
        let orphan = Close {
            outcome: "reset_received",
            // An event tells when.
            fin_wait2: Phase::Within(left.until(reset)),
            three_way: None,
            ..handed_over(ends, [left, reset], Owner::closer()?)
        };
        let sent = Close {
            reason: Some("linger_0"),
            owner: Owner::closer()?,
            close_wait: Phase::Within(left.until(reset)),
            orphan: Some(true),
            ..Close::new(ends.reversed(), "abort", "reset_sent")
        };
        Ok([orphan, sent])
    }
}

/// The client holds its socket in FIN_WAIT2 for a while and only then calls `close()`; the server goes on holding its
/// end for `open`.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn closed_late(netns: &NetNs, hold: Duration, open: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let (shut, ()) = Moment::of(|| {
        pair::shut(&client)?;
        pair::wait_for(&client, State::FinWait2)
    })?;
    thread::sleep(hold);
    let (left, ()) = Moment::of(|| {
        drop(client);
        Ok(())
    })?;
    thread::sleep(open);
    let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
    let active = Close {
        fin_wait1: Phase::Within(shut.within()),
        fin_wait2: Phase::Within(shut.until(closed).by_timer()),
        ..handed_over(ends, [left, closed], Owner::closer()?)
    };
    let passive = Close {
        owner: Owner::closer()?,
        close_wait: Phase::Within(shut.until(closed)),
        last_ack: Phase::Within(closed.within()),
        orphan: Some(true),
        ..Close::new(ends.reversed(), "passive", "fin")
    };
    let stuck = Finding {
        ends,
        kind: "stuck_fin_wait2",
        reason: "peer_open",
        owner: active.owner.clone(),
        age: left.until(closed).by_timer(),
        outcome: Some("fin"),
    };
    Ok(Truth { netns: netns.inode(), closes: vec![active, passive], findings: vec![stuck] })
}

/// The client calls `close()`, and then the server still sends something: a timewait socket answers with a
/// reset.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn data_after_close(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, mut server, ends } = Pair::connect()?;
    let (left, ()) = Moment::of(|| {
        drop(client);
        pair::read_eof(&server)?;
        proc_net::wait_for(ends, State::FinWait2)
    })?;
    thread::sleep(hold);
    let (reset, ()) = Moment::of(|| {
        server.write_all(b"x")?;
        proc_net::wait_gone(ends.reversed())
    })?;
    drop(server);
    let closes = vec![
        Close {
            outcome: "reset_sent",
            reason: Some("data_after_close"),
            // An event tells when.
            fin_wait2: Phase::Within(left.until(reset)),
            three_way: None,
            ..handed_over(ends, [left, reset], Owner::closer()?)
        },
        Close {
            owner: Owner::Null,
            close_wait: Phase::Within(left.until(reset)),
            bytes_sent: Some(1),
            ..Close::new(ends.reversed(), "abort", "reset_received")
        },
    ];
    Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
}

/// The client calls `close()`, and nothing arrives any more: with `tcp_orphan_retries` 1 the kernel gives up
/// within a second or so.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn timeout(netns: &NetNs) -> Result<Truth> {
    netns.set_sysctl("net/ipv4/tcp_orphan_retries", "1")?;
    let Pair { client, server, ends } = Pair::connect()?;
    let sniffer = Sniffer::start()?;
    filter::drop_all(&server)?;
    let (ended, ()) = Moment::of(|| {
        drop(client);
        wait::until(&format!("{ends} to time out"), LIMIT, || Ok(proc_net::find(ends)?.is_none().then_some(())))
    })?;
    let fin_resent = sniffer.fins_resent(ends)?;
    // Its peer is gone, so a FIN would be answered with a reset. This way no answer is needed.
    pair::close_with_reset(server)?;
    let age = Span { at_least: ONE_RETRY_AT_LEAST, ..ended.within() };
    let active = Close {
        owner: Owner::closer()?,
        fin_wait1: Phase::Within(age),
        orphan: Some(true),
        fin_resent: Some(fin_resent),
        ..Close::new(ends, "active", "timeout")
    };
    let stuck = Finding {
        ends,
        kind: "stuck_fin_wait1",
        reason: "fin_unacked",
        owner: active.owner.clone(),
        age,
        outcome: Some("timeout"),
    };
    let reset = Close {
        reason: Some("linger_0"),
        owner: Owner::closer()?,
        ..Close::new(ends.reversed(), "abort", "reset_sent")
    };
    Ok(Truth { netns: netns.inode(), closes: vec![active, reset], findings: vec![stuck] })
}

/// A process that holds the client's socket is killed, and the kernel closes it on its behalf.
///
/// # Errors
/// When the sockets or the process do not do as they should.
pub fn killed_closer(netns: &NetNs, actor: &Path, hold: Duration) -> Result<Truth> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let actor = Actor::connect(actor, listener.local_addr()?)?;
    let (server, from) = listener.accept().context("the helper process did not connect")?;
    server.set_read_timeout(Some(LIMIT))?;
    let ends = Ends::new(from, server.local_addr()?);
    let owner = Owner::Known(Who { pid: actor.pid(), comm: actor.comm()?, source: "close" });
    let (killed, ()) = Moment::of(|| {
        actor.kill()?;
        pair::read_eof(&server)?;
        proc_net::wait_for(ends, State::FinWait2)
    })?;
    thread::sleep(hold);
    let (closed, ()) = Moment::of(|| pair::close_passive(server))?;
    let closes = vec![
        handed_over(ends, [killed, closed], owner),
        Close {
            owner: Owner::closer()?,
            close_wait: Phase::Within(killed.until(closed)),
            last_ack: Phase::Within(closed.within()),
            orphan: Some(true),
            ..Close::new(ends.reversed(), "passive", "fin")
        },
    ];
    Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
}

/// An orphan that became a timewait socket in FIN_WAIT2 at the first moment, and passed on to TIME_WAIT at the other.
pub(super) fn handed_over(ends: Ends, [left, closed]: [Moment; 2], owner: Owner) -> Close {
    Close {
        owner,
        fin_wait1: Phase::Within(left.within()),
        fin_wait2: Phase::Within(left.until(closed).by_timer()),
        orphan: Some(true),
        three_way: Some(false),
        ..Close::new(ends, "active", "fin")
    }
}
