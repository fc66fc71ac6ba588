//! Threads that wait in `close()` for a socket with data to send yet (SO_LINGER, socket(7)).
//!
//! The file is out of its process's table by then and the socket is no orphan yet, so no search for holders finds
//! anybody. The thread's kernel stack tells, or without the privilege to see that its wait channel and its system call.

use std::{fs, path::Path};

use super::{
    links::namespace_link,
    text::{cgroup_path, clean},
};
use crate::model::Closer;

/// Threads named; all wait alike.
pub const CLOSERS_MAX: usize = 64;
/// Threads looked at: a few microseconds each.
const THREADS_MAX: usize = 1 << 16;
/// Where `sk_stream_wait_close()` sleeps: its caller shows where the kernel counts it among the functions that wait.
const WAIT_CHANNELS: [&str; 2] = ["wait_woken", "sk_stream_wait_close"];
/// A thread that runs, or one whose channel the kernel cannot tell: before 5.16 `get_wchan()` wants frame pointers,
/// which kernels with the ORC unwinder lack. Then the stack alone counts.
const UNKNOWN_CHANNEL: &str = "0";
/// In the stack of such a thread.
const IN_STACK: &str = "sk_stream_wait_close";
/// Calls that close a file: `close`, `close_range`, `dup2`, `dup3`, `execve`, `execveat`.
#[cfg(target_arch = "x86_64")]
const CLOSING_CALLS: &[u32] = &[3, 436, 33, 292, 59, 322];
/// Calls that close a file: `close`, `close_range`, `dup3`, `execve`, `execveat`.
#[cfg(target_arch = "aarch64")]
const CLOSING_CALLS: &[u32] = &[57, 436, 24, 221, 281];
/// Not known: only stacks tell.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const CLOSING_CALLS: &[u32] = &[];

/// All that can be seen, in the order of their processes.
#[must_use]
pub fn closers() -> Vec<Closer> {
    let mut pids = numbers("/proc");
    pids.sort_unstable();
    let mut found = Vec::new();
    let mut threads = 0;
    for pid in pids {
        for tid in numbers(&format!("/proc/{pid}/task")) {
            threads += 1;
            if threads > THREADS_MAX || found.len() >= CLOSERS_MAX {
                return found;
            }
            found.extend(closer(pid, tid));
        }
    }
    found
}

fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn closer(pid: u32, tid: u32) -> Option<Closer> {
    let path = |name: &str| format!("/proc/{pid}/task/{tid}/{name}");
    let text = |name: &str| fs::read(path(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let channel = text("wchan").ok()?;
    let is_known = channel.trim_end() != UNKNOWN_CHANNEL;
    if is_known && !WAIT_CHANNELS.contains(&channel.trim_end()) {
        return None;
    }
    let stack = text("stack").ok().filter(|stack| !stack.is_empty());
    let in_call = || is_known && text("syscall").ok().is_some_and(|line| closes(&line));
    if !stack.map_or_else(in_call, |stack| stack.contains(IN_STACK)) {
        return None;
    }
    let of_process = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let named = |bytes: Vec<u8>| clean(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
    let cgroup = String::from_utf8_lossy(&of_process("cgroup")).into_owned();
    Some(Closer {
        pid,
        comm: named(of_process("comm")),
        tid,
        thread: clean(text("comm").unwrap_or_default().trim_end_matches('\n')),
        cgroup: cgroup_path(&cgroup).map(clean).unwrap_or_default(),
        netns: netns(&namespace_link(Path::new(&path("ns/net"))).ok()?.to_string_lossy())?,
    })
}

/// Whether a line of `/proc/PID/task/TID/syscall` names a call that closes a file.
fn closes(line: &str) -> bool {
    let number = line.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
    number.is_some_and(|number: u32| CLOSING_CALLS.contains(&number))
}

/// `net:[4026531840]`
fn netns(link: &str) -> Option<u32> {
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn calls_that_close() {
        assert!(closes("3 0x4 0x0 0x0 0x0 0x7f3fa6f4e6c8 0x7f3fa6f4e6e8 0x7f3fa5f79a00 0x7f3fa6916a1a\n"));
        for other in ["", "running\n", "0 0x4", "-1 0x7ffd 0x7f3f", "33x 0x1"] {
            assert!(!closes(other), "{other}");
        }
    }

    #[test]
    fn namespaces_of_threads() {
        assert_eq!(netns("net:[4026531840]"), Some(4_026_531_840));
        for other in ["", "net:[]", "pid:[1]", "net:[4026531840", "net:[99999999999]"] {
            assert_eq!(netns(other), None, "{other}");
        }
    }
}
