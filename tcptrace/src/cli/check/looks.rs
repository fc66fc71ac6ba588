//! What tells of sockets beside the tracepoints: fexit, sock_diag, other namespaces, other processes' files.

use std::{fs, io, path::Path};

use super::needs::{Group, Need, differing, need};
use crate::source::{
    Kernel,
    diag::DiagSocket,
    differences::TIME_WAIT_EVENTS,
    proc::{EnterError, Namespaces},
};

/// Attaches the optional program for a moment: kernels accept it and refuse that.
pub(super) fn time_wait(loaded: Option<Kernel>) -> Need {
    let found = match loaded {
        None => Err("not tried".to_owned()),
        Some(mut kernel) => kernel.attach_time_wait().map(|()| "attached".to_owned()),
    };
    differing(&TIME_WAIT_EVENTS, found)
}

/// What also `stuck` and `leaks` use.
pub(super) fn without_bpf() -> [Need; 3] {
    [sock_diag(), namespaces(), files()]
}

fn sock_diag() -> Need {
    let found = DiagSocket::open().map(|_| "it answers".to_owned()).map_err(|error| error.to_string());
    let lost = "`stuck` and `leaks` cannot run; for `trace`, FIN_WAIT2 of a close()d socket, causes of stuck sockets \
                and of leaks, and sockets from before the start are unknown";
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
    let lost = "sockets of other network namespaces (containers) are followed by events alone: no look-ups, not in \
                `stuck` and `leaks`; run as root";
    need(Group::Optional, "other network namespaces (CAP_SYS_ADMIN)", found, lost)
}

/// Every process that `/proc` shows is tried: the kernel may refuse one and not another.
fn files() -> Need {
    let processes: Vec<_> = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let processes: Vec<_> = processes.into_iter().filter(|path| is_number(path)).collect();
    let hidden = processes.iter().filter(|path| hides_files(path)).count();
    let found = match (hidden, processes.len()) {
        (0, 0) => Err("/proc shows no process".to_owned()),
        (0, _) => Ok("readable".to_owned()),
        (hidden, all) => Err(format!("not readable of {hidden} of {all} processes")),
    };
    let lost = "what those processes hold is unknown: stuck and leaked sockets, and namespaces that nobody else is in; \
                run as root";
    need(Group::Optional, "other processes' files (CAP_SYS_PTRACE)", found, lost)
}

fn is_number(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
}

/// One that has ended hides nothing.
fn hides_files(process: &Path) -> bool {
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match fs::read_dir(process.join("fd")) {
        Err(error) => refused(&error),
        Ok(mut entries) => {
            entries.next().is_some_and(|entry| match entry.and_then(|entry| fs::read_link(entry.path())) {
                Err(error) => refused(&error),
                Ok(_) => false,
            })
        }
    }
}
