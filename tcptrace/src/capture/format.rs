//! The layout, to the byte. All integers are little-endian, but for the byte order mark and what records hold.
//!
//! ```text
//! file header, 32 bytes      block header, 40 bytes     frame, in a block's payload
//!  0  8  magic                0  4  magic                0  2  kind
//!  8  2  format major         4  1  kind                 2  2  length of what follows
//! 10  2  format minor         5  1  flags, 0             4  .. payload
//! 12  2  wire version         6  2  reserved, 0
//! 14  2  flags, 0             8  8  sequence, from 0
//! 16  4  byte order mark     16  8  frames before it
//! 20  8  reserved, 0         24  4  frames in it
//! 28  4  CRC-32 of 0..28     28  4  payload length
//!                            32  4  CRC-32 of the payload
//!                            36  4  CRC-32 of 0..36
//! ```

use bytes::{Buf, BufMut, TryGetError};

use super::BreakReason;

/// A reader refuses another major version.
pub const FORMAT_MAJOR: u16 = 1;
/// A reader takes every minor version of its major one, and skips and counts what it does not know.
pub const FORMAT_MINOR: u16 = 2;
/// A block's payload at most, bytes; also what a reader holds in memory, about twice.
pub const BLOCK_PAYLOAD_MAX: usize = 64 * 1024;
/// A frame's payload at most, bytes: one frame fills a block.
pub const FRAME_PAYLOAD_MAX: usize = BLOCK_PAYLOAD_MAX - FRAME_HEADER_LEN;

/// The high first byte and the line feed show what took the file for text.
pub(super) const FILE_MAGIC: [u8; 8] = *b"\x89TCPTRC\n";
pub(super) const FILE_HEADER_LEN: usize = 32;
/// Written in the machine's own order, as records are.
pub(super) const BYTE_ORDER_MARK: u32 = 0x0102_0304;

/// The first byte is in no UTF-8 text, so names of cgroups and hosts cannot pass for a block.
pub(super) const BLOCK_MAGIC: [u8; 4] = *b"\xF5TCB";
pub(super) const BLOCK_HEADER_LEN: usize = 40;
pub(super) const BLOCK_FRAMES: u8 = 1;
pub(super) const BLOCK_CLOSING: u8 = 2;

pub(super) const FRAME_HEADER_LEN: usize = 4;
pub(super) const FRAME_HOST: u16 = 1;
pub(super) const FRAME_RECORD: u16 = 2;
pub(super) const FRAME_COUNTERS: u16 = 3;
pub(super) const FRAME_TICK: u16 = 4;
pub(super) const FRAME_CGROUP: u16 = 5;
// Since minor version 1:
pub(super) const FRAME_SIGHTING: u16 = 6;
pub(super) const FRAME_ABSENT: u16 = 7;
pub(super) const FRAME_DUMP: u16 = 8;
pub(super) const FRAME_NETNS: u16 = 9;
// Since minor version 2:
pub(super) const FRAME_NETNS_NAME: u16 = 11;
pub(super) const FRAME_INTERFACE: u16 = 12;

/// The file's header without what is constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) major: u16,
    pub(super) minor: u16,
    pub(super) wire_version: u16,
    pub(super) flags: u16,
    pub(super) byte_order_mark: u32,
}

impl FileHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FILE_HEADER_LEN);
        out.put_slice(&FILE_MAGIC);
        out.put_u16_le(self.major);
        out.put_u16_le(self.minor);
        out.put_u16_le(self.wire_version);
        out.put_u16_le(self.flags);
        out.put_u32_ne(self.byte_order_mark);
        out.put_u64_le(0);
        out.put_u32_le(crc32fast::hash(&out));
        out
    }

    /// `None` where the checksum does not fit; the magic is the caller's to check.
    pub(super) fn decode(bytes: &[u8; FILE_HEADER_LEN]) -> Option<Self> {
        let fields = checked(bytes)?;
        Self::fields(fields).ok()
    }

    fn fields(mut b: &[u8]) -> Result<Self, TryGetError> {
        b.try_get_u64_le()?;
        Ok(Self {
            major: b.try_get_u16_le()?,
            minor: b.try_get_u16_le()?,
            wire_version: b.try_get_u16_le()?,
            flags: b.try_get_u16_le()?,
            byte_order_mark: b.try_get_u32_ne()?,
        })
    }
}

/// A block's header without what is constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) sequence: u64,
    /// Frames in all blocks before this one: a gap tells how many were lost.
    pub(super) frames_before: u64,
    pub(super) frames: u32,
    pub(super) payload_len: u32,
    pub(super) payload_crc: u32,
}

impl BlockHeader {
    pub(super) fn encode(&self) -> [u8; BLOCK_HEADER_LEN] {
        let mut out = [0; BLOCK_HEADER_LEN];
        let mut b = out.as_mut_slice();
        b.put_slice(&BLOCK_MAGIC);
        b.put_u8(self.kind);
        b.put_u8(self.flags);
        b.put_u16_le(0);
        b.put_u64_le(self.sequence);
        b.put_u64_le(self.frames_before);
        b.put_u32_le(self.frames);
        b.put_u32_le(self.payload_len);
        b.put_u32_le(self.payload_crc);
        if let Some((fields, crc)) = out.split_last_chunk_mut::<4>() {
            *crc = crc32fast::hash(fields).to_le_bytes();
        }
        out
    }

    /// Reads the header at the start of `bytes`, which may be fewer or more than a header.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BreakReason> {
        let magic = BLOCK_MAGIC.iter().zip(bytes).all(|(a, b)| a == b);
        if !magic {
            return Err(BreakReason::NoBlock);
        }
        let header = bytes.first_chunk::<BLOCK_HEADER_LEN>().ok_or(BreakReason::CutOff)?;
        let fields = checked(header).ok_or(BreakReason::HeaderChecksum)?;
        let header = Self::fields(fields).map_err(|_| BreakReason::CutOff)?;
        if header.payload_len() > BLOCK_PAYLOAD_MAX {
            return Err(BreakReason::Length(header.payload_len));
        }
        Ok(header)
    }

    fn fields(mut b: &[u8]) -> Result<Self, TryGetError> {
        b.try_get_u32_le()?;
        let (kind, flags) = (b.try_get_u8()?, b.try_get_u8()?);
        b.try_get_u16_le()?;
        Ok(Self {
            kind,
            flags,
            sequence: b.try_get_u64_le()?,
            frames_before: b.try_get_u64_le()?,
            frames: b.try_get_u32_le()?,
            payload_len: b.try_get_u32_le()?,
            payload_crc: b.try_get_u32_le()?,
        })
    }

    /// Payload length, bytes; a length that does not fit stays too long.
    pub(super) fn payload_len(&self) -> usize {
        usize::try_from(self.payload_len).unwrap_or(usize::MAX)
    }
}

/// The bytes before a trailing CRC-32, where it fits them.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (fields, crc) = bytes.split_last_chunk::<4>()?;
    (u32::from_le_bytes(*crc) == crc32fast::hash(fields)).then_some(fields)
}
