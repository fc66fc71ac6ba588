//! What a reader says of a capture, beside its frames.

use std::fmt;

use super::BreakReason;

/// How a capture ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its closing block. Damage before it is in [`Stats`].
    Complete,
    /// Without one: the recording was killed, or the file lost its end. All whole blocks were delivered.
    BrokeOff {
        /// Where the readable part ends, bytes from the start of the file.
        at_offset: u64,
        /// What was found there.
        reason: BreakReason,
    },
}

/// A place that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins, bytes from the start of the file.
    pub at_offset: u64,
    /// What was found there.
    pub reason: BreakReason,
}

/// What was read so far, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Whole blocks with frames.
    pub blocks: u64,
    /// Frames delivered.
    pub frames: u64,
    /// Frames of kinds that a newer minor version added: skipped.
    pub unknown_frames: u64,
    /// Blocks of kinds that a newer minor version added: skipped.
    pub unknown_blocks: u64,
    /// Frames in whole blocks that make no sense, which no version of tcptrace writes: skipped.
    pub malformed_frames: u64,
    /// Blocks missing before a later whole block.
    pub damaged_blocks: u64,
    /// Frames in those blocks.
    pub lost_frames: u64,
    /// Bytes passed over: damage, the cut-off end, what follows the closing block.
    pub skipped_bytes: u64,
    /// The first damage, other than the end of a capture that broke off.
    pub first_damage: Option<Damage>,
}

impl Stats {
    /// Whether everything in the file was delivered. A capture that broke off can be whole as far as it goes.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Self { unknown_frames, unknown_blocks, malformed_frames, damaged_blocks, lost_frames, .. } = *self;
        self.skipped_bytes == 0
            && [unknown_frames, unknown_blocks, malformed_frames, damaged_blocks, lost_frames] == [0; 5]
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("the capture is complete"),
            Self::BrokeOff { at_offset, reason } => write!(f, "the capture breaks off at byte {at_offset}: {reason}"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at_offset, self.reason)
    }
}

/// Says what was read, and what was not.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames read", self.frames)?;
        for (count, what) in [
            (self.lost_frames, "frames lost to damage"),
            (self.damaged_blocks, "blocks damaged or missing"),
            (self.skipped_bytes, "bytes skipped"),
            (self.unknown_frames, "frames of a newer version skipped"),
            (self.unknown_blocks, "blocks of a newer version skipped"),
            (self.malformed_frames, "malformed frames skipped"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        match self.first_damage {
            Some(damage) => write!(f, "; first damage {damage}"),
            None => Ok(()),
        }
    }
}
