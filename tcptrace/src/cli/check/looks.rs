//! What tells of sockets beside the tracepoints: fexit, sock_diag, other namespaces, other processes' files.

use super::needs::{Group, Need, differing, need};
use crate::{
    report::netns_in_words,
    source::{
        Kernel,
        diag::DiagSocket,
        differences::TIME_WAIT_EVENTS,
        proc::{EnterError, HolderIndex, Namespaces, Sight, Unseen},
    },
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
pub(super) fn without_bpf() -> [Need; 5] {
    let (mut all, mut files) = (Namespaces::new(), HolderIndex::new());
    all.scan();
    files.find(&[NO_SOCKET]);
    [sock_diag(), processes(), namespaces(&all), hidden_namespaces(&all), other_files(files.unseen())]
}

/// No socket has it (`sock_alloc()` gives none below 1), so that all processes are searched.
const NO_SOCKET: u32 = 0;

fn sock_diag() -> Need {
    let found = DiagSocket::open().map(|_| "it answers".to_owned()).map_err(|error| error.to_string());
    let lost = "`stuck` and `leaks` cannot run; for `trace`, FIN_WAIT2 of a close()d socket, causes of stuck sockets \
                and of leaks, and sockets from before the start are unknown";
    need(Group::Optional, "sock_diag", found, lost)
}

/// Which processes `/proc` shows at all.
fn processes() -> Need {
    let found = match Sight::now() {
        Sight::Everything => Ok("/proc shows all of this host"),
        Sight::NoProc => Err("/proc is not mounted"),
        Sight::PidNamespace => Err("/proc shows those of a pid namespace"),
        Sight::HidePid => Err("/proc hides those of other users"),
    };
    let remedy = Sight::now().in_words().unwrap_or_default();
    need(Group::Optional, "processes", found.map(str::to_owned).map_err(str::to_owned), &remedy)
}

/// Goes into another namespace and back.
fn namespaces(all: &Namespaces) -> Need {
    let mut found = Ok("no other network namespace to try".to_owned());
    let mut remedy = String::new();
    for inode in all.inodes().filter(|inode| all.way(*inode).is_some()) {
        match all.enter(inode, || ()) {
            Ok(()) => found = Ok("entered one and came back".to_owned()),
            // It ended meanwhile: the next one may do.
            Err(EnterError::Gone) => continue,
            Err(EnterError::Blocked(blocked)) => {
                let name = all.word(inode).as_deref().map_or_else(|| inode.to_string(), netns_in_words);
                found = Err(format!("{name} cannot be entered"));
                remedy = blocked.advice();
            }
        }
        break;
    }
    let lost = "sockets of other network namespaces (containers) are followed by events alone: no look-ups, not in \
                `stuck` and `leaks`";
    need(Group::Optional, "other network namespaces", found, &format!("{lost}; {remedy}"))
}

fn hidden_namespaces(all: &Namespaces) -> Need {
    let hidden = all.hidden();
    let found =
        if hidden.is_empty() { Ok("all are known".to_owned()) } else { Err(format!("not known of {}", hidden.who())) };
    let remedy = format!("their sockets are not in `stuck` and `leaks`; {}", hidden.advice());
    need(Group::Optional, "network namespaces of processes", found, &remedy)
}

/// Every process that `/proc` shows was tried: the kernel may refuse one and not another.
fn other_files(unseen: &Unseen) -> Need {
    let found =
        if unseen.is_empty() { Ok("readable".to_owned()) } else { Err(format!("not readable of {}", unseen.who())) };
    let lost = "sockets that they alone hold have no holder in findings, and namespaces that only their files keep are \
                not found";
    need(Group::Optional, "other processes' files", found, &format!("{lost}; {}", unseen.advice()))
}
