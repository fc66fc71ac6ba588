//! Sockets that are known, one by one.

use rustix::io::Errno;

use super::{
    DiagSocket, Wait, clock,
    messages::{Body, Messages},
    parse_message, requests,
};
use crate::model::{Absent, AbsentWhy, Look, Snapshot, State};

/// Requests in one `send()`: answers stay far below the receive buffer, and bits of a word tell which are out.
const BATCH: usize = u64::BITS as usize;

/// What became of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookAnswer {
    /// It is there.
    Found(Snapshot),
    /// It is not, or nobody knows.
    Absent(Absent),
}

impl DiagSocket {
    /// Asks for each of these sockets; `sink` hears of each one once, by its place, in any order.
    ///
    /// Timewait sockets are found, too; what is found is the very socket. The kernel answers before `send()` returns:
    /// an answer that is not there then never comes, and counts as not asked.
    pub fn look(&mut self, looks: &[Look], sink: &mut dyn FnMut(usize, LookAnswer)) {
        for (number, batch) in looks.chunks(BATCH).enumerate() {
            self.batch(batch, &mut |index, answer| sink(number * BATCH + index, answer));
        }
    }

    fn batch(&mut self, looks: &[Look], sink: &mut dyn FnMut(usize, LookAnswer)) {
        let mut open = Open::of(looks.len());
        if let Some(first) = self.ask(looks) {
            // One call each: `recvmmsg()` would save entries into the kernel, a twentieth of a look-up, and be unsafe.
            while !open.is_empty() {
                let Ok(time_ns) = self.receive(Wait::No) else { break };
                for message in Messages(&self.datagram) {
                    // Answers to requests before these were given up.
                    let index = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                    if let Some(look) = looks.get(index).filter(|_| open.take(index)) {
                        sink(index, answer(look, message.body, time_ns));
                    }
                }
            }
        }
        let now_ns = clock::monotonic_ns();
        for (index, look) in looks.iter().enumerate().filter(|(index, _)| open.take(*index)) {
            sink(index, absent(look, AbsentWhy::NotAsked, now_ns));
        }
    }

    /// Sends the requests; the sequence number of the first one, or `None` when they did not get out.
    fn ask(&mut self, looks: &[Look]) -> Option<u32> {
        let count = u32::try_from(looks.len()).ok()?;
        let first = self.sequence_for(count);
        self.request.clear();
        for (sequence, look) in (0..count).map(|index| first.wrapping_add(index)).zip(looks) {
            requests::look(&mut self.request, sequence, look);
        }
        self.send().ok().map(|()| first)
    }
}

/// The cookie is compared here: `inet_diag_find_one_icsk()` says ENOENT for a wrong one, too, and goes on to listeners
/// (`inet_lookup()`) when no connection has the ends.
fn answer(look: &Look, body: Body<'_>, time_ns: u64) -> LookAnswer {
    let why = match body {
        Body::Socket(bytes) => match parse_message(bytes, look.socket.netns, time_ns) {
            Ok(snapshot) if snapshot.socket.key == look.socket.key => return LookAnswer::Found(snapshot),
            Ok(snapshot) if snapshot.state == State::Listen => AbsentWhy::Gone,
            Ok(_) => AbsentWhy::Replaced,
            Err(_) => AbsentWhy::NotAsked,
        },
        Body::Failed(errno) if errno == Errno::NOENT.raw_os_error() => AbsentWhy::Gone,
        Body::Failed(_) | Body::Done(_) | Body::Unknown => AbsentWhy::NotAsked,
    };
    absent(look, why, time_ns)
}

fn absent(look: &Look, why: AbsentWhy, time_ns: u64) -> LookAnswer {
    LookAnswer::Absent(Absent { time_ns, socket: look.socket, why })
}

/// Which requests of a batch have no answer yet.
struct Open(u64);

impl Open {
    /// As many as `count`, from the first on.
    fn of(count: usize) -> Self {
        Self((0..count.min(BATCH)).fold(0, |bits, index| bits | 1 << index))
    }

    fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether this one was out until now.
    fn take(&mut self, index: usize) -> bool {
        let bit = if index < BATCH { 1 << index } else { 0 };
        let was_open = self.0 & bit != 0;
        self.0 &= !bit;
        was_open
    }
}
