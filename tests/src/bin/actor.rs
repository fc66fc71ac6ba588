//! Connects to the address in its argument, says so, and holds the connection until it is killed or its
//! standard input ends. Or takes its standard input for the connection, and holds or polls that. Or runs a program in a
//! pid namespace of its own, as `unshare --fork --pid --mount-proc` does.

use std::{
    env,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::{
    event::epoll,
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};
use tcptrace_tests::child::{CONNECTED, HOLD, PID_NAMESPACE, POLL};

/// Longer than any test: one that nobody kills ends by itself.
const LONGEST: Duration = Duration::from_secs(180);

fn main() -> Result<ExitCode> {
    match env::args().nth(1).context("usage: actor ADDRESS, actor hold, actor poll, actor pidns PROGRAM")?.as_str() {
        HOLD => {
            say_connected()?;
            thread::sleep(LONGEST);
            Ok(ExitCode::SUCCESS)
        }
        POLL => {
            let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            // Edge-triggered, so that waiting for it costs nothing.
            let events = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&set, io::stdin(), epoll::EventData::new_u64(0), events)?;
            say_connected()?;
            thread::sleep(LONGEST);
            Ok(ExitCode::SUCCESS)
        }
        PID_NAMESPACE => in_pid_namespace(),
        target => connect(target),
    }
}

fn in_pid_namespace() -> Result<ExitCode> {
    // SAFETY: this process has one thread, and shares neither mounts nor working directory with another.
    unsafe { unshare_unsafe(UnshareFlags::NEWPID | UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let mut words = env::args_os().skip(2);
    let mut command = Command::new(words.next().context("no program")?);
    command.args(words);
    let mount_proc = || -> io::Result<()> { Ok(mount("proc", "/proc", "proc", MountFlags::empty(), None)?) };
    // SAFETY: a system call with constant arguments.
    unsafe {
        command.pre_exec(mount_proc);
    }
    let code = command.status()?.code().context("it was killed")?;
    Ok(ExitCode::from(u8::try_from(code)?))
}

fn connect(target: &str) -> Result<ExitCode> {
    let stream = TcpStream::connect(target).with_context(|| format!("cannot connect to {target}"))?;
    say_connected()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(stream);
    Ok(ExitCode::SUCCESS)
}

fn say_connected() -> Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{CONNECTED}")?;
    Ok(stdout.flush()?)
}
