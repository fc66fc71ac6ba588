//! Sysctl files, as they lie there.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

use crate::doctor::{
    Files, SYSCTL_FOLDERS, SYSCTL_LAST, SysctlFile,
    limits::{FILE_BYTES_MAX, FILES_MAX},
};
use crate::model::printable;

/// Reads them all. What is not there is no lack.
#[must_use]
pub fn read_files() -> Files {
    let mut unreadable = Vec::new();
    let mut files = Vec::new();
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in SYSCTL_FOLDERS {
        match list(Path::new(folder)) {
            Ok(found) => paths.extend(found),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => unreadable.push(format!("{folder}: {error}")),
        }
    }
    paths.push(PathBuf::from(SYSCTL_LAST));
    if paths.len() > FILES_MAX {
        unreadable.push(format!("{} sysctl files: {FILES_MAX} are read", paths.len()));
        paths.truncate(FILES_MAX);
    }
    for path in paths {
        match read(&path) {
            Ok(text) => files.push(SysctlFile { path: path.to_string_lossy().into_owned(), text }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => unreadable.push(format!("{}: {error}", path.display())),
        }
    }
    Files::of(&files, unreadable)
}

/// Files that systemd-sysctl and sysctl(8) take: those whose names end in `.conf`.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "conf")).collect())
}

/// What is printed of a file cannot write escape codes.
fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    // Opening a pipe waits for its writer, unless it is told not to.
    let file = File::from(rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
    // A link to /dev/null reads as empty; anything else that is no file could block.
    if !file.metadata()?.is_file() {
        return Ok(String::new());
    }
    let read = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    if read as u64 >= FILE_BYTES_MAX {
        return Err(io::Error::other(format!("more than {FILE_BYTES_MAX} bytes")));
    }
    let shown = |c: char| if c == '\n' || c == '\t' { c } else { printable(c) };
    Ok(String::from_utf8_lossy(&bytes).chars().map(shown).collect())
}
