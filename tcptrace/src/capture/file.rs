//! Makes a capture's file. A capture holds addresses and names of others, and the recorder is root: the file is for
//! its owner alone, and nothing is overwritten that the user did not name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::{CaptureError, Writer, sync::Syncer};

/// A reader that asks whether a capture is being written has it locked for a moment.
const LOCK_TRIES: u32 = 5;
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// What became of a capture's file while it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is where it was made.
    Named,
    /// No file has its name any more.
    Removed,
    /// Another file has its name.
    Replaced,
    /// Somebody has cut it; its header was written again.
    Truncated,
}

/// Creates a capture with mode 0600. `overwrite` replaces a regular file by a new one (whoever has the old one open
/// keeps it) and writes into devices and pipes; it follows no symbolic link to a regular file.
///
/// # Errors
/// Where the file exists and `overwrite` is false, is a directory or a link, or cannot be created or written.
pub fn create(path: &Path, overwrite: bool) -> Result<Writer<File>, CaptureError> {
    let failed = |source: io::Error| match source.kind() {
        ErrorKind::AlreadyExists => CaptureError::Exists { path: path.to_owned() },
        _ => CaptureError::Create { path: path.to_owned(), source },
    };
    let found = fs::metadata(path);
    let is_device = found.as_ref().is_ok_and(|found| !found.is_file());
    let file = match found {
        Ok(found) if found.is_dir() => return Err(CaptureError::Directory { path: path.to_owned() }),
        Ok(_) if !overwrite => return Err(CaptureError::Exists { path: path.to_owned() }),
        Ok(found) if found.is_file() => {
            if path.is_symlink() {
                return Err(CaptureError::SymbolicLink { path: path.to_owned() });
            }
            // Locked until the new one is there: of two recorders, the second is refused.
            let old = File::open(path).map_err(failed)?;
            if !lock(&old) {
                return Err(CaptureError::Busy { path: path.to_owned() });
            }
            fs::remove_file(path).and_then(|()| create_new(path))
        }
        Ok(_) => OpenOptions::new().write(true).open(path),
        // Also a link to nowhere, which the system refuses to create through.
        Err(_) => create_new(path),
    }
    .map_err(failed)?;
    if !is_device && (!lock(&file) || !is_named(&file, path)) {
        return Err(CaptureError::Busy { path: path.to_owned() });
    }
    let begun = Syncer::start(&file, path)
        .map_err(failed)
        .and_then(|syncer| Writer::with_syncer(file, path.to_owned(), Some(syncer)));
    if begun.is_err() && !is_device {
        // Else an empty file would be in the way of the next try. It is ours: it was created above.
        fs::remove_file(path).ok();
    }
    begun
}

/// `O_EXCL`: another process that is faster with the same name wins. std sets `O_CLOEXEC`.
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Begins a capture on standard output.
///
/// # Errors
/// Where standard output is closed, or does not take the header.
pub fn create_on_stdout() -> Result<Writer<File>, CaptureError> {
    let path = Path::new("standard output");
    let out = io::stdout().as_fd().try_clone_to_owned();
    let out = out.map_err(|source| CaptureError::Create { path: path.to_owned(), source })?;
    Writer::new(File::from(out), path)
}

/// Marks a file as being written, for as long as it is open; false where another process has marked it. File systems
/// without locks mark nothing.
fn lock(file: &File) -> bool {
    for _ in 0..LOCK_TRIES {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => thread::sleep(LOCK_INTERVAL),
            Ok(()) | Err(_) => return true,
        }
    }
    false
}

/// Whether a recorder has the file open.
#[must_use]
pub fn is_being_written(file: &File) -> bool {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => true,
        Err(_) => false,
        Ok(()) => {
            // Where it cannot be given back, it is when the file is closed.
            let _ = flock(file, FlockOperation::Unlock);
            false
        }
    }
}

/// Whether the path leads to this file. What cannot be asked is not called into question.
fn is_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
        (Ok(_), Err(error)) => error.kind() != ErrorKind::NotFound,
        (Err(_), _) => true,
    }
}

impl Writer<File> {
    /// What became of the file. One that was cut gets its header back: what is behind the hole can then be read.
    pub fn fate(&mut self, path: &Path) -> Fate {
        let (file, written) = (self.sink(), self.written().bytes);
        let Ok(own) = file.metadata() else { return Fate::Named };
        if !own.is_file() {
            return Fate::Named;
        }
        let is_cut = self.is_cut || own.len() < written || header_is_lost(file);
        if is_cut && header_is_lost(file) {
            // The next look tries again.
            let _ = file.write_all_at(&super::writer::header().encode(), 0);
        }
        let fate = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Fate::Removed,
            Ok(there) if (own.dev(), own.ino()) != (there.dev(), there.ino()) => Fate::Replaced,
            _ if is_cut => Fate::Truncated,
            _ => Fate::Named,
        };
        self.is_cut = is_cut;
        fate
    }

    /// The number by which `/proc/PID/fd` knows the file.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.sink().as_raw_fd()
    }

    /// As [`Writer::finish`]; the capture must then be where its path leads, and whole.
    ///
    /// # Errors
    /// As there; and where the file was removed, replaced or cut while it was written.
    pub fn finish_at(mut self, path: &Path) -> Result<(), CaptureError> {
        // Before the closing block, so that the header reaches the disk with the rest.
        let before = self.fate(path);
        let kept = self.sink().try_clone().ok().filter(|file| file.metadata().is_ok_and(|own| own.is_file()));
        self.finish()?;
        let named = kept.as_ref().is_none_or(|file| is_named(file, path));
        let own = kept.and_then(|file| file.metadata().ok());
        let inode = own.filter(|own| own.nlink() > 0).map(|own| own.ino());
        let path = path.to_owned();
        match before {
            _ if !named && path.exists() => Err(CaptureError::Replaced { path, inode }),
            _ if !named => Err(CaptureError::Removed { path, inode }),
            Fate::Truncated => Err(CaptureError::Truncated { path }),
            // Also where it was given back its name.
            Fate::Named | Fate::Removed | Fate::Replaced => Ok(()),
        }
    }
}

/// A file that was cut has zeros there, or nothing.
fn header_is_lost(file: &File) -> bool {
    let mut bytes = [0; super::format::FILE_HEADER_LEN];
    // Opened for writing alone, it cannot be read.
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => bytes.iter().all(|byte| *byte == 0),
        Err(error) => error.kind() == ErrorKind::UnexpectedEof,
    }
}
