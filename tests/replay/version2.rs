//! What records tell since wire version 2, for `version2.cap`: subflows of MPTCP, a listener that is closed with a
//! queue, a connect that is refused, and a close by a thread with a name of its own.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tcptrace_tests::{
    pair::{self, Ends, Pair},
    proc_net::{self, State},
};

const IPPROTO_MPTCP: i32 = 262;
const QUEUED: usize = 3;
/// Between two parts, so that their lines do not mix.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the server of an MPTCP connection takes, which no subflow shows.
const HOLD: Duration = Duration::from_millis(300);

/// Closes of the scene: two of each connection, and those of the queue and its peers.
pub(crate) const CLOSES: usize = 6 + 2 * QUEUED;

pub(crate) fn scene() -> Result<()> {
    let (client, server) = subflow()?;
    drop(client);
    thread::sleep(HOLD);
    drop(server);
    thread::sleep(PAUSE);
    let (client, server) = subflow()?;
    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
    drop(client);
    thread::sleep(PAUSE);
    drop(server);
    closed_listener()?;
    thread::sleep(PAUSE);
    let nowhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    ensure!(TcpStream::connect(nowhere).is_err(), "somebody listens");
    let Pair { client, server, .. } = Pair::connect()?;
    let thread = thread::Builder::new().name("odd-one".to_owned()).spawn(move || drop(client))?;
    thread.join().map_err(|_| anyhow!("the thread panicked"))?;
    pair::read_eof(&server)?;
    pair::close_passive(server)
}

fn subflow() -> Result<(TcpStream, TcpStream)> {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::from(IPPROTO_MPTCP)));
    let (listener, client) = (socket()?, socket()?);
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    listener.listen(1)?;
    client.connect(&listener.local_addr()?)?;
    let (server, _) = TcpListener::from(listener).accept()?;
    Ok((client.into(), server))
}

/// One of its clients has closed already.
fn closed_listener() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let clients: Vec<TcpStream> =
        (0..QUEUED).map(|_| TcpStream::connect(listener.local_addr()?)).collect::<Result<_, _>>()?;
    for client in &clients {
        proc_net::wait_for(Ends::of(client)?.reversed(), State::Established)?;
    }
    if let Some(first) = clients.first() {
        pair::shut(first)?;
        proc_net::wait_for(Ends::of(first)?.reversed(), State::CloseWait)?;
    }
    drop(listener);
    Ok(())
}
