//! Hosts that do not let it work.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::UnshareFlags,
};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns,
    tool::{self, Tool},
    wait,
};

use crate::harness::{Folder, bounded};

const LIMIT: Duration = Duration::from_secs(30);
const NOBODY: u32 = 65534;

#[test]
fn no_privilege_is_said_in_a_sentence() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        // The build folder may be closed to others.
        let copy = folder.path().join("tcptrace");
        fs::copy(tool::binary()?, &copy)?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
        // "Text file busy" while a process that another test starts holds the copy open for writing.
        let tool = wait::until("the copy to be run", LIMIT, || {
            let mut command = Command::new(&copy);
            command.arg("trace").current_dir("/").uid(NOBODY).gid(NOBODY);
            match Tool::start(command) {
                Err(error) if is_busy(&error) => Ok(None),
                started => started.map(Some),
            }
        })?;
        let finished = tool.finish(LIMIT)?;
        finished.expect_code(3)?;
        ensure!(finished.stdout.is_empty(), "it printed data: {}", finished.stdout);
        let words = finished.stderr.split_whitespace().count();
        ensure!(words >= 5 && !finished.stderr.contains("panicked"), "no sentence: {}", finished.stderr);
        Ok(())
    })
}

fn is_busy(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::ExecutableFileBusy)
}

#[test]
fn wrong_usage_is_2() -> Result<()> {
    bounded(|| {
        for arguments in [&["trace", "--stuck-after", "soon"][..], &["trace", "--no-such-option"], &["no-such-command"]]
        {
            Tool::start(tool::command(arguments)?)?.finish(LIMIT)?.expect_code(2)?;
        }
        Ok(())
    })
}

/// A file system that only this test sees, with room for the beginning of a capture, also on a busy host.
#[test]
fn a_full_disk_keeps_what_was_known() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("run.cap");
        let disk = folder.path().to_owned();
        // The mounts are those of the thread, and of what it starts.
        let starter = thread::spawn(move || -> Result<Tool> {
            // SAFETY: CLONE_NEWNS also takes the working directory and umask apart from other threads'; this
            // thread uses neither.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.context("no mount namespace")?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            mount("tmpfs", &disk, "tmpfs", MountFlags::empty(), Some(c"size=1m"))?;
            Tool::live(&["record", &file, "--show"], &["--output", "json"])
        });
        let tool = starter.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?;
        // 40,000 events and more, far more than fits.
        netns::run(|netns| load::run(netns, Amount::Connections(5000), Ending::ThreeWay))?;
        let finished = tool.finish(LIMIT)?;
        finished.expect_code(5)?;
        let said = finished.stderr.to_lowercase();
        ensure!(said.contains("no space") || said.contains("full"), "not clear: {}", finished.stderr);
        ensure!(!said.contains("panicked"), "a panic: {}", finished.stderr);
        ensure!(finished.stdout.contains(r#"{"type":"close""#), "nothing known:\n{}", finished.stdout);
        finished.summary()?;
        Ok(())
    })
}

#[test]
fn a_capture_that_cannot_be_made_is_said_at_once() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let file = folder.file("no/such/folder.cap");
        let finished = Tool::start(tool::command(["record", &file])?)?.finish(LIMIT)?;
        finished.expect_code(5)?;
        ensure!(finished.stderr.contains("folder.cap"), "does not name the file: {}", finished.stderr);
        Ok(())
    })
}
