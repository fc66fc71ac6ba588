//! What tells of sockets beside the tracepoints: fexit, sock_diag, other namespaces, other processes' files.

use std::fs;

use super::needs::{Group, Need, need};
use crate::source::{
    Kernel,
    diag::DiagSocket,
    proc::{EnterError, Namespaces},
};

/// Attaches the optional program for a moment: kernels accept it and refuse that.
pub(super) fn time_wait(loaded: Option<Kernel>) -> Need {
    let found = match loaded {
        None => Err("not tried".to_owned()),
        Some(mut kernel) => kernel.attach_time_wait().map(|()| "attached".to_owned()),
    };
    let lost = "when the peer of a close()d socket in FIN_WAIT2 closes is known by look-ups, to a tick (10 ms) instead of \
                exactly";
    need(Group::Optional, "time-wait events (fexit)", found, lost)
}

/// What also `stuck` and `leaks` use.
pub(super) fn without_bpf() -> [Need; 3] {
    [sock_diag(), namespaces(), files()]
}

fn sock_diag() -> Need {
    let found = DiagSocket::open().map(|_| "it answers".to_owned()).map_err(|error| error.to_string());
    let lost = "`stuck` and `leaks` cannot run; for `trace`, FIN_WAIT2 of a close()d socket, causes of stuck sockets and \
                of leaks, and sockets from before the start are unknown";
    need(Group::Optional, "sock_diag", found, lost)
}

/// Goes into another namespace and back.
fn namespaces() -> Need {
    let mut all = Namespaces::new();
    let own: Vec<u32> = all.inodes().collect();
    all.scan();
    let mut found = Ok("no other namespace to try".to_owned());
    for inode in all.inodes().filter(|inode| !own.contains(inode)) {
        found = match all.enter(inode, || ()) {
            Ok(()) => Ok("entered one and came back".to_owned()),
            // It ended meanwhile: the next one may do.
            Err(EnterError::Gone) => continue,
            Err(error) => Err(error.to_string()),
        };
        break;
    }
    if found.is_ok() && all.hidden() > 0 {
        found = Err(format!("{} processes do not show theirs: CAP_SYS_PTRACE is needed", all.hidden()));
    }
    let lost = "sockets of other network namespaces (containers) are followed by events alone: no look-ups, not in \
                `stuck` and `leaks`; run as root";
    need(Group::Optional, "other network namespaces (CAP_SYS_ADMIN)", found, lost)
}

/// Process 1 is everybody's but a few users' to see with that capability alone.
fn files() -> Need {
    let links = || {
        for entry in fs::read_dir("/proc/1/fd")? {
            fs::read_link(entry?.path())?;
        }
        Ok(())
    };
    let found = links().map(|()| "readable".to_owned()).map_err(|error: std::io::Error| format!("/proc/1/fd: {error}"));
    let lost = "who holds a stuck or leaked socket is known of the own processes alone; run as root";
    need(Group::Optional, "other processes' files (CAP_SYS_PTRACE)", found, lost)
}
