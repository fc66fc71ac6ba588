//! A capture's frames, in order, from every block that is whole.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use tcptrace_ebpf::record::{WIRE_VERSION, WIRE_VERSION_OLDEST};

use super::{
    BreakReason, CaptureError, Damage, Ending, Stats,
    blocks::{Blocks, Step},
    format::{
        BLOCK_MAGIC, BYTE_ORDER_MARK, FILE_HEADER_LEN, FILE_MAGIC, FORMAT_MAJOR, FRAME_HOST, FRAME_RECORD, FileHeader,
    },
    frames::{self, Decoded},
    window::Window,
    writer::header,
};
use crate::{decode::Frame, model::HostInfo};

/// Opens a capture: [`Reader::open`].
///
/// # Errors
/// As there.
pub fn open(path: &Path) -> Result<Reader<File>, CaptureError> {
    Reader::open(path)
}

/// Reads a capture, in memory of about two blocks whatever the file claims.
pub struct Reader<R> {
    blocks: Blocks<R>,
    header: FileHeader,
    /// A frame that was looked at and not yet taken.
    ahead: Option<(u16, usize)>,
    /// How much was known to be missing when [`Reader::gap`] was last asked.
    missing_told: u64,
    end_told: bool,
}

impl Reader<File> {
    /// Opens a capture.
    ///
    /// # Errors
    /// Where the file cannot be opened, is none, or is one that this version cannot read.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        Self::new(open_file(path)?, path)
    }
}

/// Opens a file that may be a capture.
///
/// # Errors
/// Where it cannot be opened, or is a directory.
pub fn open_file(path: &Path) -> Result<File, CaptureError> {
    let failed = |source| CaptureError::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(CaptureError::Directory { path: path.to_owned() });
    }
    Ok(file)
}

impl<R: Read> Reader<R> {
    /// Reads a capture from any source; `path` is what errors call it. Buffers by itself.
    ///
    /// # Errors
    /// Where the source fails, is no capture, or is one that this version cannot read.
    pub fn new(source: R, path: impl Into<PathBuf>) -> Result<Self, CaptureError> {
        let path = path.into();
        let mut window = Window::new(source);
        match headless(&mut window) {
            // What was no hole before a block was only zeros.
            Ok(0) if window.offset() > 0 => {
                return Err(CaptureError::NotACapture { path, looks_like: looks_like(&[0; 8]) });
            }
            Ok(0) => {}
            Ok(skipped_bytes) => return Ok(Self::behind_hole(window, path, skipped_bytes)),
            Err(source) => return Err(CaptureError::Read { path, offset: window.offset(), source }),
        }
        let bytes = match window.fill(FILE_HEADER_LEN) {
            Ok(bytes) => bytes,
            Err(source) => {
                return Err(CaptureError::Read { path, offset: 0, source });
            }
        };
        let header = match bytes.first_chunk::<FILE_HEADER_LEN>() {
            _ if bytes.is_empty() => return Err(CaptureError::Empty { path }),
            _ if !FILE_MAGIC.iter().zip(bytes).all(|(a, b)| a == b) => {
                return Err(CaptureError::NotACapture { path, looks_like: looks_like(bytes) });
            }
            None => return Err(CaptureError::HeaderCutOff { path }),
            Some(header) => header,
        };
        let Some(header) = FileHeader::decode(header) else {
            return Err(CaptureError::HeaderDamaged { path });
        };
        let FileHeader { major, minor, wire_version, flags, byte_order_mark } = header;
        if major != FORMAT_MAJOR {
            return Err(CaptureError::FormatVersion { path, major, minor });
        }
        if flags != 0 {
            return Err(CaptureError::NewerFeature { path, offset: 0, flags });
        }
        if byte_order_mark == BYTE_ORDER_MARK.swap_bytes() {
            return Err(CaptureError::OtherByteOrder { path });
        }
        if byte_order_mark != BYTE_ORDER_MARK {
            return Err(CaptureError::HeaderDamaged { path });
        }
        if !(WIRE_VERSION_OLDEST..=WIRE_VERSION).contains(&wire_version) {
            return Err(CaptureError::WireVersion { path, found: wire_version, known: WIRE_VERSION });
        }
        window.take(FILE_HEADER_LEN);
        Ok(Self { blocks: Blocks::new(window, path), header, ahead: None, missing_told: 0, end_told: false })
    }

    /// Over a window that stands at the first block behind a hole.
    fn behind_hole(window: Window<R>, path: PathBuf, skipped_bytes: u64) -> Self {
        let mut blocks = Blocks::new(window, path);
        blocks.stats.skipped_bytes = skipped_bytes;
        blocks.stats.first_damage = Some(Damage { at_offset: 0, reason: BreakReason::NoBlock });
        Self { blocks, header: header(), ahead: None, missing_told: 0, end_told: false }
    }

