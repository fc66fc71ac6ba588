//! A window of bounded size that slides over a source of bytes.

use std::io::{self, ErrorKind, Read};

use super::format::{BLOCK_HEADER_LEN, BLOCK_PAYLOAD_MAX};

/// Holds the largest block and the header after it, twice, so that most bytes are never moved.
const CAPACITY: usize = 2 * (BLOCK_PAYLOAD_MAX + 2 * BLOCK_HEADER_LEN);

pub(super) struct Window<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Of `start`, from the beginning of the source.
    offset: u64,
    at_end: bool,
}

impl<R: Read> Window<R> {
    pub(super) fn new(source: R) -> Self {
        let buffer = vec![0; CAPACITY].into_boxed_slice();
        Self { source, buffer, start: 0, end: 0, offset: 0, at_end: false }
    }

    /// What is there, after reading until it is at least `want` bytes, or all up to the source's end. `want` is at
    /// most half of the window.
    pub(super) fn fill(&mut self, want: usize) -> io::Result<&[u8]> {
        while self.end - self.start < want && !self.at_end {
            if self.buffer.len() - self.start < want {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty()) else {
                break;
            };
            let room_len = room.len();
            match self.source.read(room) {
                Ok(0) => self.at_end = true,
                // A source that claims more than there was room for is not believed.
                Ok(n) => self.end += n.min(room_len),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.available())
    }

    pub(super) fn available(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Passes over `len` of the available bytes and returns them.
    pub(super) fn take(&mut self, len: usize) -> &[u8] {
        let from = self.start;
        self.start = from.saturating_add(len).min(self.end);
        self.offset += (self.start - from) as u64;
        self.buffer.get(from..self.start).unwrap_or_default()
    }

    /// Position in the source, bytes.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }
}
