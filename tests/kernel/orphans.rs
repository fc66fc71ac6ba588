//! Orphans in FIN_WAIT2: how long their peers took, which no event of their own tells.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    netns::NetNs,
    pair::{self, Pair},
    proc_net::{self, State},
    scenario::{orphan, timewait},
    tool::{self, Tool},
    wait,
};

use crate::{
    harness::{HOLD, SOON, bounded, is_older_than, observe},
    judge,
};

const LIMIT: Duration = Duration::from_secs(20);
/// The port that a recycled timewait socket was connected to.
const RECYCLED: &str = "39999";

/// What the listeners of [`every_kind`] have in a namespace of their own.
const PORTS: [u16; 4] = [4000, 4001, 4002, 4003];
/// `PEER_NS` of the engine, in seconds: a longer LAST_ACK tells too little.
const PEER_S: f64 = 0.01;

/// Every kind of socket that a look-up has to find, each in its own way.
fn every_kind() -> Result<Vec<Pair>> {
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
    let anywhere = Ipv6Addr::UNSPECIFIED.into();
    let ways = [(loopback[0], loopback[0]), (loopback[1], loopback[1]), (anywhere, mapped), (loopback[0], loopback[0])];
    let pairs = PORTS
        .into_iter()
        .zip(ways)
        .map(|(port, (at, to))| Pair::to(&TcpListener::bind((at, port))?, (to, port).into()));
    let pairs = pairs.collect::<Result<Vec<_>>>()?;
    let bound = socket2::SockRef::from(&pairs[3].client);
    bound.bind_device(Some(b"lo")).context("cannot bind to lo")?;
    Ok(pairs)
}

/// The peers are filtered out, as if they were elsewhere.
#[test]
fn the_peers_delay_is_known_to_a_tick() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let ports = PORTS.map(|port| port.to_string());
        let filter: Vec<_> = ports.iter().flat_map(|port| ["--remote-port", port]).collect();
        let (truth, finished) = observe(&filter, |netns| {
            let mut truth = orphan::held(netns, every_kind()?, Duration::from_secs(2))?;
            truth.closes.retain(|close| close.role == "active");
            Ok(truth)
        })?;
        let lines = finished.lines_in(truth.netns)?;
        judge::closes(&truth, &lines).with_context(|| judge::books_in_words(&finished))?;
        judge::no_findings(&lines)?;
        let summary = finished.summary()?;
        ensure!(summary.count("/looks/asked") >= 4 || has_time_wait_events()?, "nobody looked: {}", summary.text);
        Ok(())
    })
}

/// The peers are traced, too: their FINs came while they were in LAST_ACK.
#[test]
fn a_peer_on_this_host_tells_its_delay() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let (truth, finished) = observe(&[], |netns| orphan::held(netns, every_kind()?, HOLD))?;
        let lines = finished.lines_in(truth.netns)?;
        judge::closes(&truth, &lines).with_context(|| judge::books_in_words(&finished))?;
        judge::no_findings(&lines)?;
        let line_of = |ends| lines.iter().find(|line| line.is("close") && line.has_ends(ends)).context("no line");
        let mut told = 0;
        for peer in truth.closes.iter().filter(|close| close.role == "passive") {
            let (orphan, peer) = (line_of(peer.ends.reversed())?, line_of(peer.ends)?);
            let last_ack_s = peer.count("/phases_ns/last_ack") as f64 / 1e9;
            // A machine that stands still in between leaves it to a look.
            if last_ack_s <= PEER_S {
                told += 1;
                let before_s = peer.seconds()? - orphan.seconds()?;
                ensure!((0.0..=last_ack_s).contains(&before_s), "{} is not in LAST_ACK of {}", orphan.text, peer.text);
            }
        }
        ensure!(told > 0, "each LAST_ACK took more than {PEER_S} s:\n{}", judge::shown(&lines));
        Ok(())
    })
}

#[test]
fn a_peer_that_never_closes() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    const THRESHOLD_MS: u64 = 1000;
    bounded(|| {
        let timeout = Duration::from_secs(3);
        let (truth, finished) = observe(&["--stuck-after", "1s"], |netns| timewait::times_out(netns, timeout))?;
        let lines = finished.lines_in(truth.netns)?;
        judge::closes(&truth, &lines).with_context(|| judge::books_in_words(&finished))?;
        judge::findings(&truth, &lines, THRESHOLD_MS)?;
        let raised = lines.iter().find(|line| line.is("finding")).context("no finding")?;
        let end_ns = raised.count("/age_ns") + raised.count("/gives_up_in_ns");
        ensure!((2_900_000_000..3_100_000_000).contains(&end_ns), "its end is foretold for {end_ns}: {}", raised.text);
        Ok(())
    })
}

