//! What can go wrong with a capture: what failed, on what, and what to do.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
};

use thiserror::Error;

use super::format::{FORMAT_MAJOR, FRAME_PAYLOAD_MAX};

/// A capture cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file is there, and overwriting was not asked for.
    #[error("{} exists already: name another file, or allow overwriting with --force", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another recorder writes to the file.
    #[error("{} is being recorded by another tcptrace: name another file, or end that run first", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Somebody has removed the file while it was written.
    #[error("the capture {} was removed or renamed while it was recorded; {}", path.display(), whereabouts(*inode))]
    Removed {
        /// The file.
        path: PathBuf,
        /// By which it is known, if it has another name.
        inode: Option<u64>,
    },
    /// Another file has its name.
    #[error("the capture {} was replaced by another file while it was recorded; {}", path.display(),
        whereabouts(*inode))]
    Replaced {
        /// The file.
        path: PathBuf,
        /// By which it is known, if it has another name.
        inode: Option<u64>,
    },
    /// Somebody has cut the file while it was written.
    #[error("the capture {} was truncated while it was recorded, so its beginning is lost; what came later can be \
        replayed: keep `copytruncate` and the like away from captures", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// A directory stands where a capture should.
    #[error("{} is a directory: name a capture file", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// Overwriting through a symbolic link could destroy a file that the user did not name.
    #[error("{} is a symbolic link, which is not overwritten: name the file itself", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// The file could not be made.
    #[error("cannot create the capture {}: {source}; {}", path.display(), hint(source, Access::Make))]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The sink failed. What was written before can be read.
    #[error("cannot write to the capture {}: {source}; {}; {}", path.display(), kept(*offset, *frames),
        remedy(source.kind()))]
    Write {
        /// The file.
        path: PathBuf,
        /// Bytes that were handed over whole, from the start of the file.
        offset: u64,
        /// Frames in them.
        frames: u64,
        /// Why.
        source: io::Error,
    },
    /// The file is written, but the disk did not confirm it.
    #[error("cannot bring the capture {} to the disk: {source}; it may be lost when the host goes down: check the \
        disk (dmesg), and replay the capture to see what it holds", path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An earlier error stopped the recording; nothing is written any more.
    #[error("recording to {} stopped earlier ({reason}); {}", path.display(), kept(*offset, *frames))]
    Stopped {
        /// The file.
        path: PathBuf,
        /// Bytes that were handed over whole, from the start of the file.
        offset: u64,
        /// Frames in them.
        frames: u64,
        /// The earlier error.
        reason: String,
    },
    /// This one frame does not fit and was not stored; the writer goes on.
    #[error("a {kind} frame of {len} bytes does not fit into the capture {}, which takes {FRAME_PAYLOAD_MAX} at most; \
        it is not stored", path.display())]
    FrameTooLong {
        /// The file.
        path: PathBuf,
        /// Which kind of frame.
        kind: &'static str,
        /// Length of its payload, bytes.
        len: usize,
    },
    /// The host's description could not be put into JSON.
    #[error("cannot store the description of the host in the capture {}: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file could not be opened for reading.
    #[error("cannot open the capture {}: {source}; {}", path.display(), hint(source, Access::Read))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The source failed. What was read before was delivered.
    #[error("cannot read the capture {} at byte {offset}: {source}; {}", path.display(), hint(source, Access::Read))]
    Read {
        /// The file.
        path: PathBuf,
        /// Where, from the start of the file.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The file has no bytes.
    #[error("{} is empty: nothing was recorded into it, or nothing reached the disk", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Something else than a capture.
    #[error("{} is no capture{}: name a file that `tcptrace record` wrote", path.display(), guess(*looks_like))]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// What it may be.
        looks_like: Option<&'static str>,
    },
    /// The file ends within its first 32 bytes.
    #[error("{} is a capture that ends within its header: nothing was recorded into it", path.display())]
    HeaderCutOff {
        /// The file.
        path: PathBuf,
    },
    /// The file's header does not fit its checksum.
    #[error("the header of the capture {} is damaged (its checksum does not fit), so the rest cannot be understood: \
        use another copy", path.display())]
    HeaderDamaged {
        /// The file.
        path: PathBuf,
    },
    /// Another major version of the format.
    #[error("{} is a capture in format {major}.{minor}, and this tcptrace reads format {FORMAT_MAJOR}: use {} tcptrace",
        path.display(), age(*major > FORMAT_MAJOR))]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// Its format's major version.
        major: u16,
        /// Its format's minor version.
        minor: u16,
    },
    /// Another version of the records.
    #[error("{} holds records of wire version {found}, and this tcptrace reads version {known}: use {} tcptrace",
        path.display(), age(found > known))]
    WireVersion {
        /// The file.
        path: PathBuf,
        /// Version of its records.
        found: u16,
        /// The version that is understood.
        known: u16,
    },
    /// Records are in the byte order of the recording machine.
    #[error("{} was recorded on a machine of the other byte order: replay it on a {}-endian machine",
        path.display(), if cfg!(target_endian = "little") { "big" } else { "little" })]
    OtherByteOrder {
        /// The file.
        path: PathBuf,
    },
    /// Something that only a newer version can undo, such as compression.
    #[error("{} uses a feature from a newer version at byte {offset} (flags {flags:#x}): use a newer tcptrace",
        path.display())]
    NewerFeature {
        /// The file.
        path: PathBuf,
        /// Where, from the start of the file.
        offset: u64,
        /// The flags that are set.
        flags: u16,
    },
}

