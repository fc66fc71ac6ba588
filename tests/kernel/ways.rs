//! Ways to CLOSE: timeouts, kills, and resets in every state.

use std::{io::Write, net::TcpStream, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use socket2::SockRef;
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    filter, kill, left_over,
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    scenario::orphan,
    segments::Sniffer,
    tool::Tool,
    truth::Truth,
    wait,
};

use crate::{
    harness::{HOLD, SOON, bounded, is_older_than, prove},
    judge,
};

const LIMIT: Duration = Duration::from_secs(20);
const QUICK: Duration = Duration::from_millis(500);

/// What must be told of one socket; its peer is of no interest.
struct Told {
    ends: Ends,
    role: &'static str,
    outcome: &'static str,
    reason: Option<&'static str>,
}

const fn told(ends: Ends, role: &'static str, outcome: &'static str, reason: Option<&'static str>) -> Told {
    Told { ends, role, outcome, reason }
}

/// Makes some ends under `tcptrace trace` and compares them. The scenario resets whatever is left.
fn prove_told(scenario: fn(&NetNs) -> Result<Vec<Told>>) -> Result<()> {
    bounded(move || {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&[])?;
        let wanted = netns.run(scenario)?;
        let all_there = |lines: &[tcptrace_tests::tool::Line]| {
            wanted.iter().all(|told| lines.iter().any(|line| line.is("close") && line.has_ends(told.ends)))
        };
        tool.wait_for(netns.inode(), "every close", all_there, SOON)?;
        let finished = tool.stop()?;
        let lines = finished.lines_in(netns.inode())?;
        for Told { ends, role, outcome, reason } in &wanted {
            let line = lines.iter().find(|line| line.is("close") && line.has_ends(*ends)).context("no close")?;
            let is = [line.at("/role"), line.at("/outcome"), line.at("/reason")];
            let should = [serde_json::json!(role), serde_json::json!(outcome), serde_json::json!(reason)];
            let same = is.iter().zip(&should).all(|(is, should)| *is == should);
            ensure!(same && *line.at("/complete") == true, "expected {should:?}, told is {}", line.text);
        }
        judge::no_findings(&lines)
    })
}

fn wait_dead(ends: Ends) -> Result<()> {
    wait::until(&format!("{ends} to die"), LIMIT, || Ok(proc_net::find(ends)?.is_none().then_some(())))
}

/// An orphan whose FINs nobody answers, while routers say so, or not.
fn orphan_timeout(netns: &NetNs, icmp: bool, errors: bool) -> Result<Ends> {
    netns.set_sysctl("net/ipv4/tcp_orphan_retries", "1")?;
    let sniffer = Sniffer::start()?;
    let Pair { client, server, ends } = Pair::connect()?;
    filter::drop_all(&server)?;
    if errors {
        left_over::want_errors(&client)?;
    }
    drop(client);
    if icmp {
        left_over::unreachable(&sniffer.wait_fin(ends)?)?;
    }
    wait_dead(ends)?;
    pair::close_with_reset(server)?;
    Ok(ends)
}

#[test]
fn timeouts_of_orphans() -> Result<()> {
    prove_told(|netns| Ok(vec![told(orphan_timeout(netns, false, false)?, "active", "timeout", None)]))?;
    prove_told(|netns| Ok(vec![told(orphan_timeout(netns, true, false)?, "active", "timeout", Some("unreachable"))]))?;
    // With IP_RECVERR the error has passed by then, and the timeout has its own.
    prove_told(|netns| Ok(vec![told(orphan_timeout(netns, true, true)?, "active", "timeout", None)]))
}

/// TCP_USER_TIMEOUT, and data that nobody acknowledges.
fn user_timeout(icmp: bool, errors: bool) -> Result<Ends> {
    let sniffer = Sniffer::start()?;
    let Pair { mut client, server, ends } = Pair::connect()?;
    filter::drop_all(&server)?;
    SockRef::from(&client).set_tcp_user_timeout(Some(QUICK))?;
    if errors {
        left_over::want_errors(&client)?;
    }
    client.write_all(b"lost")?;
    if icmp {
        let data = wait::until("the data", LIMIT, || Ok(Some(sniffer.newest(ends)?).filter(|data| !data.is_empty())))?;
        left_over::unreachable(&data)?;
    }
    wait_dead(ends)?;
    drop(client);
    pair::close_with_reset(server)?;
    Ok(ends)
}

#[test]
fn timeouts_of_data() -> Result<()> {
    prove_told(|_| {
        Ok(vec![
            told(user_timeout(false, false)?, "abort", "timeout", None),
            told(user_timeout(true, false)?, "abort", "timeout", Some("unreachable")),
            told(user_timeout(true, true)?, "abort", "timeout", None),
        ])
    })
}

fn keep_alive(stream: &TcpStream) -> Result<()> {
    let second = Duration::from_secs(1);
    let alive = socket2::TcpKeepalive::new().with_time(second).with_interval(second).with_retries(1);
    SockRef::from(stream).set_tcp_keepalive(&alive).context("cannot set keep-alive")
}

/// Its reset comes before the end, and is no cause of its own.
#[test]
fn timeouts_of_keep_alive() -> Result<()> {
    prove_told(|_| {
        let (open, half) = (Pair::connect()?, Pair::connect()?);
        pair::shut(&half.client)?;
        pair::wait_for(&half.client, State::FinWait2)?;
        for pair in [&open, &half] {
            filter::drop_all(&pair.server)?;
            keep_alive(&pair.client)?;
        }
        for pair in [&open, &half] {
            wait_dead(pair.ends)?;
        }
        pair::close_with_reset(open.server)?;
        pair::close_with_reset(half.server)?;
        drop((open.client, half.client));
        Ok(vec![
            told(open.ends, "abort", "timeout", Some("keepalive")),
            told(half.ends, "active", "timeout", Some("keepalive")),
        ])
    })
}

