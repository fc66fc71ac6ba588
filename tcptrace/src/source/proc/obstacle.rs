//! Why something cannot be looked at, told by errno: who lacks a right needs another remedy than who runs out of files.

use std::io;

/// What keeps this process from looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Obstacle {
    /// EPERM or EACCES: a right is missing.
    Refused,
    /// This process or the host has no more files or memory: EMFILE, ENFILE, ENOMEM, ENOBUFS.
    Limit(i32),
    /// Another errno.
    Other(i32),
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOBUFS: i32 = 105;

impl Obstacle {
    /// Sorts an error; `None` where what was looked at has ended, which is no lack.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        match error.raw_os_error() {
            Some(ENOENT | ESRCH) => None,
            Some(EPERM | EACCES) => Some(Self::Refused),
            Some(errno @ (EMFILE | ENFILE | ENOMEM | ENOBUFS)) => Some(Self::Limit(errno)),
            Some(errno) => Some(Self::Other(errno)),
            None if error.kind() == io::ErrorKind::NotFound => None,
            None if error.kind() == io::ErrorKind::PermissionDenied => Some(Self::Refused),
            None => Some(Self::Other(0)),
        }
    }

    /// The limit that was reached, with what to do about it.
    #[must_use]
    pub fn limit(self) -> Option<String> {
        let Self::Limit(errno) = self else { return None };
        Some(format!("{}: {}", io::Error::from_raw_os_error(errno), limit_remedy(errno)?))
    }
}

/// What to do about an errno that says that a limit is reached; `None` for any other.
#[must_use]
pub fn limit_remedy(errno: i32) -> Option<&'static str> {
    match errno {
        EMFILE => Some("raise this process's limit of open files (`ulimit -n`)"),
        ENFILE => Some("raise the host's limit of open files (`sysctl fs.file-max`), or close some"),
        ENOMEM => Some("free memory, or raise `ulimit -v` and `ulimit -l`"),
        ENOBUFS => Some("free kernel memory"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errnos_are_told_apart() {
        let of = |errno| Obstacle::of(&io::Error::from_raw_os_error(errno));
        assert_eq!([of(ENOENT), of(ESRCH)], [None; 2]);
        assert_eq!([of(EPERM), of(EACCES)], [Some(Obstacle::Refused); 2]);
        for errno in [EMFILE, ENFILE, ENOMEM, ENOBUFS] {
            let limit = of(errno).unwrap().limit().unwrap();
            assert!(!limit.contains("CAP_"), "{limit}");
        }
        assert!(of(EMFILE).unwrap().limit().unwrap().contains("ulimit -n"));
        assert!(of(ENFILE).unwrap().limit().unwrap().contains("fs.file-max"));
        assert_eq!(of(5), Some(Obstacle::Other(5)));
        assert_eq!(of(5).unwrap().limit(), None);
        assert_eq!(Obstacle::of(&io::Error::other("x")), Some(Obstacle::Other(0)));
    }
}
