//! Lines of `/proc` about files of processes. Other programs choose what stands there: nothing is trusted.

use crate::model::printable;

/// Characters kept of a name that another program has chosen.
const NAME_MAX: usize = 4096;

/// `socket:[12345]`, the target of a link in `/proc/PID/fd`.
#[must_use]
pub fn socket_inode(link: &str) -> Option<u32> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// A member of an epoll set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpollTarget {
    /// Number of the file, when it was added.
    pub fd: u32,
    /// Inode of the file, since 4.13.
    pub inode: Option<u32>,
}

/// `tfd:        5 events:       19 data:                5  pos:0 ino:1a2b sdev:8` (`ep_show_fdinfo()`); the inode is
/// hexadecimal.
#[must_use]
pub fn epoll_target(line: &str) -> Option<EpollTarget> {
    let rest = line.strip_prefix("tfd:")?;
    let fd = rest.split_ascii_whitespace().next()?.parse().ok()?;
    let inode = rest.split_ascii_whitespace().find_map(|word| word.strip_prefix("ino:"));
    let inode = match inode {
        Some(hex) => Some(u32::from_str_radix(hex, 16).ok()?),
        None => None,
    };
    Some(EpollTarget { fd, inode })
}

/// The cgroup v2 path in `/proc/PID/cgroup` (cgroups(7)): the line `0::/path`.
#[must_use]
pub fn cgroup_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// A name that cannot write escape codes into a terminal, nor fill memory.
#[must_use]
pub fn clean(name: &str) -> String {
    name.chars().take(NAME_MAX).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        assert_eq!(socket_inode("socket:[77]"), Some(77));
        for other in ["socket:[]", "socket:[x]", "socket:[77", "pipe:[77]", "/a", "", "socket:[99999999999]"] {
            assert_eq!(socket_inode(other), None, "{other}");
        }
    }

    #[test]
    fn members_of_an_epoll_set() {
        let line = "tfd:        5 events:       19 data:                5  pos:0 ino:1a2b sdev:8";
        assert_eq!(epoll_target(line), Some(EpollTarget { fd: 5, inode: Some(0x1a2b) }));
        let old = "tfd:        5 events:       19 data:                5";
        assert_eq!(epoll_target(old), Some(EpollTarget { fd: 5, inode: None }));
        for other in ["pos:\t0", "tfd:", "tfd: x", "tfd: 5 ino:zz", ""] {
            assert_eq!(epoll_target(other), None, "{other}");
        }
    }

    #[test]
    fn cgroups_of_the_second_version() {
        assert_eq!(cgroup_path("12:cpu:/old\n0::/system.slice/a.service\n"), Some("/system.slice/a.service"));
        assert_eq!(cgroup_path("12:cpu:/old\n"), None);
    }

    #[test]
    fn names_are_harmless() {
        assert_eq!(clean("a\x1b[2mb"), "a\u{fffd}[2mb");
        assert_eq!(clean(&"x".repeat(9_999)).len(), NAME_MAX);
    }
}
