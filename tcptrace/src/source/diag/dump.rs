//! All sockets of the namespace in some states.

use std::io;

use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6};

use super::{
    DiagSocket, Wait, kernel_error,
    messages::{Body, Messages},
    parse::{DiagError, parse_message, parse_mptcp},
    requests, said,
};
use crate::model::{Snapshot, StateSet};

/// How much a dump tells of each socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing beside its state, timer and queues.
    None,
    /// Also [`Snapshot::info`].
    Info,
    /// Also [`crate::model::TcpDetail::send_memory_bytes`].
    Memory,
}

impl From<bool> for Detail {
    fn from(info: bool) -> Self {
        if info { Self::Info } else { Self::None }
    }
}

/// How one socket of an answer is read.
type Parse = fn(&[u8], u32, u64) -> Result<Snapshot, DiagError>;

/// What a dump came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Sockets that were told.
    pub sockets: u64,
    /// The kernel says that the table changed beneath it (`NLM_F_DUMP_INTR`).
    pub interrupted: bool,
    /// Messages that are none of a socket, or cannot be understood.
    pub refused: u64,
}

impl DiagSocket {
    /// Tells every TCP socket in these states, one after the other as they come. `netns` is what snapshots say.
    ///
    /// The kernel does the filtering. It takes a timewait socket for its substate: FIN_WAIT2 brings orphans in
    /// FIN_WAIT2, too. Sockets come and go while it walks its table, so one that was there all the time is told, any
    /// other may be.
    /// `detail` asks for [`Snapshot::info`], which locks each socket for a moment (`tcp_get_info()`).
    ///
    /// # Errors
    /// When the kernel refuses or breaks off (ENOBUFS), and when a signal interrupts the wait. What was told until then
    /// holds. The rest may still be under way in this socket, so another dump needs another one.
    pub fn dump(
        &mut self,
        states: StateSet,
        detail: impl Into<Detail>,
        netns: u32,
        sink: &mut dyn FnMut(Snapshot),
    ) -> io::Result<Dumped> {
        let detail = detail.into();
        let request = |to: &mut Vec<u8>, sequence, family| requests::dump(to, sequence, family, states, detail);
        self.dump_by(&request, parse_message, netns, sink)
    }

    /// Tells every MPTCP connection in these states, as [`DiagSocket::dump`] tells TCP sockets; those of its subflows
    /// are told there.
    ///
    /// # Errors
    /// As [`DiagSocket::dump`]; `NotFound` where the kernel has no sock_diag for MPTCP (`mptcp_diag`, Linux 5.9).
    pub fn dump_mptcp(&mut self, states: StateSet, netns: u32, sink: &mut dyn FnMut(Snapshot)) -> io::Result<Dumped> {
        let request = |to: &mut Vec<u8>, sequence, family| requests::dump_mptcp(to, sequence, family, states);
        self.dump_by(&request, parse_mptcp, netns, sink)
    }

    fn dump_by(
        &mut self,
        request: &dyn Fn(&mut Vec<u8>, u32, u8),
        parse: Parse,
        netns: u32,
        sink: &mut dyn FnMut(Snapshot),
    ) -> io::Result<Dumped> {
        let mut dumped = Dumped::default();
        for family in [AF_INET, AF_INET6] {
            let sequence = self.sequence_for(1);
            self.request.clear();
            request(&mut self.request, sequence, family);
            self.send().map_err(|error| said("cannot ask sock_diag for sockets", &error))?;
            while !self.part(sequence, parse, netns, &mut dumped, sink)? {}
        }
        Ok(dumped)
    }

    /// Reads one datagram; says whether the dump is at its end.
    fn part(
        &mut self,
        sequence: u32,
        parse: Parse,
        netns: u32,
        dumped: &mut Dumped,
        sink: &mut dyn FnMut(Snapshot),
    ) -> io::Result<bool> {
        let broke_off = |error| said("a dump of sock_diag broke off", &error);
        let time_ns = self.receive(Wait::Bounded).map_err(broke_off)?;
        for message in Messages(&self.datagram) {
            if matches!(message.body, Body::Unknown) {
                dumped.refused += 1;
                continue;
            }
            // What is left of look-ups that were given up.
            if message.sequence != sequence {
                continue;
            }
            dumped.interrupted |= message.interrupted;
            match message.body {
                Body::Socket(bytes) => match parse(bytes, netns, time_ns) {
                    Ok(snapshot) => {
                        dumped.sockets += 1;
                        sink(snapshot);
                    }
                    Err(_) => dumped.refused += 1,
                },
                Body::Done(None) => return Ok(true),
                Body::Done(Some(errno)) | Body::Failed(errno) => return Err(broke_off(kernel_error(errno))),
                Body::Unknown => {}
            }
        }
        Ok(false)
    }
}
