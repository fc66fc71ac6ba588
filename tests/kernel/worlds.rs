//! Hosts that lack what tcptrace needs: a sentence that names it, and exit code 4, never a crash and never half a run.
//!
//! Each is made on a thread of its own: what that mounts over the kernel's type information, or forbids itself, holds
//! for it and the programs that it starts.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change},
    thread::UnshareFlags,
};
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};
use tcptrace_tests::tool::{self, Finished, Tool};

use crate::harness::{Folder, bounded};

const LIMIT: Duration = Duration::from_secs(30);
const BTF_FOLDER: &str = "/sys/kernel/btf";
const BTF: &str = "/sys/kernel/btf/vmlinux";
/// `bpf(2)`, its first command, and what old kernels say to an unknown kind of map.
const SYS_BPF: i64 = if cfg!(target_arch = "x86_64") { 321 } else { 280 };
const BPF_MAP_CREATE: u64 = 0;
const EINVAL: u32 = 22;
const KERNEL_CANNOT: i32 = 4;

/// What the tool says where `world` has been made: to `trace`, and to `check`.
fn in_world(world: impl FnOnce() -> Result<()> + Send + 'static) -> Result<[Finished; 2]> {
    let thread = thread::spawn(move || {
        // SAFETY: a mount namespace shares neither memory nor descriptors with anything; paths that other threads
        // look up go on meaning what they did, because FS is unshared as well.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }.context("no mounts")?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).context("cannot keep mounts to ourselves")?;
        world()?;
        let run = |words: &[&str]| Tool::start(tool::command(words)?)?.finish(LIMIT);
        Ok([run(&["trace", "--duration", "1s"])?, run(&["check"])?])
    });
    thread.join().map_err(|_| anyhow!("the world's thread panicked"))?
}

/// Both end with exit code 4; the sentence of `trace` and a line of `check` name what is missing.
fn lacks(finished: &[Finished; 2], what: &str) -> Result<()> {
    let [trace, check] = finished;
    trace.expect_code(KERNEL_CANNOT)?;
    check.expect_code(KERNEL_CANNOT)?;
    ensure!(trace.stdout.is_empty(), "it printed data: {}", trace.stdout);
    ensure!(trace.stderr.contains(what) && !trace.stderr.contains("panicked"), "no {what} in: {}", trace.stderr);
    let missing = |line: &str| line.starts_with("MISSING") && line.contains(what);
    ensure!(check.stdout.lines().any(missing), "no {what} is missing in:\n{}", check.stdout);
    Ok(())
}

/// Has the kernel's type information with another name in it, of the same length.
fn renamed(name: &'static str) -> impl FnOnce() -> Result<()> + Send + 'static {
    move || {
        let mut bytes = fs::read(BTF).with_context(|| format!("cannot read {BTF}"))?;
        let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
        let at = bytes.windows(wanted.len()).position(|window| window == wanted);
        let at = at.with_context(|| format!("this kernel has no {name}"))?;
        bytes[at + 1] = b'_';
        let folder = Folder::new()?;
        let file = folder.file("vmlinux");
        fs::write(&file, bytes)?;
        // The mount keeps the file when its folder goes.
        mount_bind(file.as_str(), BTF).with_context(|| format!("cannot mount over {BTF}"))
    }
}

#[test]
fn no_type_information() -> Result<()> {
    bounded(|| {
        let hidden = || {
            ensure!(Path::new(BTF).exists(), "this kernel has no {BTF}");
            mount("none", BTF_FOLDER, "tmpfs", MountFlags::empty(), None).context("cannot hide the type information")
        };
        let finished = in_world(hidden)?;
        lacks(&finished, BTF)
    })
}

#[test]
fn a_field_that_is_not_there() -> Result<()> {
    bounded(|| {
        let finished = in_world(renamed("skc_rcv_saddr"))?;
        lacks(&finished, "sock.__sk_common.skc_rcv_saddr")
    })
}

#[test]
fn a_tracepoint_that_is_not_there() -> Result<()> {
    bounded(|| {
        let finished = in_world(renamed("btf_trace_tcp_send_reset"))?;
        lacks(&finished, "tracepoint tcp_send_reset")
    })
}

/// Kernels before 5.8 have other kinds of maps. Here, there are none: nothing else that needs one is tried before.
#[test]
fn no_ring_buffer() -> Result<()> {
    bounded(|| {
        let finished = in_world(|| {
            let is_map = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, BPF_MAP_CREATE)?;
            let rules = [(SYS_BPF, vec![SeccompRule::new(vec![is_map])?])].into();
            let (otherwise, then) = (SeccompAction::Allow, SeccompAction::Errno(EINVAL));
            let filter = SeccompFilter::new(rules, otherwise, then, std::env::consts::ARCH.try_into()?)?;
            let program: seccompiler::BpfProgram = filter.try_into()?;
            seccompiler::apply_filter(&program).context("cannot forbid maps")
        })?;
        lacks(&finished, "BPF ring buffer")
    })
}
