//! Programs that do nothing, for benchmarks.

use aya::{Btf, Ebpf};
use tcptrace_ebpf::names::{PROGRAM_IDLE, PROGRAM_SET_STATE, PROGRAMS};

use super::{
    error::SourceError,
    load::{OBJECT, program},
};

/// As many idle programs as a run has on `inet_sock_set_state`, attached to it until dropped. What the kernel's
/// statistics (`kernel.bpf_stats_enabled`) count for them is what these statistics cost, and the calls.
#[derive(Debug)]
pub struct Idle(#[expect(dead_code, reason = "holds what is attached")] Vec<Ebpf>);

impl Idle {
    /// Loads and attaches them.
    ///
    /// # Errors
    /// Sorted by what the user can do; see [`SourceError`].
    pub fn start() -> Result<Self, SourceError> {
        let btf = Btf::from_sys_fs().map_err(|error| SourceError::from_bpf("read BTF", &error))?;
        let alike = PROGRAMS.iter().filter(|(_, tracepoint)| *tracepoint == PROGRAM_SET_STATE);
        alike.map(|_| one(&btf)).collect::<Result<_, _>>().map(Self)
    }
}

fn one(btf: &Btf) -> Result<Ebpf, SourceError> {
    let mut ebpf = Ebpf::load(OBJECT).map_err(|error| SourceError::from_bpf("create the BPF maps", &error))?;
    let idle = program(&mut ebpf, PROGRAM_IDLE)?;
    idle.load(PROGRAM_SET_STATE, btf).map_err(|error| SourceError::from_bpf("load the idle program", &error))?;
    idle.attach().map_err(|error| SourceError::from_bpf("attach the idle program", &error))?;
    Ok(ebpf)
}
