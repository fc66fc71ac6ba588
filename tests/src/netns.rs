//! A network namespace of one's own: made by a thread for itself, gone with its threads and sockets.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    panic,
    thread::{self, ScopedJoinHandle},
};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::thread::UnshareFlags;
use socket2::{Domain, Socket, Type};

/// Name of the thread that a scenario runs on, which is the `comm` of what it does.
pub const THREAD_NAME: &str = "scenario";

const AF_NETLINK: i32 = 16;
const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST_ACK: u16 = 0x5;
const NLMSG_ERROR: u16 = 2;
/// Loopback is the first interface of every namespace.
const LOOPBACK_INDEX: i32 = 1;
const IFF_UP: u32 = 1;

/// The namespace of the calling thread. Threads and processes that it starts are in there, too.
#[derive(Debug)]
pub struct NetNs {
    inode: u64,
}

/// Runs `body` on a thread in a new network namespace with loopback up.
///
/// The namespace goes when its last thread, process and socket have.
///
/// # Errors
/// When the namespace cannot be made (this needs root), and when `body` fails.
pub fn run<T: Send>(body: impl FnOnce(&NetNs) -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let start = || -> Result<ScopedJoinHandle<'_, Result<T>>> {
            let thread = thread::Builder::new().name(THREAD_NAME.to_owned());
            Ok(thread.spawn_scoped(scope, || body(&NetNs::enter()?))?)
        };
        start()?.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

impl NetNs {
    /// Moves the calling thread into a new namespace, for good.
    fn enter() -> Result<Self> {
        // SAFETY: CLONE_NEWNET shares nothing of memory or file descriptors; sockets that are open stay in
        // the namespace they were made in.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
            .context("cannot make a network namespace: root (CAP_SYS_ADMIN) is needed")?;
        loopback_up().context("cannot bring up loopback")?;
        let inode = fs::metadata("/proc/thread-self/ns/net").context("cannot look at the namespace")?.ino();
        Ok(Self { inode })
    }

    /// The inode, by which tcptrace names the namespace.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Sets a sysctl of this namespace, such as `net/ipv4/tcp_orphan_retries`.
    ///
    /// # Errors
    /// When the kernel does not have it or refuses the value.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        // `/proc/sys/net` shows the namespace of the task that looks.
        fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("cannot set {name} to {value}"))
    }
}

/// `ip link set lo up`, without `ip`.
fn loopback_up() -> Result<()> {
    let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, None)?;
    let mut request = Vec::with_capacity(32);
    // struct nlmsghdr
    request.extend(32_u32.to_ne_bytes());
    request.extend(RTM_NEWLINK.to_ne_bytes());
    request.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    request.extend([0; 8]);
    // struct ifinfomsg
    request.extend([0; 4]);
    request.extend(LOOPBACK_INDEX.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());
    request.extend(IFF_UP.to_ne_bytes());
    socket.write_all(&request)?;
    let mut answer = [0; 256];
    let length = socket.read(&mut answer)?;
    let answer = answer.get(..length).unwrap_or_default();
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    ensure!(kind == Some(NLMSG_ERROR), "netlink answered {answer:?}");
    match error {
        Some(0) => Ok(()),
        Some(errno) => Err(std::io::Error::from_raw_os_error(-errno).into()),
        None => Err(anyhow!("netlink answered {answer:?}")),
    }
}