#[test]
fn a_refused_timewait_socket_is_said() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let (truth, finished) = observe(&[], |netns| timewait::overflow(netns, HOLD))?;
        let lines = finished.lines_in(truth.netns)?;
        judge::closes(&truth, &lines).with_context(|| judge::books_in_words(&finished))?;
        let summary = finished.summary()?;
        ensure!(summary.count("/looks/timewait_overflow") >= 1, "not counted: {}", summary.text);
        Ok(())
    })
}

/// The same ends are had by another connection before anybody looks: tcptrace is stopped meanwhile.
#[test]
fn a_recycled_timewait_socket_is_said() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        // Its peer would tell.
        let tool = Tool::trace(&["--remote-port", RECYCLED])?;
        let (first, again) = netns.run(|netns| recycle(netns, &tool))?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let lines = finished.lines_in(netns.inode())?;
        let told: Vec<_> = lines.iter().filter(|line| line.is("close") && line.has_ends(first)).collect();
        let [recycled, orderly] = told.as_slice() else { anyhow::bail!("not two lives:\n{}", judge::shown(&lines)) };
        ensure!(first == again, "another port: {first}, {again}");
        ensure!(recycled.at("/phases_ns/fin_wait1").is_u64(), "{}", recycled.text);
        ensure!(*orderly.at("/outcome") == "fin" && *orderly.at("/complete") == true, "{}", orderly.text);
        if has_time_wait_events()? {
            // An event told of its end, before the other connection came.
            ensure!(*recycled.at("/outcome") == "fin" && *recycled.at("/complete") == true, "{}", recycled.text);
            return Ok(());
        }
        let untold = *recycled.at("/complete") == false && recycled.at("/phases_ns/fin_wait2").is_null();
        ensure!(*recycled.at("/outcome") == "unknown" && untold, "{}", recycled.text);
        let summary = finished.summary()?;
        ensure!(summary.count("/looks/timewait_recycled") >= 1, "not counted: {}", summary.text);
        Ok(())
    })
}

/// Whether the end of an orphan's FIN_WAIT2 is an event here: then nobody has to look, and nothing can be missed.
fn has_time_wait_events() -> Result<bool> {
    let check = Tool::start(tool::command(["check", "--output", "json"])?)?.finish(SOON)?;
    let lines = check.lines()?;
    let line = lines.iter().find(|line| line.text.contains("time-wait events")).context("no word of them")?;
    Ok(*line.at("/met") == true)
}

fn recycle(netns: &NetNs, tool: &Tool) -> Result<(pair::Ends, pair::Ends)> {
    let listener = TcpListener::bind(("127.0.0.1", RECYCLED.parse()?))?;
    let to = listener.local_addr()?;
    // One port to have, so that the next connection needs that of the timewait socket.
    netns.set_sysctl("net/ipv4/ip_local_port_range", "40000 40000")?;
    netns.set_sysctl("net/ipv4/tcp_tw_reuse", "1")?;
    // Kernels without it ask for a second, for which the loop below waits.
    let _ = netns.set_sysctl("net/ipv4/tcp_tw_reuse_delay", "0");
    let Pair { client, server, ends } = Pair::to(&listener, to)?;
    tool.signal(Signal::STOP)?;
    drop(client);
    pair::read_eof(&server)?;
    proc_net::wait_for(ends, State::FinWait2)?;
    pair::close_passive(server)?;
    proc_net::wait_for(ends, State::TimeWait)?;
    let again = wait::until("the port to be had again", LIMIT, || Ok(Pair::to(&listener, to).ok()))?;
    tool.signal(Signal::CONT)?;
    let is_told =
        |lines: &[tcptrace_tests::tool::Line]| lines.iter().any(|line| line.is("close") && line.has_ends(ends));
    tool.wait_for(netns.inode(), "the first life", is_told, SOON)?;
    let ends_again = again.ends;
    drop(again.client);
    pair::read_eof(&again.server)?;
    pair::close_passive(again.server)?;
    let all = |lines: &[tcptrace_tests::tool::Line]| lines.iter().filter(|line| line.is("close")).count() >= 2;
    tool.wait_for(netns.inode(), "the other life", all, SOON)?;
    Ok((ends, ends_again))
}
