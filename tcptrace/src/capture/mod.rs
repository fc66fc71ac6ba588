//! Captures: a stream of [`Frame`](crate::decode::Frame)s in a file, given back byte for byte.
//!
//! Stores and returns, and does not look into a record: a capture holds the engine's inputs, so that a better
//! engine can judge an old capture again. docs/capture-format.md has the bytes and the promises.
//!
//! What survives: each [`Writer::flush`] hands all frames so far to the kernel, which keeps them when this process
//! dies. When the host dies, what counts is what reached the disk: the file is synced every 5 s by a thread of its
//! own, so that a slow disk does not hold up whoever drains the ring buffer, and once more by [`Writer::finish`].

mod blocks;
mod error;
mod file;
mod format;
mod frames;
mod reader;
mod sightings;
mod stats;
mod sync;
mod window;
mod writer;

pub use error::{Access, BreakReason, CaptureError, hint};
pub use file::{Fate, create, create_on_stdout, is_being_written};
pub use format::{BLOCK_PAYLOAD_MAX, FORMAT_MAJOR, FORMAT_MINOR, FRAME_PAYLOAD_MAX};
pub use reader::{Reader, open, open_file};
pub use stats::{Damage, Ending, Stats};
pub use writer::{Totals, Writer};

#[cfg(test)]
mod tests;
