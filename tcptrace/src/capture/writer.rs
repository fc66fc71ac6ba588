//! Frames into blocks, blocks into a sink: an append for each frame, a checksum and a write for each block.

use std::{io::Write, mem, path::PathBuf};

use tcptrace_ebpf::record::WIRE_VERSION;

use super::{
    CaptureError,
    format::{
        BLOCK_CLOSING, BLOCK_FRAMES, BLOCK_HEADER_LEN, BLOCK_PAYLOAD_MAX, BYTE_ORDER_MARK, BlockHeader, FORMAT_MAJOR,
        FORMAT_MINOR, FRAME_ABSENT, FRAME_CGROUP, FRAME_COUNTERS, FRAME_DUMP, FRAME_HEADER_LEN, FRAME_HOST,
        FRAME_INTERFACE, FRAME_NETNS, FRAME_NETNS_NAME, FRAME_PAYLOAD_MAX, FRAME_RECORD, FRAME_SIGHTING, FRAME_TICK,
        FileHeader,
    },
    frames::{encode_cgroup, encode_counters, encode_interface, encode_netns_name, encode_tick},
    sightings::{encode_absent, encode_dump, encode_netns, encode_sighting},
    sync::Syncer,
};
use crate::decode::Frame;

const BLOCK_LEN_MAX: usize = BLOCK_HEADER_LEN + BLOCK_PAYLOAD_MAX;

/// What a finished capture holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames of all kinds.
    pub frames: u64,
    /// Blocks with frames.
    pub blocks: u64,
    /// Length of the file, bytes.
    pub bytes: u64,
}

/// Writes a capture. The caller calls [`Writer::flush`] every second or so, and [`Writer::finish`] at the end; a
/// writer that is dropped instead hands over what it has, and the capture counts as broken off.
///
/// After an error of the sink every further call fails with [`CaptureError::Stopped`].
pub struct Writer<W: Write> {
    sink: W,
    path: PathBuf,
    /// Room for the header, then the payload so far.
    block: Vec<u8>,
    block_frames: u32,
    /// What the sink has taken whole.
    written: Totals,
    syncer: Option<Syncer>,
    /// The error that stopped the writer.
    stopped: Option<String>,
    finished: bool,
    /// Somebody has cut the file.
    pub(super) is_cut: bool,
}

/// That of every capture of this version.
pub(super) const fn header() -> FileHeader {
    FileHeader {
        major: FORMAT_MAJOR,
        minor: FORMAT_MINOR,
        wire_version: WIRE_VERSION,
        flags: 0,
        byte_order_mark: BYTE_ORDER_MARK,
    }
}

impl<W: Write> Writer<W> {
    /// Begins a capture in `sink`; `path` is what errors call it. To begin a file, see [`super::create`].
    ///
    /// # Errors
    /// Where the sink does not take the header.
    pub fn new(sink: W, path: impl Into<PathBuf>) -> Result<Self, CaptureError> {
        Self::with_syncer(sink, path.into(), None)
    }

    pub(super) fn with_syncer(sink: W, path: PathBuf, syncer: Option<Syncer>) -> Result<Self, CaptureError> {
        let mut block = Vec::with_capacity(BLOCK_LEN_MAX);
        block.resize(BLOCK_HEADER_LEN, 0);
        let written = Totals::default();
        let mut writer =
            Self { sink, path, block, block_frames: 0, written, syncer, stopped: None, finished: false, is_cut: false };
        writer.put(&header().encode())?;
        Ok(writer)
    }

    /// Adds a frame. It reaches the sink when its block is full or flushed.
    ///
    /// # Errors
    /// [`CaptureError::FrameTooLong`] leaves this one frame out and the writer usable; an error of the sink stops
    /// the writer.
    pub fn write(&mut self, frame: &Frame<'_>) -> Result<(), CaptureError> {
        match frame {
            Frame::Record(bytes) => self.append(FRAME_RECORD, "record", bytes),
            Frame::Counters(counters) => self.append(FRAME_COUNTERS, "counters", &encode_counters(counters)),
            Frame::Tick(tick) => self.append(FRAME_TICK, "tick", &encode_tick(*tick)),
            Frame::Cgroup(name) => self.append(FRAME_CGROUP, "cgroup", &encode_cgroup(name)),
            Frame::Interface(name) => self.append(FRAME_INTERFACE, "interface", &encode_interface(name)),
            Frame::NetnsName(name) => self.append(FRAME_NETNS_NAME, "netns name", &encode_netns_name(name)),
            Frame::Absent(absent) => self.append(FRAME_ABSENT, "absent", &encode_absent(absent)),
            Frame::Dump(mark) => self.append(FRAME_DUMP, "dump", &encode_dump(mark)),
            Frame::Host(host) => self.append_json(FRAME_HOST, "host", serde_json::to_vec(host)),
            Frame::Sighting(sighting) => self.append_json(FRAME_SIGHTING, "sighting", encode_sighting(sighting)),
            Frame::Netns(facts) => self.append_json(FRAME_NETNS, "netns", encode_netns(facts)),
        }
    }

