//! sock_diag over netlink: what the kernel says of the TCP sockets of one network namespace.
//!
//! A dump walks the whole hash table in the kernel (`inet_diag_dump_icsk()`), whatever it finds; a look-up costs one
//! hash (`inet_diag_dump_one_icsk()`). Whoever knows the ends of a socket looks it up.

mod dump;
mod look;
mod messages;
#[cfg(test)]
mod mptcp_tests;
mod parse;
mod requests;
#[cfg(test)]
mod tests;

use std::{io, time::Duration};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use rustix::{
    io::Errno,
    net::{
        RecvFlags,
        sockopt::{self, Timeout},
    },
};

use super::{clock, proc::limit_remedy};
use crate::model::StateSet;

pub use dump::{Detail, Dumped};
pub use look::LookAnswer;
pub use parse::{DiagError, parse_message, parse_mptcp};

/// Room for the answers to one batch of look-ups, at some 1.5 KiB of kernel memory each, many times over.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// `netlink_recvmsg()` makes the parts of a dump as large as the reader's buffer, up to 32 KiB.
const DATAGRAM_BYTES: usize = 32 << 10;
/// The kernel answers while it is asked, so this is only for one that does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A netlink socket in the network namespace that the thread was in when it opened it.
pub struct DiagSocket {
    socket: Socket,
    /// Of the last request.
    sequence: u32,
    /// Requests that are about to be sent; kept for its memory.
    request: Vec<u8>,
    /// The last datagram; kept for its memory.
    datagram: Vec<u8>,
}

/// Whether to wait for an answer.
#[derive(Clone, Copy)]
enum Wait {
    Bounded,
    No,
}

impl DiagSocket {
    /// Opens one, and makes sure that the kernel can answer.
    ///
    /// # Errors
    /// `Unsupported` where the kernel has no sock_diag for TCP, and when the socket cannot be had.
    pub fn open() -> io::Result<Self> {
        let open = |error| said("cannot open a sock_diag socket", &error);
        let socket = Socket::new(NETLINK_SOCK_DIAG).map_err(open)?;
        // From now on nobody but the kernel can send to it (`netlink_getsockbyportid()`).
        socket.connect(&SocketAddr::new(0, 0)).map_err(open)?;
        // Answers to look-ups that failed without the request that we know; a kernel before 4.2 sends it along.
        let _ = socket.set_cap_ack(true);
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WITHIN)).map_err(|errno| open(errno.into()))?;
        // Without CAP_NET_ADMIN what net.core.rmem_max allows has to do.
        if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES);
        }
        let datagram = Vec::with_capacity(DATAGRAM_BYTES);
        let mut opened = Self { socket, sequence: 0, request: Vec::new(), datagram };
        opened.probe()?;
        Ok(opened)
    }

    /// A look-up answers ENOENT, too, where `inet_diag_lock_handler()` finds no tcp_diag module, and every socket would
    /// count as gone. So ask for no state at all, which costs nothing where there is one.
    fn probe(&mut self) -> io::Result<()> {
        self.dump(StateSet(0), false, 0, &mut |_| ()).map(|_| ()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                io::Error::new(io::ErrorKind::Unsupported, "the kernel has no sock_diag for TCP (CONFIG_INET_TCP_DIAG)")
            }
            _ => error,
        })
    }

    /// Sends `self.request`.
    fn send(&self) -> io::Result<()> {
        self.socket.send(&self.request, 0).map(|_| ())
    }

    /// Reads one datagram into `self.datagram` and says when.
    fn receive(&mut self, wait: Wait) -> io::Result<u64> {
        let wait = match wait {
            Wait::Bounded => RecvFlags::empty(),
            Wait::No => RecvFlags::DONTWAIT,
        };
        // With MSG_TRUNC the length is that of the datagram. One that was cut ends amid a message, which shows.
        let flags = (wait | RecvFlags::TRUNC).bits().cast_signed();
        self.datagram.clear();
        self.socket.recv(&mut self.datagram, flags)?;
        Ok(clock::monotonic_ns())
    }

    /// For the next requests, as many as `count`; the first number.
    fn sequence_for(&mut self, count: u32) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(count);
        first
    }
}

/// The same error, with what was being done. A limit of files or memory keeps its errno, which says what to do.
fn said(what: &str, error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) if limit_remedy(errno).is_some() => io::Error::from_raw_os_error(errno),
        _ => io::Error::new(error.kind(), format!("{what}: {error}")),
    }
}

/// An errno of the kernel as an error.
fn kernel_error(errno: i32) -> io::Error {
    Errno::from_raw_os_error(errno).into()
}
