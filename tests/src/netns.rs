//! A network namespace of one's own, without help of other programs.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::{fd::AsFd, unix::fs::MetadataExt},
    panic, thread,
};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use socket2::{Domain, Socket, Type};

/// Name of the process while a scenario runs, which is the `comm` of what its threads do.
pub const THREAD_NAME: &str = "scenario";
/// Name of the thread that a scenario runs on, which nobody is to be told.
const OWN_THREAD: &str = "scenario-thread";

const AF_NETLINK: i32 = 16;
const AF_INET: u8 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const FRA_PRIORITY: u16 = 6;
const RT_TABLE_LOCAL: u8 = 255;
const FR_ACT_TO_TBL: u8 = 1;
const FR_ACT_UNREACHABLE: u8 = 7;
const NLMSG_HDRLEN: usize = 16;
const NLM_F_REQUEST_ACK: u16 = 0x5;
const NLMSG_ERROR: u16 = 2;
/// Loopback is the first interface of every namespace.
const LOOPBACK_INDEX: i32 = 1;
const IFF_UP: u32 = 1;

/// A namespace, there until this and everything in it is gone.
///
/// Inode numbers are used again as soon as a namespace is gone. Whoever tells records apart by them makes the
/// namespace before tcptrace is started and keeps it until tcptrace has ended.
#[derive(Debug)]
pub struct NetNs {
    file: File,
    inode: u64,
}

/// Runs `body` on a thread in a new network namespace.
///
/// # Errors
/// When the namespace cannot be made (this needs root), and when `body` fails.
pub fn run<T: Send>(body: impl FnOnce(&NetNs) -> Result<T> + Send) -> Result<T> {
    NetNs::new()?.run(body)
}

impl NetNs {
    /// A new namespace with loopback up.
    ///
    /// # Errors
    /// When it cannot be made: this needs root.
    pub fn new() -> Result<Self> {
        on_thread(|| {
            // SAFETY: CLONE_NEWNET shares nothing of memory or file descriptors; sockets that are open stay in
            // the namespace they were made in.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
                .context("cannot make a network namespace: root (CAP_SYS_ADMIN) is needed")?;
            loopback_up().context("cannot bring up loopback")?;
            let file = File::open("/proc/thread-self/ns/net").context("cannot open the namespace")?;
            let inode = file.metadata()?.ino();
            Ok(Self { file, inode })
        })
    }

    /// Runs `body` on a thread in this namespace. Threads and processes that it starts are in there, too.
    ///
    /// The thread has file descriptors of its own, so that no process that is started elsewhere at this moment
    /// holds its sockets for a while, and becomes the one who closes them. So `body` must not return any.
    ///
    /// # Errors
    /// When the thread cannot be started or moved, and when `body` fails.
    pub fn run<T: Send>(&self, body: impl FnOnce(&Self) -> Result<T> + Send) -> Result<T> {
        on_thread(|| {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.file.as_fd(), network).context("cannot enter the namespace")?;
            // SAFETY: the copies in the new table keep what the old one holds valid here; what is opened from now
            // on is used by this thread and those that it starts alone, as stated above.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FILES) }.context("no file descriptors")?;
            body(self)
        })
    }

    /// The file that stands for it.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The inode, by which tcptrace names the namespace.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Takes the local routes from the calling thread's namespace: what is sent from now on fails in its own stack, as
    /// it would at a firewall.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn lose_routes(&self) -> Result<()> {
        forget_local_table().context("cannot delete the rule of the local table")?;
        reach_nothing().context("cannot add a rule")
    }

    /// Sets a sysctl such as `net/ipv4/tcp_orphan_retries` for the calling thread's namespace, which is this
    /// one within [`Self::run`].
    ///
    /// # Errors
    /// When the kernel does not have it or refuses the value.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        // `/proc/sys/net` shows the namespace of the task that looks.
        fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("cannot set {name} to {value}"))
    }
}

/// Runs `act` while this process has another name. Kernel tests run one after the other, so nobody else is renamed.
///
/// # Errors
/// When the name cannot be set, and when `act` fails.
pub fn under_name<T>(name: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    set_process_name(name)?;
    let result = act();
    set_process_name(THREAD_NAME)?;
    result
}

/// Names the first thread, and so the process: libtest names its threads, and not that.
fn set_process_name(name: &str) -> Result<()> {
    fs::write("/proc/self/comm", name).with_context(|| format!("cannot name this process {name}"))
}

fn on_thread<T: Send>(body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    set_process_name(THREAD_NAME)?;
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(OWN_THREAD.to_owned()).spawn_scoped(scope, body)?;
        thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

/// `ip link set lo up`, without `ip`.
fn loopback_up() -> Result<()> {
    // struct ifinfomsg
    let mut body = vec![0; 4];
    body.extend(LOOPBACK_INDEX.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    ask(RTM_NEWLINK, 0, &body)
}

/// `ip -4 rule delete lookup local`. Loopback itself may stay: once it is down, what is sent to it vanishes unnoticed.
fn forget_local_table() -> Result<()> {
    // struct fib_rule_hdr
    let mut body = vec![AF_INET, 0, 0, 0, RT_TABLE_LOCAL, 0, 0, FR_ACT_TO_TBL];
    body.extend([0; 4]);
    ask(RTM_DELRULE, 0, &body)
}

/// `ip -4 rule add unreachable priority 1`: on 7.2 local addresses are found without the rule of their table.
fn reach_nothing() -> Result<()> {
    // struct fib_rule_hdr
    let mut body = vec![AF_INET, 0, 0, 0, 0, 0, 0, FR_ACT_UNREACHABLE];
    body.extend([0; 4]);
    // struct rtattr
    body.extend(8_u16.to_ne_bytes());
    body.extend(FRA_PRIORITY.to_ne_bytes());
    body.extend(1_u32.to_ne_bytes());
    ask(RTM_NEWRULE, 0, &body)
}

/// Sends one request to rtnetlink, which must accept it.
pub(crate) fn ask(kind: u16, flags: u16, body: &[u8]) -> Result<()> {
    let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, None)?;
    let length = u32::try_from(NLMSG_HDRLEN + body.len())?;
    let mut request = Vec::with_capacity(NLMSG_HDRLEN + body.len());
    // struct nlmsghdr
    request.extend(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST_ACK | flags).to_ne_bytes());
    request.extend([0; 8]);
    request.extend(body);
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
