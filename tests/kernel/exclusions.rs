//! `--not-...`: just what does not match is told, and crosses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};
use socket2::SockRef;
use tcptrace::source::differences::RESET_REASONS;
use tcptrace_tests::{
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net,
    tool::{Line, Tool},
};

use crate::harness::{bounded, is_older_than};
use crate::judge;
use crate::twin::{closed, ends, prove};

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn ports(_: &NetNs) -> Result<usize> {
    Ok(closed((HOST, 8001))? + closed((HOST, 8002))? + closed((HOST, 8003))?)
}

fn port_of(line: &Line, end: usize) -> u16 {
    ends(line)[end].port()
}

fn has_port(line: &Line, ports: &[u16]) -> bool {
    ends(line).iter().any(|end| ports.contains(&end.port()))
}

#[test]
fn ports_of_either_end() -> Result<()> {
    prove(&["--not-port", "8001,8002"], |line| !has_port(line, &[8001, 8002]), ports)
}

#[test]
fn local_port() -> Result<()> {
    prove(&["--not-local-port", "8001"], |line| port_of(line, 0) != 8001, ports)
}

#[test]
fn remote_port() -> Result<()> {
    prove(&["--not-remote-port", "8001"], |line| port_of(line, 1) != 8001, ports)
}

#[test]
fn a_port_beside_those_that_are_wanted() -> Result<()> {
    let arguments = &["--port", "8001,8002", "--not-local-port", "8001"];
    prove(arguments, |line| has_port(line, &[8001, 8002]) && port_of(line, 0) != 8001, ports)
}

/// Its `connect()` has no port when it begins.
#[test]
fn a_port_that_the_kernel_chooses() -> Result<()> {
    let clients = |netns: &NetNs| {
        let mut closes = 0;
        for port in ["40100", "40102"] {
            netns.set_sysctl("net/ipv4/ip_local_port_range", &format!("{port} {port}"))?;
            closes += closed((HOST, 8001))? + closed((Ipv6Addr::LOCALHOST, 8001))?;
        }
        Ok(closes)
    };
    prove(&["--not-local-port", "40100"], |line| port_of(line, 0) != 40100, clients)
}

fn addresses(_: &NetNs) -> Result<usize> {
    let mut closes = 0;
    for last in [1, 2, 3, 9] {
        closes += closed((Ipv4Addr::new(127, 0, 0, last), 8001))?;
    }
    let mapped: IpAddr = Ipv4Addr::new(127, 0, 0, 3).to_ipv6_mapped().into();
    Ok(closes + closed((Ipv6Addr::LOCALHOST, 8001))? + closed(SocketAddr::new(mapped, 8002))?)
}

fn has_address(line: &Line, lasts: &[u8]) -> bool {
    let ip = |last: u8| IpAddr::from([127, 0, 0, last]);
    ends(line).iter().any(|end| lasts.iter().any(|last| end.ip().to_canonical() == ip(*last)))
}

#[test]
fn addresses_and_prefixes() -> Result<()> {
    prove(&["--not-addr", "127.0.0.2/31,::1"], |line| !has_address(line, &[2, 3]) && ends(line)[0].is_ipv4(), addresses)
}

/// A prefix in one that is left out is left out, and one that is left out in one that is wanted.
#[test]
fn prefixes_within_each_other() -> Result<()> {
    let arguments = &["--addr", "127.0.0.0/29,127.0.0.9", "--not-addr", "127.0.0.2/31", "--addr", "127.0.0.3"];
    prove(
        arguments,
        |line| !has_address(line, &[2, 3]) && ends(line)[0].is_ipv4(),
        |netns| Ok(addresses(netns)? + closed((Ipv4Addr::new(127, 0, 0, 3), 8003))?),
    )
}

#[test]
fn a_family() -> Result<()> {
    prove(&["--not-family", "ipv6"], |line| ends(line)[1].is_ipv4(), addresses)
}