#[test]
fn kills_in_every_state() -> Result<()> {
    prove_told(|_| {
        let sniffer = Sniffer::start()?;
        let mut all = Vec::new();
        let open = with_error(&sniffer)?;
        kill::kill(open.ends)?;
        all.push(told(open.ends, "abort", "killed", None));
        all.push(told(open.ends.reversed(), "abort", "reset_received", None));
        for (state, role) in [
            (State::CloseWait, "abort"),
            (State::FinWait1, "active"),
            (State::FinWait2, "active"),
            (State::LastAck, "passive"),
            (State::Closing, "simultaneous"),
        ] {
            let Pair { client, server, ends } = in_state(&sniffer, state)?;
            kill::kill(ends).with_context(|| format!("{state:?}"))?;
            all.push(told(ends, role, "killed", None));
            pair::close_with_reset(server)?;
            drop(client);
        }
        drop(open);
        Ok(all)
    })
}

/// The client is left with an error that has passed.
fn with_error(sniffer: &Sniffer) -> Result<Pair> {
    let pair = Pair::connect()?;
    left_over::leave_unreachable(&pair.client, sniffer)?;
    Ok(pair)
}

/// A pair whose client is held in this state. It has an error left over.
fn in_state(sniffer: &Sniffer, state: State) -> Result<Pair> {
    let pair = with_error(sniffer)?;
    let Pair { client, server, ends } = &pair;
    match state {
        State::FinWait1 => {
            filter::drop_fins(server)?;
            pair::shut(client)?;
        }
        State::FinWait2 => pair::shut(client)?,
        State::CloseWait => pair::shut(server)?,
        State::LastAck => {
            pair::shut(server)?;
            pair::wait_for(client, State::CloseWait)?;
            filter::drop_fins(server)?;
            pair::shut(client)?;
        }
        State::Closing => {
            // The server's FIN comes, and the client's does not.
            filter::drop_all(server)?;
            pair::shut(client)?;
            sniffer.wait_fin(*ends)?;
            pair::shut(server)?;
        }
        State::Established | State::TimeWait => {}
    }
    pair::wait_for(client, state)?;
    Ok(pair)
}

/// The peer resets in each state, and whatever error the socket had before changes nothing.
#[test]
fn resets_in_every_state() -> Result<()> {
    prove_told(|_| {
        let sniffer = Sniffer::start()?;
        let mut all = Vec::new();
        for (state, role) in [
            (State::Established, "abort"),
            (State::CloseWait, "abort"),
            (State::FinWait1, "active"),
            (State::FinWait2, "active"),
            (State::LastAck, "passive"),
            (State::Closing, "simultaneous"),
        ] {
            let Pair { client, server, ends } = in_state(&sniffer, state)?;
            sniffer.newest(ends.reversed())?.send_reset_behind()?;
            wait_dead(ends).with_context(|| format!("{state:?}"))?;
            all.push(told(ends, role, "reset_received", None));
            pair::close_with_reset(server)?;
            drop(client);
        }
        Ok(all)
    })
}

/// The orphan is a timewait socket by then, whose end no event shows: its peer, on this host, tells.
#[test]
fn a_peer_on_this_host_tells_its_reset() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    prove(|netns| {
        let (young, old) = (orphan::leave(Pair::connect()?)?, orphan::leave(Pair::connect()?)?);
        let mut closes = Vec::from(young.reset()?);
        thread::sleep(HOLD * 3);
        closes.extend(old.reset()?);
        Ok(Truth { netns: netns.inode(), closes, findings: Vec::new() })
    })
}

/// The peer delays its ACK of the FIN by 40 ms or so, and over loopback the network takes microseconds.
#[test]
fn a_delayed_ack_is_no_network() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let tool = Tool::trace(&["--netns", &netns.inode().to_string()])?;
        let ends = netns.run(|_| {
            let mut pair = Pair::connect()?;
            for _ in 0..20 {
                pair.exchange(b"question", b"answer")?;
            }
            // Its last answer acknowledged, the FIN is alone: behind data, a loss probe would hurry the ACK.
            thread::sleep(HOLD);
            let Pair { client, server, ends } = pair;
            rustix::net::sockopt::set_tcp_quickack(&client, false)?;
            pair::shut(&server)?;
            pair::wait_for(&server, State::FinWait2)?;
            drop(client);
            proc_net::wait_for(ends.reversed(), State::TimeWait)?;
            drop(server);
            Ok(ends.reversed())
        })?;
        tool.wait_for_closes(netns.inode(), 2, SOON)?;
        let finished = tool.stop()?;
        let lines = finished.lines_in(netns.inode())?;
        let line = lines.iter().find(|line| line.is("close") && line.has_ends(ends)).context("no close")?;
        let (network, round_trip) = (line.count("/phases_ns/fin_wait1"), line.count("/srtt_us") * 1_000);
        ensure!(network > 3_000_000, "the ACK was not delayed: {}", line.text);
        let summary = finished.summary()?;
        let [network_max, wait_max] =
            ["network", "ack_wait"].map(|name| summary.count(&format!("/latency_ns/{name}/max")));
        ensure!(network_max == network && wait_max == network - round_trip, "{}\n{}", line.text, summary.text);
        // The delayed ACK is in the average, too, but only with an eighth.
        ensure!(wait_max > network / 2, "most of it is the peer's: {}", summary.text);
        ensure!(summary.count("/latency_ns/ack_wait/count") == 2, "of both sides: {}", summary.text);
        Ok(())
    })
}
