//! A connection with both of its ends in hand.

use std::{
    fmt,
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::proc_net::{self, State};

/// No call blocks longer than this.
const LIMIT: Duration = Duration::from_secs(20);

/// Both addresses of a socket, v4-mapped ones as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ends {
    /// This side.
    pub local: SocketAddr,
    /// The other side.
    pub remote: SocketAddr,
}

impl Ends {
    /// From addresses as the kernel gives them.
    #[must_use]
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        Self { local: plain(local), remote: plain(remote) }
    }

    /// Of a connected socket.
    ///
    /// # Errors
    /// When it is not connected.
    pub fn of(stream: &TcpStream) -> Result<Self> {
        Ok(Self::new(stream.local_addr()?, stream.peer_addr()?))
    }

    /// As the peer sees them.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { local: self.remote, remote: self.local }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.local, self.remote)
    }
}

/// An established connection over loopback.
#[derive(Debug)]
pub struct Pair {
    /// The side that called `connect()`.
    pub client: TcpStream,
    /// The side that was accepted.
    pub server: TcpStream,
    /// The client's addresses; the server's are these reversed.
    pub ends: Ends,
}

impl Pair {
    /// Over IPv4.
    ///
    /// # Errors
    /// When no connection comes about.
    pub fn connect() -> Result<Self> {
        Self::over((Ipv4Addr::LOCALHOST, 0).into(), None)
    }

    /// Over IPv6.
    ///
    /// # Errors
    /// When no connection comes about.
    pub fn connect_v6() -> Result<Self> {
        Self::over((Ipv6Addr::LOCALHOST, 0).into(), None)
    }

    /// IPv6 sockets on both sides that speak IPv4.
    ///
    /// # Errors
    /// When no connection comes about.
    pub fn connect_v4_mapped() -> Result<Self> {
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        Self::over((Ipv6Addr::UNSPECIFIED, 0).into(), Some((mapped, 0).into()))
    }

    /// Listens at one address and connects to it, or to `to` with the listener's port.
    fn over(listen: SocketAddr, to: Option<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen at {listen}"))?;
        let mut target = listener.local_addr()?;
        if let Some(to) = to {
            target.set_ip(to.ip());
        }
        Self::to(&listener, target)
    }

    /// Over a listener that has no other clients.
    ///
    /// # Errors
    /// When no connection comes about.
    pub fn to(listener: &TcpListener, target: SocketAddr) -> Result<Self> {
        let client = TcpStream::connect_timeout(&target, LIMIT).context("cannot connect")?;
        let (server, _) = listener.accept().context("cannot accept")?;
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(LIMIT))?;
            stream.set_write_timeout(Some(LIMIT))?;
        }
        let ends = Ends::of(&client)?;
        Ok(Self { client, server, ends })
    }

    /// Sends and reads some bytes both ways, and waits until they are acknowledged.
    ///
    /// # Errors
    /// When they do not arrive.
    pub fn exchange(&mut self, to_server: &[u8], to_client: &[u8]) -> Result<()> {
        self.client.write_all(to_server)?;
        self.server.read_exact(&mut vec![0; to_server.len()])?;
        self.server.write_all(to_client)?;
        self.client.read_exact(&mut vec![0; to_client.len()])?;
        Ok(())
    }
}

/// `shutdown(SHUT_WR)`.
///
/// # Errors
/// When the socket is not connected.
pub fn shut(stream: &TcpStream) -> Result<()> {
    stream.shutdown(Shutdown::Write).context("cannot shut down")
}

/// Reads until end-of-file, which must come; says how many bytes there were.
///
/// # Errors
/// When no end-of-file comes.
pub fn read_to_end(mut stream: &TcpStream) -> Result<u64> {
    let mut total = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer).context("cannot read to end-of-file")? {
            0 => return Ok(total),
            length => total += length as u64,
        }
    }
}

/// Reads the end-of-file that must be next.
///
/// # Errors
/// When there is data, or nothing comes.
pub fn read_eof(stream: &TcpStream) -> Result<()> {
    let bytes = read_to_end(stream)?;
    ensure!(bytes == 0, "expected end-of-file, got {bytes} bytes");
    Ok(())
}

/// Closes the passive side and waits until its FIN is acknowledged.
///
/// # Errors
/// When its socket does not end.
pub fn close_passive(stream: TcpStream) -> Result<()> {
    let ends = Ends::of(&stream)?;
    drop(stream);
    proc_net::wait_gone(ends)
}

/// Ends the connection at once with a reset that nobody expects a FIN after.
///
/// # Errors
/// When the option is refused.
pub fn close_with_reset(stream: TcpStream) -> Result<()> {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    drop(stream);
    Ok(())
}

/// Waits until this socket got as far.
///
/// # Errors
/// When it does not.
pub fn wait_for(stream: &TcpStream, state: State) -> Result<()> {
    proc_net::wait_for(Ends::of(stream)?, state)
}
