//! Who acts on a socket, and how that is known.

use std::fmt;

use super::{Shown, ShownName};

/// A task's name as the kernel keeps it: at most 15 bytes, any bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    /// The first 15 bytes of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut comm = [0; 16];
        let (room, _) = comm.split_at_mut(15);
        for (to, from) in room.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Self(comm)
    }

    /// The name up to its first NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// Prints bytes that are no UTF-8, and characters that do not show as themselves, as U+FFFD: programs choose their
/// names, and must not write escape codes into an operator's terminal.
impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            Shown(chunk.valid()).fmt(f)?;
            if !chunk.invalid().is_empty() {
                fmt::Write::write_char(f, char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// A name among other words: in quotes where it could not be seen otherwise, see [`ShownName`].
pub struct ShownComm<'a>(pub &'a Comm);

impl fmt::Display for ShownComm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match str::from_utf8(self.0.as_bytes()) {
            Ok(name) => ShownName(name).fmt(f),
            Err(_) => ShownName(&self.0.to_string()).fmt(f),
        }
    }
}

/// How an owner is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnerSource {
    /// The task called `connect()`.
    Connect,
    /// The task called `close()` or `shutdown()`, or exited with the socket open.
    Close,
    /// The one process with the socket among its files (`/proc/PID/fd`).
    Fd,
}

impl OwnerSource {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Close => "close",
            Self::Fd => "fd",
        }
    }
}

/// The process that acted on the socket, in its own context. Never a kernel thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Name of the process, which is that of its first thread (the thread group's leader). Of the acting thread in
    /// captures of wire version 1.
    pub comm: Comm,
    /// cgroup v2 id; its path is the report's to know.
    pub cgroup_id: u64,
    /// How it is known.
    pub source: OwnerSource,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_write_escape_codes() {
        let mut raw = [0; 16];
        raw[..6].copy_from_slice(b"a\x1b[2\xffz");
        assert_eq!(Comm(raw).to_string(), "a\u{fffd}[2\u{fffd}z");
        assert_eq!(Comm::from_name("a\u{202e}b").to_string(), "a\u{fffd}b");
        assert_eq!(ShownComm(&Comm(*b"\xff \0\0\0\0\0\0\0\0\0\0\0\0\0\0")).to_string(), "\"\u{fffd} \"");
        assert_eq!(ShownComm(&Comm::default()).to_string(), "\"\"");
    }
}
