//! Each option by which sockets are told apart: just what matches is told, and crosses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_ebpf::filter::sampled;
use tcptrace_tests::{
    netns::NetNs,
    pair::{Ends, Pair},
    tool::Line,
};

use crate::harness::is_older_than;
use crate::twin::{close, closed, cookie, ends, prove};

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn two_ports(_: &NetNs) -> Result<usize> {
    Ok(closed((HOST, 8001))? + closed((HOST, 8002))? + closed((HOST, 8001))?)
}

fn local_port(line: &Line) -> u16 {
    ends(line)[0].port()
}

fn remote_port(line: &Line) -> u16 {
    ends(line)[1].port()
}

fn has_port(line: &Line, port: u16) -> bool {
    local_port(line) == port || remote_port(line) == port
}

#[test]
fn port() -> Result<()> {
    prove(&["--port", "8001"], |line| has_port(line, 8001), two_ports)
}

#[test]
fn local_port_of_the_server() -> Result<()> {
    prove(&["--local-port", "8001"], |line| local_port(line) == 8001, two_ports)
}

#[test]
fn remote_port_of_the_client() -> Result<()> {
    prove(&["--remote-port", "8001"], |line| remote_port(line) == 8001, two_ports)
}

/// Two ports that clients get, so that both are known before.
fn two_clients(netns: &NetNs) -> Result<usize> {
    let mut closes = 0;
    for port in ["7100", "7102"] {
        netns.set_sysctl("net/ipv4/ip_local_port_range", &format!("{port} {port}"))?;
        closes += closed((HOST, 8001))?;
        closes += closed((Ipv6Addr::LOCALHOST, 8001))?;
    }
    Ok(closes)
}

/// Its connect crosses too, although the port was not chosen yet when it began: the lifetime is known.
#[test]
fn local_port_that_the_kernel_chooses() -> Result<()> {
    prove(&["--local-port", "7100"], |line| local_port(line) == 7100, two_clients)
}

#[test]
fn any_port_that_the_kernel_chooses() -> Result<()> {
    prove(&["--port", "7100"], |line| has_port(line, 7100), two_clients)
}

/// What the refused connect had as its port does not stand for what the next one gets.
#[test]
fn local_port_of_a_second_connect() -> Result<()> {
    prove(
        &["--local-port", "7102"],
        |line| local_port(line) == 7102,
        |netns| {
            let range = "net/ipv4/ip_local_port_range";
            netns.set_sysctl(range, "7100 7100")?;
            let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            let nobody = SocketAddr::from((HOST, 9));
            ensure!(client.connect(&nobody.into()).is_err(), "somebody listens at {nobody}");
            let others = closed((HOST, 8001))?;
            netns.set_sysctl(range, "7102 7102")?;
            Ok(others + close(accepted(client, (HOST, 8001).into())?)?)
        },
    )
}

/// Connects a socket to a listener of its own.
fn accepted(client: Socket, listen: SocketAddr) -> Result<Pair> {
    let listener = TcpListener::bind(listen)?;
    client.connect(&listen.into())?;
    let (server, _) = listener.accept()?;
    let client = client.into();
    let ends = Ends::of(&client)?;
    Ok(Pair { client, server, ends })
}

#[test]
fn local_port_that_the_client_chooses() -> Result<()> {
    prove(
        &["--local-port", "7100", "--local-port", "9"],
        |line| local_port(line) == 7100,
        |_| {
            for port in [7100, 7102] {
                let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
                client.bind(&SocketAddr::from((HOST, port)).into())?;
                close(accepted(client, (HOST, 8001).into())?)?;
            }
            Ok(4)
        },
    )
}

#[test]
fn several_options_must_all_hold() -> Result<()> {
    let arguments = &["--port", "8001", "--port", "8002", "--remote-port", "8002", "--addr", "127.0.0.0/8"];
    prove(arguments, |line| remote_port(line) == 8002, two_ports)
}

fn many_addresses(_: &NetNs) -> Result<usize> {
    let mut closes = 0;
    for last in [1, 2, 3, 9] {
        closes += closed((Ipv4Addr::new(127, 0, 0, last), 8001))?;
        let mapped = Ipv4Addr::new(127, 0, 0, last).to_ipv6_mapped();
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 8002))?;
        closes += close(Pair::to(&listener, (mapped, 8002).into())?)?;
    }
    Ok(closes + closed((Ipv6Addr::LOCALHOST, 8001))?)
}

fn has_address(line: &Line, addresses: &[IpAddr]) -> bool {
    ends(line).iter().any(|end| addresses.contains(&end.ip()))
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

#[test]
fn address_of_ipv4() -> Result<()> {
    prove(&["--addr", "127.0.0.2"], |line| has_address(line, &[v4(2)]), many_addresses)
}

/// That of all clients, which their connects know.
#[test]
fn local_address_that_the_kernel_chooses() -> Result<()> {
    prove(&["--addr", "127.0.0.1"], |line| has_address(line, &[v4(1)]), many_addresses)
}

#[test]
fn address_of_ipv6() -> Result<()> {
    prove(&["--addr", "::1"], |line| has_address(line, &[Ipv6Addr::LOCALHOST.into()]), many_addresses)
}

#[test]
fn all_of_ipv6_is_none_of_ipv4() -> Result<()> {
    prove(&["--addr", "::/0"], |line| has_address(line, &[Ipv6Addr::LOCALHOST.into()]), many_addresses)
}

#[test]
fn several_addresses() -> Result<()> {
    let arguments = &["--addr", "127.0.0.2/31", "--addr", "::ffff:127.0.0.9", "--addr", "10.0.0.0/8"];
    prove(arguments, |line| has_address(line, &[v4(2), v4(3), v4(9)]), many_addresses)
}

#[test]
fn family_of_ipv4() -> Result<()> {
    prove(&["--family", "ipv4"], |line| ends(line)[1].is_ipv4(), many_addresses)
}

#[test]
fn family_of_ipv6() -> Result<()> {
    prove(&["--family", "ipv6"], |line| ends(line)[1].is_ipv6(), many_addresses)
}

/// Closes elsewhere do not cross; see [`prove`].
#[test]
fn namespaces() -> Result<()> {
    prove(&["--netns", "self", "--port", "8001"], |line| has_port(line, 8001), two_ports)
}

#[test]
fn sample() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    let matches = |line: &Line| {
        let cookie = cookie(line).expect("a cookie").trim_start_matches("0x");
        sampled(u64::from_str_radix(cookie, 16).expect("a number"), 3)
    };
    prove(&["--sample", "1/3"], matches, |_| {
        let listener = TcpListener::bind((HOST, 0))?;
        let target = listener.local_addr().context("no address")?;
        (0..100).map(|_| close(Pair::to(&listener, target)?)).sum()
    })
}
