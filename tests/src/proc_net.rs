//! The kernel's own list of sockets, as the calling thread's namespace has it: the witness that a close got
//! to where a scenario wanted it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{pair::Ends, wait};

/// No state is waited for longer than this.
const LIMIT: Duration = Duration::from_secs(20);

/// A state as `/proc/net/tcp` numbers it; timewait sockets show the state that they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// `TCP_ESTABLISHED`
    Established = 1,
    /// `TCP_FIN_WAIT1`
    FinWait1 = 4,
    /// `TCP_FIN_WAIT2`
    FinWait2 = 5,
    /// `TCP_TIME_WAIT`
    TimeWait = 6,
    /// `TCP_CLOSE_WAIT`
    CloseWait = 8,
    /// `TCP_LAST_ACK`
    LastAck = 9,
    /// `TCP_CLOSING`
    Closing = 11,
}

/// `tr` of a socket whose zero-window probe timer runs.
pub const TIMER_PROBE: u8 = 4;

/// One line of `/proc/net/tcp`.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// State, in the kernel's numbers.
    pub state: u8,
    /// Which timer runs.
    pub timer: u8,
    /// Bytes in the receive queue.
    pub unread: u64,
}

/// The socket with these ends; `None` when there is none.
///
/// # Errors
/// When the list cannot be read.
pub fn find(ends: Ends) -> Result<Option<Row>> {
    for list in ["tcp", "tcp6"] {
        let path = format!("/proc/thread-self/net/{list}");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // A kernel without IPv6.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).context(path),
        };
        let row = text.lines().filter_map(parse).find(|(found, _)| *found == ends);
        if let Some((_, row)) = row {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Waits until the socket is in this state.
///
/// # Errors
/// When it does not get there in 20 s.
pub fn wait_for(ends: Ends, state: State) -> Result<()> {
    wait::until(&format!("{ends} to be in {state:?}"), LIMIT, || {
        Ok(find(ends)?.filter(|row| row.state == state as u8).map(|_| ()))
    })
}

/// Waits until `test` holds of the socket.
///
/// # Errors
/// When it does not in 20 s.
pub fn wait_until(what: &str, ends: Ends, test: impl Fn(&Row) -> bool) -> Result<()> {
    wait::until(&format!("{ends} {what}"), LIMIT, || Ok(find(ends)?.filter(&test).map(|_| ())))
}

/// Waits until there is no full socket with these ends: none, or a timewait socket.
///
/// A FIN_WAIT2 timewait socket looks like a full one here, so this is for sockets that pass on to TIME_WAIT
/// or end.
///
/// # Errors
/// When it is still there after 20 s.
pub fn wait_gone(ends: Ends) -> Result<()> {
    wait::until(&format!("{ends} to be gone"), LIMIT, || {
        Ok(find(ends)?.is_none_or(|row| row.state == State::TimeWait as u8).then_some(()))
    })
}

fn parse(line: &str) -> Option<(Ends, Row)> {
    let mut words = line.split_whitespace().skip(1);
    let local = address(words.next()?)?;
    let remote = address(words.next()?)?;
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let (_, unread) = words.next()?.split_once(':')?;
    let (timer, _) = words.next()?.split_once(':')?;
    let row = Row { state, timer: u8::from_str_radix(timer, 16).ok()?, unread: u64::from_str_radix(unread, 16).ok()? };
    Some((Ends::new(local, remote), row))
}

/// `0100007F:1F90`: words of 32 bits, each as the machine prints the bytes that the network orders.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_understood() {
        let line = "  0: 0100007F:1F90 0200007F:0050 04 00000002:00000001 01:00000014 00000000  0  0 12 1";
        let (ends, row) = parse(line).unwrap();
        assert_eq!(ends.to_string(), "127.0.0.1:8080 -> 127.0.0.2:80");
        assert_eq!((row.state, row.timer, row.unread), (4, 1, 1));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let mapped = address("0000000000000000FFFF00000100007F:0050").unwrap();
        assert_eq!(Ends::new(mapped, mapped).to_string(), "127.0.0.1:80 -> 127.0.0.1:80");
    }
}
