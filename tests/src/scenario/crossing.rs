//! Simultaneous closes, made to happen for certain.

use std::{thread, time::Duration};

use anyhow::Result;

use crate::{
    filter,
    netns::NetNs,
    pair::{self, Pair},
    proc_net::{self, State},
    segments::Sniffer,
    truth::{Close, Moment, Owner, Phase, Truth},
};

/// Both FINs cross in flight, and both sides are in CLOSING until `hold` is over.
///
/// On loopback nothing is ever in flight, and a FIN that is sent again acknowledges what came in between. So
/// both first FINs are caught, dropped, and delivered later as they were; until the end of the hold, filters
/// let nothing else in.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn simultaneous(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let sniffer = Sniffer::start()?;
    filter::keep_only_marked_fins(&client)?;
    filter::keep_only_marked_fins(&server)?;
    let (met, ()) = Moment::of(|| {
        pair::shut(&client)?;
        pair::shut(&server)?;
        let there = sniffer.wait_fin(ends)?;
        let back = sniffer.wait_fin(ends.reversed())?;
        there.send_marked()?;
        back.send_marked()?;
        pair::wait_for(&client, State::Closing)?;
        pair::wait_for(&server, State::Closing)
    })?;
    thread::sleep(hold);
    let (freed, ()) = Moment::of(|| {
        filter::remove(&client)?;
        filter::remove(&server)?;
        proc_net::wait_gone(ends)?;
        proc_net::wait_gone(ends.reversed())
    })?;
    drop((client, server));
    let mut closes = Vec::new();
    for ends in [ends, ends.reversed()] {
        closes.push(Close {
            owner: Owner::closer()?,
            fin_wait1: Phase::Within(met.within()),
            closing: Phase::Within(met.until(freed)),
            orphan: Some(false),
            fin_resent: Some(sniffer.fins_resent(ends)?),
            ..Close::new(ends, "simultaneous", "fin")
        });
    }
    Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
}

/// Both close at once and both FINs are lost. The client's arrives first when sent again, so that only the
/// server sees a simultaneous close; its own FIN arrives when `hold` is over.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn seen_by_one_side(netns: &NetNs, hold: Duration) -> Result<Truth> {
    let Pair { client, server, ends } = Pair::connect()?;
    let sniffer = Sniffer::start()?;
    filter::drop_fins(&client)?;
    filter::drop_fins(&server)?;
    let (shut, ()) = Moment::of(|| {
        pair::shut(&client)?;
        pair::shut(&server)
    })?;
    let (met, ()) = Moment::of(|| {
        filter::remove(&server)?;
        pair::wait_for(&server, State::Closing)?;
        pair::wait_for(&client, State::FinWait2)
    })?;
    thread::sleep(hold);
    let (freed, ()) = Moment::of(|| {
        filter::remove(&client)?;
        pair::read_eof(&client)?;
        proc_net::wait_gone(ends.reversed())
    })?;
    drop((client, server));
    let closes = vec![
        Close {
            owner: Owner::closer()?,
            fin_wait1: Phase::Within(shut.until(met)),
            fin_wait2: Phase::Within(met.until(freed)),
            orphan: Some(false),
            three_way: Some(false),
            fin_resent: Some(sniffer.fins_resent(ends)?),
            ..Close::new(ends, "active", "fin")
        },
        Close {
            owner: Owner::closer()?,
            fin_wait1: Phase::Within(shut.until(met)),
            closing: Phase::Within(met.until(freed)),
            orphan: Some(false),
            fin_resent: Some(sniffer.fins_resent(ends.reversed())?),
            ..Close::new(ends.reversed(), "simultaneous", "fin")
        },
    ];
    Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
}