    /// Whether all of the block that was read last is delivered: the next frame may take its time.
    #[must_use]
    pub fn at_block_end(&self) -> bool {
        self.ahead.is_none() && self.blocks.is_between()
    }

    /// The next frame; `None` at the end, of which [`Reader::ending`] then tells. Damage is no error: it is skipped
    /// up to the next whole block, and counted in [`Reader::stats`].
    ///
    /// # Errors
    /// Where the source fails, or a block needs a newer version. After an error there are no more frames.
    #[expect(
        clippy::should_implement_trait,
        reason = "the frame borrows from the reader, which an Iterator cannot say"
    )]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let len = loop {
            let Some((kind, len)) = self.advance()? else { return Ok(None) };
            if kind == FRAME_RECORD {
                break len;
            }
            match frames::decode(kind, self.blocks.take_frame(len)) {
                Decoded::Frame(frame) => {
                    self.blocks.stats.frames += 1;
                    return Ok(Some(frame));
                }
                Decoded::Unknown => self.blocks.stats.unknown_frames += 1,
                Decoded::Malformed => self.blocks.stats.malformed_frames += 1,
            }
        };
        self.blocks.stats.frames += 1;
        Ok(Some(Frame::Record(self.blocks.take_frame(len))))
    }

    /// The host that the capture speaks of, where that is the next frame: it begins every capture.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn host(&mut self) -> Result<Option<HostInfo>, CaptureError> {
        self.ahead = self.advance()?;
        let Some((FRAME_HOST, len)) = self.ahead else { return Ok(None) };
        self.ahead = None;
        if let Decoded::Frame(Frame::Host(host)) = frames::decode(FRAME_HOST, self.blocks.take_frame(len)) {
            self.blocks.stats.frames += 1;
            return Ok(Some(*host));
        }
        self.blocks.stats.malformed_frames += 1;
        Ok(None)
    }

    /// Whether frames are missing just before the next one, or after the last one. Says so once.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn gap(&mut self) -> Result<bool, CaptureError> {
        self.ahead = self.advance()?;
        let stats = self.blocks.stats;
        let missing = stats.damaged_blocks.saturating_add(stats.malformed_frames);
        let broke_off = self.ahead.is_none() && !self.end_told && self.ending() != Ending::Complete;
        self.end_told |= broke_off;
        let more = missing != self.missing_told;
        self.missing_told = missing;
        Ok(more || broke_off)
    }

    fn advance(&mut self) -> Result<Option<(u16, usize)>, CaptureError> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        match self.blocks.step()? {
            Step::Frame { kind, len } => Ok(Some((kind, len))),
            Step::End => Ok(None),
        }
    }

    /// How the capture ends, known when [`Reader::next`] has returned `None` or an error; before that,
    /// [`BreakReason::Unread`](super::BreakReason::Unread).
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.blocks.ending()
    }

    /// What was read so far, and what was not.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.blocks.stats
    }

    /// The file's format, major and minor.
    #[must_use]
    pub fn format_version(&self) -> (u16, u16) {
        (self.header.major, self.header.minor)
    }

    /// The version of the file's records.
    #[must_use]
    pub fn wire_version(&self) -> u16 {
        self.header.wire_version
    }
}

/// A file that was cut while it was written begins with zeros, where its header was. Passes over them where a block
/// follows, and says how many they are; a capture of this version and machine is then taken for granted.
fn headless<R: Read>(window: &mut Window<R>) -> std::io::Result<u64> {
    let bytes = window.fill(FILE_HEADER_LEN)?;
    if bytes.len() < FILE_HEADER_LEN || bytes.iter().take(FILE_HEADER_LEN).any(|byte| *byte != 0) {
        return Ok(0);
    }
    loop {
        let bytes = window.fill(BLOCK_MAGIC.len())?;
        if bytes.is_empty() {
            return Ok(0);
        }
        if let Some(zeros) = bytes.iter().position(|byte| *byte != 0) {
            window.take(zeros);
            let follows = window.fill(BLOCK_MAGIC.len())?.starts_with(&BLOCK_MAGIC);
            return Ok(if follows { window.offset() } else { 0 });
        }
        window.take(usize::MAX);
    }
}

/// What a user may have taken for a capture.
fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 9] = [
        (b"\xd4\xc3\xb2\xa1", "a packet capture (pcap)"),
        (b"\xa1\xb2\xc3\xd4", "a packet capture (pcap)"),
        (b"\x4d\x3c\xb2\xa1", "a packet capture (pcap)"),
        (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng)"),
        (b"\x1f\x8b", "a gzip file: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a zstd file: unpack it first"),
        (b"\x7fELF", "a program"),
        (b"{", "JSON"),
        (b"\0\0\0\0\0\0\0\0", "a file whose bytes did not reach the disk"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(what);
    }
    let text = str::from_utf8(bytes).is_ok_and(|text| text.chars().all(|c| !c.is_control() || c.is_whitespace()));
    text.then_some("text")
}
