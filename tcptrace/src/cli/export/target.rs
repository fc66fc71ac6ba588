//! Where one table goes: standard output, or a file that has its name only once it is whole.

use std::{
    fs::{self, File},
    io::{self, Stdout, Write},
    path::{Path, PathBuf},
    process,
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use super::stale;
use crate::{
    capture::{Access, CaptureError, hint},
    cli::exit::CliError,
};

pub(super) enum Target {
    Stdout(Stdout),
    File(Pending),
}

/// A file beside the one that is to be; removed when it is dropped before that.
pub(super) struct Pending {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    overwrite: bool,
}

impl Target {
    /// As `record` makes captures: for the owner alone, since tables hold addresses and names of others, and nothing is
    /// overwritten that the user did not name.
    pub(super) fn create(path: PathBuf, overwrite: bool) -> Result<Self, CliError> {
        match fs::symlink_metadata(&path) {
            Ok(_) if !overwrite => return Err(CaptureError::Exists { path }.into()),
            Ok(found) if found.is_symlink() => return Err(CaptureError::SymbolicLink { path }.into()),
            Ok(found) if !found.is_file() => {
                return Err(failed(&path, &io::Error::other("it is there already, and is no regular file")));
            }
            // Whatever is wrong with the place is said when a file is made in it.
            Ok(_) | Err(_) => {}
        }
        stale::clear(&path);
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}{}", process::id(), stale::SUFFIX));
        let temporary = PathBuf::from(temporary);
        let file = stale::create(&temporary).map_err(|error| failed(&temporary, &error))?;
        Ok(Self::File(Pending { file, temporary, path, overwrite }))
    }

    /// Brings what was written to the reader, or to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(pending) => pending.file.sync_all().map_err(|error| named(&pending.path, &error)),
        }
    }

    /// Gives the file its name, and says which.
    pub(super) fn publish(self) -> Result<Option<PathBuf>, CliError> {
        match self {
            Self::Stdout(_) => Ok(None),
            Self::File(mut pending) => pending.publish().map(Some),
        }
    }
}

impl Pending {
    fn publish(&mut self) -> Result<PathBuf, CliError> {
        let Self { temporary, path, overwrite, .. } = self;
        let renamed = if *overwrite { fs::rename(&temporary, &path) } else { rename_new(temporary, path) };
        match renamed {
            Ok(()) => Ok(path.clone()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !*overwrite => {
                Err(CaptureError::Exists { path: path.clone() }.into())
            }
            Err(error) => Err(failed(path, &error)),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // After the renaming there is nothing of that name.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Whoever made the file meanwhile keeps it; where the file system cannot tell, it was not there at the start.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(Pending { file, path, .. }) => file.write(bytes).map_err(|error| named(path, &error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(_) => Ok(()),
        }
    }
}

/// With several files, an error has to say which.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    let words = format!("{}: {error}; {}", path.display(), hint(error, Access::Make));
    CliError::System { what: "write the tables", source: io::Error::new(error.kind(), words) }
}
