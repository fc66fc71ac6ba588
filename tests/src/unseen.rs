//! Events that the kernel kept from BPF, so that a test which lacks them says nothing about tcptrace.
//!
//! Mainline runs the programs of a tracepoint whoever was interrupted. A patched kernel has been measured not to run
//! them, nor those of perf, and not to count that, in softirqs that interrupt the first process of the host; ftrace
//! has these events (docs/benchmarks.md). It is asked here, by an instance of its own, for nothing else.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use rustix::{
    fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat},
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

/// Those that tcptrace attaches to, as folders of tracefs.
const EVENTS: [&str; 4] =
    ["sock/inet_sock_set_state", "tcp/tcp_retransmit_skb", "tcp/tcp_receive_reset", "tcp/tcp_send_reset"];
/// For each CPU; a test that needs more is beyond help.
const BUFFER_KB: &str = "64";

/// Collects such events of the whole host until it is dropped.
#[derive(Debug)]
pub struct Unseen {
    /// A mount of tracefs that has no place in the file system.
    tracefs: OwnedFd,
    instance: String,
}

impl Unseen {
    /// Begins to collect; `None` where the kernel has no ftrace to ask.
    ///
    /// # Errors
    /// When tracefs refuses something.
    pub fn watch() -> Result<Option<Self>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Ok(context) = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC) else { return Ok(None) };
        fsconfig_create(&context).context("cannot prepare tracefs")?;
        let tracefs = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty());
        let tracefs = tracefs.context("cannot mount tracefs")?;
        let instance = format!("instances/tcptrace-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        mkdirat(&tracefs, &instance, Mode::RWXU).with_context(|| format!("cannot make {instance} of tracefs"))?;
        let unseen = Self { tracefs, instance };
        unseen.write("buffer_size_kb", BUFFER_KB)?;
        let filter = of_first_process()?;
        for event in EVENTS {
            unseen.write(&format!("events/{event}/filter"), &filter)?;
            unseen.write(&format!("events/{event}/enable"), "1")?;
        }
        Ok(Some(unseen))
    }

    /// How many there were so far.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn count(&self) -> Result<usize> {
        let mut text = String::new();
        self.open("trace", OFlags::RDONLY)?.read_to_string(&mut text).context("cannot read the trace")?;
        Ok(text.lines().filter(|line| !line.starts_with('#')).count())
    }

    fn write(&self, name: &str, value: &str) -> Result<()> {
        let mut file = self.open(name, OFlags::RDWR)?;
        file.write_all(value.as_bytes()).with_context(|| format!("cannot write {name} of tracefs"))
    }

    fn open(&self, name: &str, flags: OFlags) -> Result<File> {
        let path = format!("{}/{name}", self.instance);
        let file = openat(&self.tracefs, &path, flags | OFlags::CLOEXEC, Mode::empty());
        Ok(file.with_context(|| format!("cannot open {path} of tracefs"))?.into())
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = unlinkat(&self.tracefs, &self.instance, AtFlags::REMOVEDIR);
    }
}

/// A filter of ftrace: a thread of the first process is current.
fn of_first_process() -> Result<String> {
    let threads = std::fs::read_dir("/proc/1/task").context("cannot list the threads of process 1")?;
    let threads = threads.map(|thread| Ok(format!("common_pid == {}", thread?.file_name().to_string_lossy())));
    Ok(threads.collect::<Result<Vec<_>>>()?.join(" || "))
}