    fn append_json(
        &mut self,
        kind: u16,
        name: &'static str,
        json: serde_json::Result<Vec<u8>>,
    ) -> Result<(), CaptureError> {
        let json = json.map_err(|source| CaptureError::Encode { path: self.path.clone(), source })?;
        self.append(kind, name, &json)
    }

    /// Hands all frames so far to the sink, which for a file means: they survive this process. Asks for a sync to
    /// the disk when one is due, without waiting for it.
    ///
    /// # Errors
    /// Where the sink fails, or an earlier sync did.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        self.check()?;
        self.end_block()?;
        if let Err(source) = self.sink.flush() {
            return Err(self.stop(source));
        }
        Ok(())
    }

    /// Writes the closing block and waits until all is on the disk.
    ///
    /// # Errors
    /// Where the writer stopped earlier, the sink fails, or the disk does not confirm.
    pub fn finish(mut self) -> Result<Totals, CaptureError> {
        let result = self.close();
        self.finished = true;
        // Also after an error: what is whole is worth being on the disk.
        let synced = self.syncer.take().map_or(Ok(()), Syncer::finish);
        result?;
        synced.map_err(|source| CaptureError::Sync { path: mem::take(&mut self.path), source })?;
        Ok(self.written)
    }

    /// What the sink has taken whole so far.
    #[must_use]
    pub fn written(&self) -> Totals {
        self.written
    }

    pub(super) fn sink(&self) -> &W {
        &self.sink
    }

    fn close(&mut self) -> Result<(), CaptureError> {
        self.flush()?;
        self.block.extend_from_slice(&self.written.frames.to_le_bytes());
        self.block.extend_from_slice(&self.written.blocks.to_le_bytes());
        self.put_block(BLOCK_CLOSING)?;
        self.flush()
    }

    fn append(&mut self, kind: u16, name: &'static str, payload: &[u8]) -> Result<(), CaptureError> {
        self.check()?;
        let len = match u16::try_from(payload.len()) {
            Ok(len) if payload.len() <= FRAME_PAYLOAD_MAX => len,
            _ => {
                let (path, len) = (self.path.clone(), payload.len());
                return Err(CaptureError::FrameTooLong { path, kind: name, len });
            }
        };
        if self.block.len() + FRAME_HEADER_LEN + payload.len() > BLOCK_LEN_MAX {
            self.end_block()?;
        }
        self.block.extend_from_slice(&kind.to_le_bytes());
        self.block.extend_from_slice(&len.to_le_bytes());
        self.block.extend_from_slice(payload);
        self.block_frames += 1;
        Ok(())
    }

    /// Writes the block, if it has frames.
    fn end_block(&mut self) -> Result<(), CaptureError> {
        if self.block_frames > 0 {
            self.put_block(BLOCK_FRAMES)?;
            self.written.blocks += 1;
            self.written.frames += u64::from(self.block_frames);
            self.block_frames = 0;
        }
        if self.syncer.as_mut().is_some_and(|syncer| !syncer.tick()) {
            let failed = self.syncer.take().and_then(|syncer| syncer.finish().err());
            let source = failed.unwrap_or_else(|| std::io::Error::other("the syncing thread ended"));
            self.stopped = Some(source.to_string());
            return Err(CaptureError::Sync { path: self.path.clone(), source });
        }
        Ok(())
    }

    fn put_block(&mut self, kind: u8) -> Result<(), CaptureError> {
        if let Some((header, payload)) = self.block.split_first_chunk_mut::<BLOCK_HEADER_LEN>() {
            *header = BlockHeader {
                kind,
                flags: 0,
                sequence: self.written.blocks,
                frames_before: self.written.frames,
                frames: self.block_frames,
                // Never saturates: a block is at most BLOCK_PAYLOAD_MAX.
                payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
                payload_crc: crc32fast::hash(payload),
            }
            .encode();
        }
        let mut block = mem::take(&mut self.block);
        let result = self.put(&block);
        block.truncate(BLOCK_HEADER_LEN);
        self.block = block;
        result
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        if let Err(source) = self.sink.write_all(bytes) {
            return Err(self.stop(source));
        }
        self.written.bytes += bytes.len() as u64;
        Ok(())
    }

    fn stop(&mut self, source: std::io::Error) -> CaptureError {
        self.stopped = Some(source.to_string());
        let Totals { bytes: offset, frames, .. } = self.written;
        CaptureError::Write { path: self.path.clone(), offset, frames, source }
    }

    fn check(&self) -> Result<(), CaptureError> {
        let Some(reason) = &self.stopped else { return Ok(()) };
        let Totals { bytes: offset, frames, .. } = self.written;
        Err(CaptureError::Stopped { path: self.path.clone(), offset, frames, reason: reason.clone() })
    }
}

impl<W: Write> Drop for Writer<W> {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody is left to hear of an error; the missing closing block says that the capture broke off.
            self.flush().ok();
        }
    }
}
