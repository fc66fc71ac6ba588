//! A program as another user, with the capabilities that a test gives it and no others, as setpriv(1) does.

use std::{io, os::unix::process::CommandExt, process::Command};

use rustix::{
    process::{Gid, Resource, Rlimit, Uid, setrlimit},
    thread::{
        CapabilitySet, CapabilitySets, configure_capability_in_ambient_set, set_capabilities, set_keep_capabilities,
        set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};

/// A user without privileges.
pub const NOBODY: u32 = 65534;

/// Has a command run as `user` with these capabilities. They are inherited through the ambient set, because the
/// program's file grants none (capabilities(7)).
pub fn become_user(command: &mut Command, user: u32, capabilities: CapabilitySet) {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    let become_it = move || -> io::Result<()> {
        // Before 5.11, maps count for this limit. It may be as high as it is allowed to be.
        let unlimited = Rlimit { current: None, maximum: None };
        let _ = setrlimit(Resource::Memlock, unlimited);
        set_keep_capabilities(true)?;
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        let sets = CapabilitySets { effective: capabilities, permitted: capabilities, inheritable: capabilities };
        set_capabilities(None, sets)?;
        for one in capabilities.iter() {
            configure_capability_in_ambient_set(one, true)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec, the closure makes system calls alone and allocates nothing: its captures are
    // plain numbers, and errors are errnos.
    unsafe {
        command.pre_exec(become_it);
    }
}

/// Has a command run with at most so many open files.
pub fn limit_files(command: &mut Command, files: u64) {
    let limit = Rlimit { current: Some(files), maximum: Some(files) };
    // SAFETY: between fork and exec, the closure makes one system call, whose arguments are plain numbers.
    unsafe {
        command.pre_exec(move || Ok(setrlimit(Resource::Nofile, limit)?));
    }
}
