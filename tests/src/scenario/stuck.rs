//! Sockets that are stuck as they close, left that way for somebody to look at.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    filter,
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    scenario::zero_window,
    wait,
};

/// After this the first probe has filled what was left of the window, and the next one found it closed.
const SHUT: Duration = Duration::from_millis(500);
/// The first probe comes sooner.
const PROBES: Duration = Duration::from_secs(3);
/// Between the two sides' FINs.
const APART: Duration = Duration::from_millis(150);

/// A socket that is stuck from `since` on at the earliest.
#[derive(Debug)]
pub struct Stuck {
    /// Its ends.
    pub ends: Ends,
    /// Before it began.
    pub since: Instant,
    /// What has to stay open meanwhile: the peer's socket, and its own where a program holds it.
    pub kept: Vec<TcpStream>,
}

/// Whether the program that closes keeps its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `close()`: it does not.
    Close,
    /// `shutdown()`: it does.
    Shutdown,
}

impl By {
    fn end(self, stream: TcpStream, kept: &mut Vec<TcpStream>) -> Result<Instant> {
        let since = Instant::now();
        match self {
            Self::Close => drop(stream),
            Self::Shutdown => {
                pair::shut(&stream)?;
                kept.push(stream);
            }
        }
        Ok(since)
    }
}

/// The client's FIN is sent and never arrives.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn lost_fin(by: By) -> Result<Stuck> {
    let Pair { client, server, ends } = Pair::connect()?;
    filter::drop_all(&server)?;
    let mut kept = vec![server];
    let since = by.end(client, &mut kept)?;
    Ok(Stuck { ends, since, kept })
}

/// The FIN of the side that closes last is sent and never arrives.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn lost_last_fin() -> Result<Stuck> {
    let Pair { client, server, ends } = Pair::connect()?;
    pair::shut(&client)?;
    pair::read_eof(&server)?;
    filter::drop_all(&client)?;
    let since = Instant::now();
    drop(server);
    Ok(Stuck { ends: ends.reversed(), since, kept: vec![client] })
}

/// The client's FIN waits behind data that the server does not read, and its kernel answers probes.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn zero_window(by: By) -> Result<Stuck> {
    let Pair { client, server, ends } = Pair::connect()?;
    zero_window::fill(&client)?;
    // A kernel that sends into a shut window never does (6.18.15); whoever asks for this looks which it is.
    let probes = || Ok(proc_net::find(ends)?.filter(|row| row.timer == proc_net::TIMER_PROBE));
    let _ = wait::until("it to probe a window of 0", PROBES, probes);
    thread::sleep(SHUT);
    let mut kept = vec![server];
    let since = by.end(client, &mut kept)?;
    Ok(Stuck { ends, since, kept })
}

/// As above, and then the server is not there any more.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn zero_window_unanswered() -> Result<Stuck> {
    let stuck = zero_window(By::Close)?;
    for server in &stuck.kept {
        filter::drop_all(server)?;
    }
    Ok(stuck)
}

/// The client's FIN never leaves: there is no route.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn no_route(netns: &NetNs) -> Result<Stuck> {
    let Pair { client, server, ends } = Pair::connect()?;
    netns.lose_routes()?;
    let mut kept = vec![server];
    let since = By::Close.end(client, &mut kept)?;
    Ok(Stuck { ends, since, kept })
}

/// The client's FIN is sent and lost, and then there is no route for another.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn no_route_any_more(netns: &NetNs) -> Result<Stuck> {
    let stuck = lost_fin(By::Close)?;
    netns.lose_routes()?;
    Ok(stuck)
}

/// The server does not close after the client did.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn peer_open(by: By) -> Result<Stuck> {
    let Pair { client, server, ends } = Pair::connect()?;
    let mut kept = vec![server];
    let since = by.end(client, &mut kept)?;
    proc_net::wait_for(ends, State::FinWait2)?;
    Ok(Stuck { ends, since, kept })
}

/// Both sides shut down, and the server's kernel never sees the client's FIN.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn closing() -> Result<Stuck> {
    let Pair { client, server, ends } = Pair::connect()?;
    filter::drop_fins(&server)?;
    pair::shut(&client)?;
    proc_net::wait_for(ends, State::FinWait1)?;
    // So that its age differs from that of the first FIN.
    thread::sleep(APART);
    let since = Instant::now();
    pair::shut(&server)?;
    proc_net::wait_for(ends, State::Closing)?;
    Ok(Stuck { ends, since, kept: vec![client, server] })
}