/// What was tried with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To make it.
    Make,
}

/// What helps against an error of a file, by what the system says.
#[must_use]
pub fn hint(error: &io::Error, access: Access) -> &'static str {
    let makes = access == Access::Make;
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory if makes => "name a file in a directory that exists",
        ErrorKind::NotFound | ErrorKind::NotADirectory => "check the name and the directory",
        ErrorKind::PermissionDenied if makes => "name a file in a directory that you may write to",
        ErrorKind::PermissionDenied => "captures are readable by their owner only, see `ls -l`",
        ErrorKind::ReadOnlyFilesystem => "name a file on a file system that can be written",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free space, or name a file elsewhere",
        ErrorKind::FileTooLarge => "raise the limit (ulimit -f)",
        ErrorKind::InvalidFilename => "name a file with a shorter name",
        ErrorKind::IsADirectory => "name a file",
        _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => "raise the limit of open files (ulimit -n)",
            Some(rustix::io::Errno::LOOP) => "name the file itself, not a symbolic link",
            Some(rustix::io::Errno::IO) => "check the disk (dmesg) and copy the file",
            _ if makes => "name a file elsewhere",
            _ => "check the file and the disk (dmesg)",
        },
    }
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free space or record elsewhere",
        ErrorKind::FileTooLarge => "raise the limit (ulimit -f) or record elsewhere",
        ErrorKind::BrokenPipe => "the reader of the pipe has gone",
        _ => "check the disk (dmesg) or record elsewhere",
    }
}

fn whereabouts(inode: Option<u64>) -> String {
    match inode {
        Some(inode) => format!("it is whole under another name: look for it with `find -inum {inode}`"),
        None => "it is lost: record again".to_owned(),
    }
}

fn kept(offset: u64, frames: u64) -> String {
    match frames {
        0 => "nothing was recorded".to_owned(),
        _ => format!("its first {offset} bytes with {frames} frames are whole and can be replayed"),
    }
}

fn guess(looks_like: Option<&'static str>) -> String {
    looks_like.map(|what| format!(" (it looks like {what})")).unwrap_or_default()
}

const fn age(newer: bool) -> &'static str {
    if newer { "a newer" } else { "an older" }
}

/// Why a block could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BreakReason {
    /// All blocks are whole, and the closing one is missing.
    #[error("it ends without a closing block: the recording was killed, or its end did not reach the disk")]
    NoClosingBlock,
    /// The file ends within a block.
    #[error("its last block is cut off")]
    CutOff,
    /// Bytes that are no block: overwritten, zeroed, or appended.
    #[error("no block begins there")]
    NoBlock,
    /// A block's header does not fit its checksum.
    #[error("a block's header does not fit its checksum")]
    HeaderChecksum,
    /// A block claims this many bytes.
    #[error("a block claims {0} bytes, more than any block has")]
    Length(u32),
    /// A block's payload does not fit its checksum.
    #[error("a block's payload does not fit its checksum")]
    PayloadChecksum,
    /// A block that was passed already, or that does not fit those before it.
    #[error("a block is out of order")]
    Order,
    /// The closing block's totals are missing or contradict its header.
    #[error("the closing block contradicts itself")]
    Totals,
    /// Bytes after the closing block.
    #[error("something follows the closing block")]
    Trailing,
    /// Not known yet: the caller has not read to the end.
    #[error("it was not read any further")]
    Unread,
    /// Reading stopped with an error, which [`Reader::next`](super::Reader::next) returned.
    #[error("reading stopped with an error")]
    Failed,
}
