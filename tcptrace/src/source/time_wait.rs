//! The program on the exit of `tcp_timewait_state_process()`, which a run can do without: it tells at once when the
//! peer of an orphan closes, and where it cannot be had, the events of a peer in
//! the same namespace do, or looks at the timewait socket, to a tick.

use aya::{
    Btf, Ebpf,
    programs::{FExit, ProgramError, ProgramFd},
};
use tcptrace_ebpf::{layout::Layout, names};

use super::error::in_words;

/// How far it has come, or why no further.
type Progress = Result<(), String>;

/// Loads it, if the layout has what it reads.
pub(super) fn load(ebpf: &mut Ebpf, btf: &Btf, layout: &Layout) -> Progress {
    if layout.has_cookie == 0 {
        return Err("sockets have no cookies to be known by".to_owned());
    }
    if layout.tw_substate == 0 {
        return Err("this kernel has no `inet_timewait_sock.tw_substate` of a known size".to_owned());
    }
    let loaded = program(ebpf)?.load(names::PROGRAM_TIME_WAIT, btf);
    loaded.map_err(|error| refused("load", &error))
}

/// Attaches it; one that cannot be is unloaded.
pub(super) fn attach(ebpf: &mut Ebpf) -> Progress {
    let program = program(ebpf)?;
    program.attach().map(|_| ()).map_err(|error| {
        let _ = program.unload();
        refused("attach", &error)
    })
}

/// Detaches and unloads it.
pub(super) fn unload(ebpf: &mut Ebpf) {
    if let Ok(program) = program(ebpf) {
        let _ = program.unload();
    }
}

/// Its descriptor, while it is loaded.
pub(super) fn fd(ebpf: &mut Ebpf) -> Option<&ProgramFd> {
    program(ebpf).ok()?.fd().ok()
}

fn program(ebpf: &mut Ebpf) -> Result<&mut FExit, String> {
    let name = names::PROGRAM_TIME_WAIT;
    let program = ebpf.program_mut(name).ok_or_else(|| format!("the BPF object has no `{name}`"))?;
    program.try_into().map_err(|error: ProgramError| in_words(&error))
}

/// The verifier's log if there is one, which says more than the errno.
fn refused(what: &str, error: &ProgramError) -> String {
    let why = match error {
        ProgramError::LoadError { io_error, verifier_log } if verifier_log.to_string().trim().is_empty() => {
            io_error.to_string()
        }
        ProgramError::SyscallError(error) => error.io_error.to_string(),
        _ => in_words(error),
    };
    format!("the kernel does not {what} the program: {why}")
}
