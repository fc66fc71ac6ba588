//! Where a capture's blocks are, by docs/capture-format.md alone.

use anyhow::{Context, Result, ensure};

const FILE_HEADER: usize = 32;
pub(crate) const BLOCK_HEADER: usize = 40;
const BLOCK_MAGIC: &[u8] = b"\xf5TCB";
const KIND_CLOSING: u8 = 2;
const KIND_AT: usize = 4;
const FRAMES_AT: usize = 24;
const LENGTH_AT: usize = 28;

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Of its header, from the start of the file.
    pub(crate) start: usize,
    /// Behind its payload.
    pub(crate) end: usize,
    pub(crate) frames: u32,
}

/// The blocks with frames, and the closing one.
pub(crate) fn blocks(capture: &[u8]) -> Result<(Vec<Block>, Block)> {
    let mut blocks = Vec::new();
    let mut start = FILE_HEADER;
    loop {
        let header = capture.get(start..start + BLOCK_HEADER).context("no closing block")?;
        ensure!(header.starts_with(BLOCK_MAGIC), "no block at byte {start}");
        let end = start + BLOCK_HEADER + usize::try_from(number(header, LENGTH_AT))?;
        let block = Block { start, end, frames: number(header, FRAMES_AT) };
        if header[KIND_AT] == KIND_CLOSING {
            ensure!(end == capture.len(), "something follows the closing block");
            return Ok((blocks, block));
        }
        blocks.push(block);
        start = end;
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The capture with one bit of one byte turned over.
pub(crate) fn flipped(capture: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = capture.to_vec();
    bytes[at] ^= 0x10;
    bytes
}

/// The checksum of blocks and headers: CRC-32 as in zlib, bit by bit.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
