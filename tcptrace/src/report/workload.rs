//! What runs in a cgroup, read from its path: the systemd unit, the container and its pod.

use std::borrow::Cow;

use crate::model::{is_plain, printable};

/// Hexadecimal digits of a container's id (`docker`, `containerd`, CRI-O and podman alike).
const ID_LEN: usize = 64;

/// What a path says; what it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload<'a> {
    /// The innermost systemd service or scope that is not a container's, for people: escapes are undone
    /// (systemd-escape(1)), and what a terminal might obey is replaced.
    pub unit: Option<Cow<'a, str>>,
    /// Id of the innermost container, 64 hexadecimal digits.
    pub container: Option<&'a str>,
    /// Who runs it: `docker`, `containerd`, `cri-o` or `podman`. Below `kubepods` without systemd, both docker and
    /// containerd use nothing but the id.
    pub runtime: Option<&'static str>,
    /// Uid of its pod with dashes; a static pod has a hash without.
    pub pod_uid: Option<String>,
}

impl<'a> Workload<'a> {
    /// Reads a cgroup v2 path, or that of a v1 hierarchy, a line of `/proc/PID/cgroup` as well.
    #[must_use]
    pub fn of(path: &'a str) -> Self {
        let path = path.trim_end_matches('\n');
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        // The number and the controllers of a v1 hierarchy.
        let path = path.split_once(":/").filter(|(before, _)| !before.contains('/')).map_or(path, |(_, path)| path);
        let mut workload = Self::default();
        let mut parent = "";
        for part in path.split('/').filter(|part| !part.is_empty()) {
            workload.step(parent, part);
            parent = part;
        }
        workload
    }

    fn step(&mut self, parent: &str, part: &'a str) {
        // A cgroup manager without systemd that is told a systemd path makes one folder `slice:prefix:id` of it.
        let (slice, prefix, name) = match part.split(':').collect::<Vec<_>>().as_slice() {
            [slice, prefix, name] => (*slice, Some(*prefix), *name),
            _ => (part, None, part),
        };
        if let Some(uid) = pod_uid(slice) {
            self.pod_uid = Some(uid);
        }
        if let Some((id, runtime)) = container(parent, prefix, name) {
            self.container = Some(id);
            self.runtime = runtime;
        } else if is_unit(part) {
            self.unit = Some(unescaped(part));
        }
    }
}

/// The container's id and who runs it.
fn container<'a>(parent: &str, prefix: Option<&str>, name: &'a str) -> Option<(&'a str, Option<&'static str>)> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = match prefix {
        Some(prefix) => (prefix, name),
        None => name.rsplit_once('-').unwrap_or(("", name)),
    };
    let is_id = id.len() == ID_LEN && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let runtime = match prefix {
        "docker" => Some("docker"),
        "cri-containerd" | "nerdctl" => Some("containerd"),
        "crio" => Some("cri-o"),
        "libpod" | "libpod-payload" => Some("podman"),
        "" => (parent == "docker").then_some("docker"),
        // A monitor such as `crio-conmon-<id>.scope` is not in the container.
        _ => return None,
    };
    is_id.then_some((id, runtime))
}

/// Of `pod<uid>` (cgroupfs) or `kubepods[-class]-pod<uid with _>.slice` (systemd), as the kubelet names them.
fn pod_uid(part: &str) -> Option<String> {
    let uid = match part.strip_suffix(".slice") {
        Some(slice) => slice.strip_prefix("kubepods").and_then(|rest| rest.rsplit_once("-pod"))?.1,
        None => part.strip_prefix("pod")?,
    };
    let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let is_uid = uid.len() == 36
        && uid.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' | b'_' => is_dash(at),
            _ => byte.is_ascii_hexdigit() && !is_dash(at),
        });
    let is_hash = uid.len() == 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_uid || is_hash).then(|| uid.replace('_', "-"))
}

fn is_unit(part: &str) -> bool {
    [".service", ".scope"].iter().any(|kind| part.strip_suffix(kind).is_some_and(|name| !name.is_empty()))
}

/// Undoes `\x2d`. What was escaped may be anything, so the result is made fit for terminals.
fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') && is_plain(name) {
        return Cow::Borrowed(name);
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let escaped = match (first, others) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, others));
        bytes.push(byte);
        rest = after;
    }
    let text = String::from_utf8_lossy(&bytes);
    Cow::Owned(text.chars().map(printable).collect())
}

#[cfg(test)]
mod tests;
