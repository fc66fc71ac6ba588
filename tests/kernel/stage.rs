//! Sockets in CLOSE_WAIT that differ in who may see them: of whose process, and in which network namespace.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change},
    thread::{CapabilitySet, UnshareFlags},
};
use tcptrace_tests::{
    child::{Actor, HOLD},
    netns::NetNs,
    pair::{self, Ends, Pair},
    privileges::become_user,
    proc_net::State,
    tool, wait,
};

use crate::harness::Folder;

/// The user that the tool runs as.
pub(crate) const MINE: u32 = 65_534;
/// Another one.
pub(crate) const OTHER: u32 = 54_321;
const LIMIT: Duration = Duration::from_secs(30);

/// A leaked socket, and the process that holds it.
pub(crate) struct Leak {
    pub(crate) ends: Ends,
    pub(crate) holder: Actor,
}

impl Leak {
    /// In the calling thread's network namespace, held by a process of this user.
    pub(crate) fn of(user: u32, actor: &Path) -> Result<Self> {
        let Pair { client, server, ends } = Pair::connect()?;
        pair::shut(&client)?;
        pair::wait_for(&server, State::CloseWait)?;
        Ok(Self { ends: ends.reversed(), holder: Actor::given_to(user, actor, HOLD, server)? })
    }
}

/// All of them. The calling thread is in [`Stage::own_inode`], and in a mount namespace of its own.
pub(crate) struct Stage {
    pub(crate) folder: Folder,
    pub(crate) own_inode: u64,
    /// In the own network namespace, held by [`MINE`] and by [`OTHER`].
    pub(crate) mine: Leak,
    pub(crate) own: Leak,
    /// In a namespace with a name of `ip netns`.
    pub(crate) named: Leak,
    pub(crate) named_inode: u64,
    pub(crate) name: String,
    /// In one that nothing but a process of [`OTHER`] leads to.
    pub(crate) other: Leak,
    pub(crate) other_inode: u64,
}

impl Stage {
    /// Makes them, and runs `body`.
    pub(crate) fn set(body: impl FnOnce(&Self) -> Result<()> + Send) -> Result<()> {
        let own = NetNs::new()?;
        own.run(|own| {
            private_mounts()?;
            let folder = Folder::new()?;
            let actor = copy(&folder, "actor", Path::new(env!("CARGO_BIN_EXE_actor")))?;
            copy(&folder, "tcptrace", &tool::binary()?)?;
            let (named, other) = (NetNs::new()?, NetNs::new()?);
            let name = "tcptrace-named".to_owned();
            let in_named = named.run(|_| {
                name_it(&name)?;
                Leak::of(OTHER, &actor)
            })?;
            let stage = Self {
                own_inode: own.inode(),
                mine: Leak::of(MINE, &actor)?,
                own: Leak::of(OTHER, &actor)?,
                named: in_named,
                named_inode: named.inode(),
                name,
                other: other.run(|_| Leak::of(OTHER, &actor))?,
                other_inode: other.inode(),
                folder,
            };
            body(&stage)
        })
    }

    /// tcptrace with these words, as a user with these capabilities.
    pub(crate) fn tool(&self, words: &[&str], user: u32, capabilities: CapabilitySet) -> Command {
        let mut command = Command::new(self.folder.path().join("tcptrace"));
        command.args(words).current_dir("/");
        become_user(&mut command, user, capabilities);
        command
    }
}

/// Gives the calling thread, and what it starts, mounts of its own, with an empty `/run`.
pub(crate) fn private_mounts() -> Result<()> {
    // SAFETY: CLONE_NEWNS also takes the working directory and umask apart from other threads'; this thread uses
    // neither.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.context("no mount namespace")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    fs::create_dir_all("/run")?;
    Ok(mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None)?)
}

/// `ip netns attach`: names the calling thread's network namespace.
pub(crate) fn name_it(name: &str) -> Result<()> {
    fs::create_dir_all("/run/netns")?;
    let file = format!("/run/netns/{name}");
    drop(File::create(&file)?);
    mount_bind("/proc/thread-self/ns/net", &file).context("cannot mount the namespace")
}

/// A copy of a program that everybody may run; the build folder may be closed to others.
pub(crate) fn copy(folder: &Folder, name: &str, program: &Path) -> Result<PathBuf> {
    let copy = folder.path().join(name);
    fs::copy(program, &copy)?;
    fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    // "Text file busy" while a process that another test starts holds the copy open for writing.
    wait::until("the copy to be run", LIMIT, || match Command::new(&copy).arg("--version").output() {
        Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => Ok(None),
        started => started.map(|_| Some(())).context("cannot run the copy"),
    })?;
    Ok(copy)
}
