//! The netlink messages of a datagram.

use netlink_packet_core::{NLM_F_DUMP_INTR, NetlinkBuffer};
use netlink_packet_sock_diag::constants::SOCK_DIAG_BY_FAMILY;

/// `NLMSG_ERROR`
const ERROR: u16 = 2;
/// `NLMSG_DONE`
const DONE: u16 = 3;

/// One message.
pub(super) struct Message<'a> {
    /// That of the request.
    pub(super) sequence: u32,
    /// `NLM_F_DUMP_INTR`
    pub(super) interrupted: bool,
    pub(super) body: Body<'a>,
}

/// What it says.
pub(super) enum Body<'a> {
    /// A socket, for [`super::parse_message`].
    Socket(&'a [u8]),
    /// The request failed, with this errno.
    Failed(i32),
    /// The end of a dump, with the errno of one that broke off.
    Done(Option<i32>),
    /// Nothing that belongs to sock_diag.
    Unknown,
}

/// Splits a datagram. What cannot be split is one more message that is unknown.
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let all = self.0;
        if all.is_empty() {
            return None;
        }
        let Ok(message) = NetlinkBuffer::new_checked(all) else {
            self.0 = &[];
            return Some(Message { sequence: 0, interrupted: false, body: Body::Unknown });
        };
        let length = usize::try_from(message.length()).unwrap_or(all.len());
        self.0 = all.get(length.next_multiple_of(4)..).unwrap_or_default();
        let body = match message.message_type() {
            SOCK_DIAG_BY_FAMILY => Body::Socket(message.payload()),
            // Zero would be an acknowledgement, which nobody asks for.
            ERROR => errno(message.payload()).map_or(Body::Unknown, Body::Failed),
            DONE => Body::Done(errno(message.payload())),
            _ => Body::Unknown,
        };
        let interrupted = message.flags() & NLM_F_DUMP_INTR != 0;
        Some(Message { sequence: message.sequence_number(), interrupted, body })
    }
}

/// `-errno` at the start of the payload; `None` for success.
fn errno(payload: &[u8]) -> Option<i32> {
    let code = i32::from_ne_bytes(*payload.first_chunk()?);
    code.checked_neg().filter(|errno| *errno > 0)
}
