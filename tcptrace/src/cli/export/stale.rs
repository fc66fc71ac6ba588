//! Temporary files of runs that were killed. A run holds a lock on its own, so those of others that run are known.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FlockOperation, OFlags, flock};

/// How the names end. A number stands before it.
pub(super) const SUFFIX: &str = ".tmp";
/// Somebody who clears up may take a file away before it is locked.
const TRIES: u32 = 8;

/// Makes a temporary file and locks it.
pub(super) fn create(path: &Path) -> io::Result<File> {
    for _ in 0..TRIES {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        // Only one that clears up holds it, for a moment. Where there are no locks, nothing is cleared either.
        let _ = flock(&file, FlockOperation::LockExclusive);
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
    Err(io::Error::other("another tcptrace takes the temporary file away"))
}

/// Removes what killed runs have left of a table. Whatever cannot be looked at stays.
pub(super) fn clear(table: &Path) {
    let Some(name) = table.file_name() else { return };
    let folder = table.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_temporary(entry.file_name().as_encoded_bytes(), name.as_encoded_bytes()) {
            // What is left is no reason not to export.
            let _ = remove_if_unused(&entry.path());
        }
    }
}

/// `TABLE.NUMBER.tmp`.
fn is_temporary(name: &[u8], table: &[u8]) -> bool {
    let number = name.strip_prefix(table).and_then(|rest| rest.strip_prefix(b"."));
    let number = number.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    number.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

fn remove_if_unused(path: &Path) -> io::Result<()> {
    // Not through a link, and not waiting for whatever else it may be.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_temporary() {
        let is = |name: &str| is_temporary(name.as_bytes(), b"a.closes.csv");
        assert!(is("a.closes.csv.12.tmp"));
        for name in
            ["a.closes.csv", "a.closes.csv.tmp", "a.closes.csv..tmp", "a.closes.csv.1x.tmp", "b.closes.csv.1.tmp"]
        {
            assert!(!is(name), "{name}");
        }
    }

    #[test]
    fn what_is_in_use_stays() {
        let folder = std::env::temp_dir().join(format!("tcptrace-stale-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let table = folder.join("a.closes.csv");
        let (used, left) = (folder.join("a.closes.csv.1.tmp"), folder.join("a.closes.csv.2.tmp"));
        let file = create(&used).unwrap();
        drop(create(&left).unwrap());
        clear(&table);
        assert!(used.exists() && !left.exists());
        drop(file);
        clear(&table);
        assert!(!used.exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
