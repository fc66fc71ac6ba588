//! Links and mounts that lead to network namespaces, and the words by which users name them.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{
    held::{Advice, Capability},
    obstacle::Obstacle,
    text::clean,
};

/// The link's target is told to whom may trace the process (`proc_ns_readlink()`).
pub(super) const TO_FOLLOW: &[Capability] = &[Capability::SysPtrace];
/// Folders in which container engines keep namespaces are root's.
pub(super) const TO_OPEN: &[Capability] = &[Capability::DacReadSearch, Capability::SysPtrace];

/// `PID_MAX_LIMIT`: process ids are smaller, inodes of namespaces larger (`PROC_DYNAMIC_FIRST` and about).
const PIDS: u32 = 1 << 22;
/// Where `ip netns` keeps names (ip-netns(8)).
const NAMED: &str = "/run/netns";
/// The calling thread's own.
pub(super) const OWN: &str = "/proc/thread-self/ns/net";

/// The namespace that a user means: `self`, an inode, a process id, a name of `ip netns`, or a path.
///
/// # Errors
/// Says that there is none.
pub fn resolve(text: &str) -> Result<u32, String> {
    let number: Option<u32> = text.parse().ok();
    let path = match number {
        Some(inode) if inode > PIDS => return Ok(inode),
        Some(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
        None if text == "self" => PathBuf::from(OWN),
        None if text.contains('/') => PathBuf::from(text),
        None => Path::new(NAMED).join(text),
    };
    // The link's text says what it is; a mount is known by its file system.
    let found = match namespace_link(&path) {
        Ok(link) => parse_link(&link.to_string_lossy()).ok_or_else(|| io::Error::other("it is no network namespace")),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => mounted_at(&path),
        Err(error) => Err(error),
    };
    found.map_err(|error| {
        if let Some(limit) = Obstacle::of(&error).and_then(Obstacle::limit) {
            return format!("cannot look at `{text}`: {limit}");
        }
        let what = if number.is_some() { "process" } else { "network namespace" };
        if error.kind() == io::ErrorKind::PermissionDenied {
            let needed: &[Capability] = if number.is_some() { TO_FOLLOW } else { TO_OPEN };
            let advice = Advice::about(needed);
            return format!("cannot look at {what} `{text}`: {}: {error}; {advice}", path.display());
        }
        format!("there is no {what} `{text}`: {}: {error}", path.display())
    })
}

/// The word by which [`resolve`] finds a mounted namespace: its name of `ip netns`, or its path. A name that would mean
/// something else is told as a path.
#[must_use]
pub(super) fn word_of(mount: &Path) -> String {
    let name = mount.strip_prefix(NAMED).ok().and_then(Path::to_str);
    let means_itself = |name: &&str| !name.contains('/') && *name != "self" && name.parse::<u32>().is_err();
    clean(&name.filter(means_itself).map_or_else(|| mount.display().to_string(), str::to_owned))
}

/// The namespace that is mounted on a file.
fn mounted_at(path: &Path) -> io::Result<u32> {
    let path = fs::canonicalize(path)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let found = mounts.lines().filter_map(mounted).find(|(_, point)| *point == path);
    found.map(|(inode, _)| inode).ok_or_else(|| io::Error::other("it is no network namespace"))
}

pub(super) fn inode(path: &Path) -> io::Result<u32> {
    let inode = fs::metadata(path)?.ino();
    u32::try_from(inode).map_err(|_| io::Error::other("it is no network namespace"))
}

/// Entries of a folder whose names are numbers; none of one that is gone, or may not be read.
pub(super) fn numbered(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_number = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    entries.filter(is_number).map(|entry| entry.path())
}

/// `net:[4026531840]`.
#[must_use]
pub fn parse_link(link: &str) -> Option<u32> {
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// The text of a link in `/proc/PID/ns`. Kernels of 5.10 answer whom they refuse with an empty text, and no error.
pub(super) fn namespace_link(path: &Path) -> io::Result<PathBuf> {
    let link = fs::read_link(path)?;
    if link.as_os_str().is_empty() { Err(io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error())) } else { Ok(link) }
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)) that mounts a network namespace: its root names it.
#[must_use]
pub fn mounted(line: &str) -> Option<(u32, PathBuf)> {
    let mut fields = line.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    Some((parse_link(root)?, PathBuf::from(unescape(point))))
}

/// `\040` and the like, for blanks in paths.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        match others.split_at_checked(3) {
            Some((digits, after)) if *first == b'\\' => match octal(digits) {
                Some(byte) => {
                    out.push(byte);
                    rest = after;
                    continue;
                }
                None => out.push(*first),
            },
            _ => out.push(*first),
        }
        rest = others;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_mounts() {
        assert_eq!(parse_link("net:[4026531840]"), Some(4_026_531_840));
        assert_eq!(parse_link("mnt:[4026531840]"), None);
        assert_eq!(parse_link("net:[99999999999]"), None);
        let line = "553 24 0:4 net:[4026532441] /run/netns/my\\040ns rw shared:315 - nsfs nsfs rw";
        assert_eq!(mounted(line), Some((4_026_532_441, PathBuf::from("/run/netns/my ns"))));
        assert_eq!(mounted("25 30 0:23 / /sys rw - sysfs sysfs rw"), None);
        assert_eq!(mounted(""), None);
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("a\\999b"), "a\\999b");
    }

    #[test]
    fn names_of_all_kinds() {
        let own = inode(Path::new(OWN)).unwrap();
        assert_eq!(resolve("self"), Ok(own));
        assert_eq!(resolve(&std::process::id().to_string()), Ok(own));
        assert_eq!(resolve("/proc/self/ns/net"), Ok(own));
        assert_eq!(resolve("4026531999"), Ok(4_026_531_999));
        assert_eq!(resolve("4026531833"), Ok(4_026_531_833));
        assert!(resolve("/etc/hostname").is_err());
        assert!(resolve("/proc/self/ns/mnt").is_err());
        assert!(resolve("no-such-name").is_err());
        assert!(resolve("/no/such/path").is_err());
        assert!(resolve("").is_err());
    }

    #[test]
    fn words_lead_back() {
        let word = |path: &str| word_of(Path::new(path));
        assert_eq!(word("/run/netns/web"), "web");
        for path in ["/run/netns/42", "/run/netns/self", "/run/docker/netns/1-ab", "/run/netns/a/b"] {
            assert_eq!(word(path), path);
        }
        assert_eq!(word("/run/netns/a\x1b[2m"), "a\u{fffd}[2m");
    }
}