/// Its events do not cross, and those of another one do.
#[test]
fn a_namespace() -> Result<()> {
    bounded(|| {
        let (out, wanted) = (NetNs::new()?, NetNs::new()?);
        let (inode, both) = (out.inode().to_string(), format!("{},{}", out.inode(), wanted.inode()));
        let excluded = Tool::trace(&["--netns", &both, "--not-netns", &inode])?;
        let others = Tool::trace(&["--not-netns", &inode])?;
        out.run(ports)?;
        wanted.run(ports)?;
        for tool in [&excluded, &others] {
            tool.wait_for_closes(wanted.inode(), 6, crate::harness::SOON)?;
        }
        let excluded = excluded.stop()?;
        ensure!(excluded.summary()?.count("/closes") == 6, "{}", excluded.summary()?.text);
        judge::books(&excluded.summary()?)?;
        let others = others.stop()?;
        ensure!(others.lines_in(out.inode())?.is_empty(), "it was left out");
        ensure!(others.lines_in(wanted.inode())?.len() >= 6, "the other one was not");
        Ok(())
    })
}

/// Who resets: one connection of each kind, and what each filter leaves of them.
#[test]
fn ends_and_owners() -> Result<()> {
    if is_older_than(&RESET_REASONS) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let own = std::process::id().to_string();
        let filters: [(&[&str], &[&str]); 8] = [
            (&["--outcome", "reset-sent"], &["reset_sent linger_0", "reset_sent unread_data"]),
            (&["--outcome", "reset_sent,timeout", "--not-reason", "linger-0"], &["reset_sent unread_data"]),
            (&["--reason", "linger-0,unread_data"], &["reset_sent linger_0", "reset_sent unread_data"]),
            (&["--role", "active,passive"], &["fin null", "fin null"]),
            (&["--not-role", "abort"], &["fin null", "fin null"]),
            (&["--not-outcome", "fin,reset-received"], &["reset_sent linger_0", "reset_sent unread_data"]),
            // Who is reset by a peer and never closes has no owner: unknown is not excluded.
            (&["--not-pid", &own, "--outcome", "fin,reset-sent"], &[]),
            (&["--findings-only"], &[]),
        ];
        let tools = filters.map(|(words, _)| Tool::trace(&[words, ["--netns", &inode].as_slice()].concat()));
        netns.run(|_| {
            let Pair { client, server, .. } = Pair::connect()?;
            pair::shut(&client)?;
            pair::read_eof(&server)?;
            pair::close_passive(server)?;
            pair::read_eof(&client)?;
            let Pair { client, server, .. } = Pair::connect()?;
            let gone = Ends::of(&server)?;
            pair::close_with_reset(client)?;
            proc_net::wait_gone(gone)?;
            let Pair { client, mut server, .. } = Pair::connect()?;
            let gone = Ends::of(&server)?;
            std::io::Write::write_all(&mut server, b"unread")?;
            wait_unread(&client)?;
            drop(client);
            proc_net::wait_gone(gone)
        })?;
        std::thread::sleep(std::time::Duration::from_secs(1));
        for (tool, (words, wanted)) in tools.into_iter().zip(filters) {
            let finished = tool?.stop()?;
            finished.expect_code(0)?;
            let lines = finished.lines()?;
            let text = |line: &Line| {
                let reason = line.at("/reason").as_str().unwrap_or("null").to_owned();
                Some(format!("{} {reason}", line.at("/outcome").as_str()?))
            };
            let mut told: Vec<String> = lines.iter().filter(|line| line.is("close")).filter_map(text).collect();
            told.sort_unstable();
            ensure!(told == *wanted, "{words:?}: {told:?} and not {wanted:?}");
            judge::books(&finished.summary()?)?;
        }
        Ok(())
    })
}

fn wait_unread(stream: &TcpStream) -> Result<()> {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    let read = SockRef::from(stream).peek(&mut byte).context("cannot peek")?;
    ensure!(read == 1, "nothing arrived");
    Ok(())
}
