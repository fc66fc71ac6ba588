//! From bytes to whole blocks: what does not fit is passed over up to the next block whose header and payload both
//! fit their checksums and whose place in the order is later than all before.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use bytes::{Buf, TryGetError};

use super::{
    BreakReason, CaptureError, Damage, Ending, Stats,
    format::{BLOCK_CLOSING, BLOCK_FRAMES, BLOCK_HEADER_LEN, BLOCK_MAGIC, BlockHeader, FRAME_HEADER_LEN},
    window::Window,
};

/// What comes next in the stream of frames.
pub(super) enum Step {
    /// A frame; [`Blocks::take_frame`] must take its payload.
    Frame {
        kind: u16,
        len: usize,
    },
    End,
}

/// What stands at the window's start.
enum Look {
    Block(BlockHeader),
    Nothing,
    /// No whole block, and the next place to look at, bytes ahead.
    Flaw(BreakReason, usize),
}

pub(super) struct Blocks<R> {
    window: Window<R>,
    path: PathBuf,
    pub(super) stats: Stats,
    ending: Option<Ending>,
    /// Damage after the newest whole block.
    damage: Option<Damage>,
    /// Of the next block, if nothing is missing.
    sequence: u64,
    frames_before: u64,
    /// Of the current block: not yet taken.
    bytes_left: usize,
    frames_left: u32,
}

impl<R: Read> Blocks<R> {
    /// Over a window that stands behind the file's header.
    pub(super) fn new(window: Window<R>, path: PathBuf) -> Self {
        let stats = Stats::default();
        let (sequence, frames_before, bytes_left, frames_left) = (0, 0, 0, 0);
        Self { window, path, stats, ending: None, damage: None, sequence, frames_before, bytes_left, frames_left }
    }

    pub(super) fn step(&mut self) -> Result<Step, CaptureError> {
        while self.ending.is_none() {
            if let Some((kind, len)) = self.frame_header() {
                return Ok(Step::Frame { kind, len });
            }
            if let Err(error) = self.next_block() {
                self.broke_off(BreakReason::Failed);
                return Err(error);
            }
        }
        Ok(Step::End)
    }

    /// No frame of the current block is left.
    pub(super) fn is_between(&self) -> bool {
        self.bytes_left == 0
    }

    pub(super) fn ending(&self) -> Ending {
        let (at_offset, reason) = (self.window.offset(), BreakReason::Unread);
        self.ending.unwrap_or(Ending::BrokeOff { at_offset, reason })
    }

    /// The payload of the frame that [`Blocks::step`] announced.
    pub(super) fn take_frame(&mut self, len: usize) -> &[u8] {
        self.bytes_left = self.bytes_left.saturating_sub(len);
        self.window.take(len)
    }

    /// `None` at the end of the block, and where its rest is no frame.
    fn frame_header(&mut self) -> Option<(u16, usize)> {
        let mut bytes = self.window.available().get(..self.bytes_left)?;
        if let (Ok(kind), Ok(len)) = (bytes.try_get_u16_le(), bytes.try_get_u16_le())
            && usize::from(len) <= bytes.len()
            && self.frames_left > 0
        {
            self.frames_left -= 1;
            self.take_frame(FRAME_HEADER_LEN);
            return Some((kind, usize::from(len)));
        }
        let rest = self.bytes_left;
        self.stats.malformed_frames += u64::from(self.frames_left.max(u32::from(rest > 0)));
        self.frames_left = 0;
        self.take_frame(rest);
        None
    }

    /// Goes to the next whole block, or to the ending.
    fn next_block(&mut self) -> Result<(), CaptureError> {
        loop {
            match self.look()? {
                Look::Block(header) => return self.enter(header),
                Look::Nothing => {
                    self.broke_off(BreakReason::NoClosingBlock);
                    return Ok(());
                }
                Look::Flaw(reason, ahead) => {
                    let at_offset = self.window.offset();
                    self.damage.get_or_insert(Damage { at_offset, reason });
                    self.skip(ahead);
                    self.skip_to_magic()?;
                }
            }
        }
    }

    fn look(&mut self) -> Result<Look, CaptureError> {
        let bytes = self.fill(BLOCK_HEADER_LEN)?;
        if bytes.is_empty() {
            return Ok(Look::Nothing);
        }
        let header = match BlockHeader::decode(bytes) {
            Ok(header) => header,
            Err(reason) => return Ok(Look::Flaw(reason, 1)),
        };
        if !self.in_order(&header) {
            return Ok(Look::Flaw(BreakReason::Order, 1));
        }
        let end = BLOCK_HEADER_LEN + header.payload_len();
        let bytes = self.fill(end)?;
        let Some(payload) = bytes.get(BLOCK_HEADER_LEN..end) else {
            return Ok(Look::Flaw(BreakReason::CutOff, 1));
        };
        if crc32fast::hash(payload) == header.payload_crc {
            return Ok(Look::Block(header));
        }
        // The header fits, so its length is probably true: if a header follows there, nothing in between is one.
        let bytes = self.fill(end + BLOCK_HEADER_LEN)?;
        let next = bytes.get(end..).and_then(|next| BlockHeader::decode(next).ok());
        let ahead = if next.is_some_and(|next| next.sequence > header.sequence) { end } else { 1 };
        Ok(Look::Flaw(BreakReason::PayloadChecksum, ahead))
    }

