//! Makes a capture's file. A capture holds addresses and names of others, and the recorder is root: the file is for
//! its owner alone, and nothing is overwritten that the user did not name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{CaptureError, Writer, sync::Syncer};

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
            fs::remove_file(path).and_then(|()| create_new(path))
        }
        Ok(_) => OpenOptions::new().write(true).open(path),
        // Also a link to nowhere, which the system refuses to create through.
        Err(_) => create_new(path),
    }
    .map_err(failed)?;
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
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