    /// Neither a repeated block nor one of another capture.
    fn in_order(&self, header: &BlockHeader) -> bool {
        let later = header.sequence > self.sequence && header.frames_before >= self.frames_before;
        later || (header.sequence == self.sequence && header.frames_before == self.frames_before)
    }

    /// Takes a whole block's header, and books what is missing before it.
    fn enter(&mut self, header: BlockHeader) -> Result<(), CaptureError> {
        if header.flags != 0 {
            let (path, offset, flags) = (self.path.clone(), self.window.offset(), u16::from(header.flags));
            return Err(CaptureError::NewerFeature { path, offset, flags });
        }
        let missing = header.sequence - self.sequence;
        if missing > 0 {
            let (at_offset, reason) = (self.window.offset(), BreakReason::Order);
            self.damage.get_or_insert(Damage { at_offset, reason });
        }
        self.stats.damaged_blocks = self.stats.damaged_blocks.saturating_add(missing);
        let missing = header.frames_before - self.frames_before;
        self.stats.lost_frames = self.stats.lost_frames.saturating_add(missing);
        self.stats.first_damage = self.stats.first_damage.or(self.damage.take());
        self.sequence = header.sequence.saturating_add(1);
        self.frames_before = header.frames_before.saturating_add(u64::from(header.frames));
        match header.kind {
            BLOCK_FRAMES => {
                self.window.take(BLOCK_HEADER_LEN);
                self.stats.blocks += 1;
                self.bytes_left = header.payload_len();
                self.frames_left = header.frames;
                Ok(())
            }
            BLOCK_CLOSING => self.close(header),
            _ => {
                self.window.take(BLOCK_HEADER_LEN + header.payload_len());
                self.stats.unknown_blocks += 1;
                self.stats.unknown_frames += u64::from(header.frames);
                Ok(())
            }
        }
    }

    fn close(&mut self, header: BlockHeader) -> Result<(), CaptureError> {
        let payload = self.window.available().get(BLOCK_HEADER_LEN..).unwrap_or_default();
        let payload = payload.get(..header.payload_len()).unwrap_or_default();
        if !totals(payload).is_ok_and(|totals| totals == (header.frames_before, header.sequence)) {
            self.broke_off(BreakReason::Totals);
            return Ok(());
        }
        self.window.take(BLOCK_HEADER_LEN + header.payload_len());
        let (at_offset, reason) = (self.window.offset(), BreakReason::Trailing);
        while !self.fill(1)?.is_empty() {
            self.stats.first_damage.get_or_insert(Damage { at_offset, reason });
            self.skip(usize::MAX);
        }
        self.ending = Some(Ending::Complete);
        Ok(())
    }

    fn broke_off(&mut self, reason: BreakReason) {
        let here = Damage { at_offset: self.window.offset(), reason };
        let Damage { at_offset, reason } = self.damage.take().unwrap_or(here);
        self.ending = Some(Ending::BrokeOff { at_offset, reason });
    }

    fn skip(&mut self, len: usize) {
        self.stats.skipped_bytes += self.window.take(len).len() as u64;
    }

    /// To the next byte that can begin a block, or the end.
    fn skip_to_magic(&mut self) -> Result<(), CaptureError> {
        let [first, ..] = BLOCK_MAGIC;
        loop {
            let bytes = self.fill(1)?;
            let found = bytes.iter().position(|byte| *byte == first);
            if found.is_some() || bytes.is_empty() {
                self.skip(found.unwrap_or_default());
                return Ok(());
            }
            self.skip(usize::MAX);
        }
    }

    fn fill(&mut self, want: usize) -> Result<&[u8], CaptureError> {
        // Where the source failed: behind all that is in the window.
        let offset = self.window.offset() + self.window.available().len() as u64;
        let path = &self.path;
        self.window.fill(want).map_err(|source: io::Error| CaptureError::Read { path: path.clone(), offset, source })
    }
}

/// Frames and blocks.
fn totals(mut b: &[u8]) -> Result<(u64, u64), TryGetError> {
    Ok((b.try_get_u64_le()?, b.try_get_u64_le()?))
}
