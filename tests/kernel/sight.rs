//! What is out of the tool's sight is said: once, with what would help, and nothing that would not.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use rustix::{
    mount::{MountFlags, UnmountFlags, mount, unmount},
    thread::CapabilitySet,
};
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    child::PID_NAMESPACE,
    netns::NetNs,
    privileges::{become_user, limit_files},
    tool::{self, Finished, Tool},
    wait,
};

use crate::{
    harness::{Folder, SOON, bounded, is_older_than},
    stage::{Leak, MINE, OTHER, Stage, copy, private_mounts},
};

const LEAKS: [&str; 6] = ["leaks", "--sockets", "--leak-after", "1ms", "--output", "json"];
/// Several rounds.
const AGAIN: [&str; 4] = ["--watch", "100ms", "--duration", "700ms"];
const FAILED: i32 = 5;

fn finish(command: Command) -> Result<Finished> {
    Tool::start(command)?.finish(SOON)
}

fn is_said_once(finished: &Finished, words: &str) -> Result<()> {
    let count = finished.stderr.matches(words).count();
    ensure!(count == 1, "{words:?} was said {count} times: {}", finished.stderr);
    Ok(())
}

/// A socket in a namespace of its own, and a copy of the tool that others may run.
fn alone(user: u32, body: impl Fn(&Leak, &Folder, &Path) -> Result<()> + Send + Sync + 'static) -> Result<()> {
    bounded(move || {
        NetNs::new()?.run(|_| {
            private_mounts()?;
            let folder = Folder::new()?;
            let leak = Leak::of(user, &copy(&folder, "actor", Path::new(env!("CARGO_BIN_EXE_actor")))?)?;
            let program = copy(&folder, "tcptrace", &tool::binary()?)?;
            body(&leak, &folder, &program)
        })
    })
}

fn run_as(user: u32, set: CapabilitySet, program: &Path, words: &[&str], more: &[&str]) -> Result<Finished> {
    let mut command = Command::new(program);
    command.args(words).args(more).current_dir("/");
    become_user(&mut command, user, set);
    finish(command)
}

/// Nearly all processes of the host are unreadable to this user, and the one that holds the socket is not.
#[test]
fn an_owner_that_was_found_stays_known() -> Result<()> {
    alone(MINE, |leak, _, program| {
        let finished = run_as(MINE, CapabilitySet::empty(), program, &LEAKS, &["--netns", "self"])?;
        finished.expect_code(0)?;
        let lines = finished.lines()?;
        let line = lines.iter().find(|line| line.is("finding") && line.has_ends(leak.ends)).context("no finding")?;
        ensure!(*line.at("/owner/pid") == leak.holder.pid(), "not its owner: {}", line.text);
        ensure!(*line.at("/holders/partial") == true, "there may be others: {}", line.text);
        ensure!(finished.stderr.is_empty(), "every holder was found: {}", finished.stderr);
        Ok(())
    })
}

#[test]
fn a_holder_that_is_not_found_is_said_once() -> Result<()> {
    alone(OTHER, |leak, _, program| {
        for (set, missing) in [
            (CapabilitySet::empty(), "CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE would help"),
            (CapabilitySet::SYS_PTRACE, ": CAP_DAC_READ_SEARCH would help"),
            (CapabilitySet::DAC_READ_SEARCH, ": CAP_SYS_PTRACE would help"),
        ] {
            let finished = run_as(MINE, set, program, &LEAKS, &[&["--netns", "self"][..], &AGAIN].concat())?;
            finished.expect_code(0)?;
            is_said_once(&finished, "who holds 1 socket is unknown")?;
            is_said_once(&finished, missing)?;
            let lines = finished.lines()?;
            let listed = lines.iter().any(|line| line.has_ends(leak.ends) && line.at("/owner").is_null());
            ensure!(listed, "an owner out of nowhere: {}", finished.stdout);
        }
        Ok(())
    })
}

/// Some hosts protect process 1 from root, too: no capability is named, and no other advice that does not help.
#[test]
fn root_is_advised_nothing_that_it_has() -> Result<()> {
    alone(OTHER, |leak, _, program| {
        let run = |words: &[&str], more: &[&str]| {
            let mut command = Command::new(program);
            command.args(words).args(more);
            finish(command)
        };
        let finished = run(&LEAKS, &["--netns", "self"])?;
        finished.expect_code(0)?;
        ensure!(finished.stderr.is_empty(), "every holder was found: {}", finished.stderr);
        let lines = finished.lines()?;
        let owned = lines.iter().any(|line| line.has_ends(leak.ends) && *line.at("/owner/pid") == leak.holder.pid());
        ensure!(owned, "no owner: {}", finished.stdout);
        let checked = run(&["check"], &[])?;
        for capability in ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "run as root"] {
            ensure!(!checked.stdout.contains(capability), "root has it: {}", checked.stdout);
        }
        let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
        if fs::read_link("/proc/1/fd/0").is_err_and(|error| refused(&error)) {
            let told = checked.stdout.contains("not readable of") && checked.stdout.contains("(pid");
            ensure!(told && checked.stdout.contains("no capability that is missing"), "{}", checked.stdout);
        }
        Ok(())
    })
}

/// However few files it may open, it says that, or it sees everything.
#[test]
fn running_out_of_files_is_no_lack_of_rights() -> Result<()> {
    bounded(|| {
        Stage::set(|stage| {
            let mut partial = 0;
            for files in (6..30).chain([64]) {
                let mut command = Command::new(stage.folder.path().join("tcptrace"));
                command.args(LEAKS);
                limit_files(&mut command, files);
                let finished = finish(command)?;
                let said = &finished.stderr;
                ensure!(!said.contains("CAP_") && !said.contains("panicked"), "{files} files: {said}");
                if finished.status.success() {
                    let lines = finished.lines()?;
                    for leak in [&stage.own, &stage.named, &stage.other] {
                        let seen = lines.iter().any(|line| line.has_ends(leak.ends) && !line.at("/owner").is_null());
                        ensure!(seen, "{files} files: {} is missing, and not a word: {said}", leak.ends);
                    }
                } else {
                    finished.expect_code(FAILED)?;
                    ensure!(said.contains("ulimit -n"), "{files} files: not what to do: {said}");
                    partial += u32::from(finished.stdout.contains("leaks_summary"));
                }
            }
            ensure!(partial > 0, "what was seen is nowhere printed");
            Ok(())
        })
    })
}

#[test]
fn without_proc_it_says_so() -> Result<()> {
    alone(OTHER, |leak, folder, program| {
        let _ = folder;
        unmount("/proc", UnmountFlags::DETACH).context("cannot unmount /proc")?;
        let run = |words: &[&str], more: &[&str]| {
            let mut command = Command::new(program);
            command.args(words).args(more);
            finish(command)
        };
        let finished = run(&LEAKS, &AGAIN)?;
        finished.expect_code(0)?;
        is_said_once(&finished, "/proc is not mounted")?;
        ensure!(!finished.stderr.contains("CAP_"), "no capability helps: {}", finished.stderr);
        let lines = finished.lines()?;
        ensure!(lines.iter().any(|line| line.has_ends(leak.ends)), "the own namespace is seen: {}", finished.stdout);
        let checked = run(&["check", "--output", "json"], &[])?;
        for line in checked.lines()? {
            if *line.at("/group") == "privilege" {
                ensure!(*line.at("/met") == true, "root has it: {}", line.text);
            }
            if *line.at("/name") == "processes" {
                ensure!(line.text.contains("/proc is not mounted") && *line.at("/met") == false, "{}", line.text);
            }
        }
        is_in(&checked.stdout, "\"processes\"")
    })
}

fn is_in(text: &str, words: &str) -> Result<()> {
    ensure!(text.contains(words), "no {words} in {text}");
    Ok(())
}

#[test]
fn in_a_pid_namespace_it_says_that_others_are_out_of_sight() -> Result<()> {
    alone(OTHER, |leak, folder, program| {
        let actor = folder.path().join("actor");
        let run = |words: &[&str], more: &[&str]| {
            let mut command = Command::new(&actor);
            command.arg(PID_NAMESPACE).arg(program).args(words).args(more);
            finish(command)
        };
        let finished = run(&LEAKS, &AGAIN)?;
        finished.expect_code(0)?;
        is_said_once(&finished, "outside of this pid namespace are out of sight")?;
        let lines = finished.lines()?;
        let line = lines.iter().find(|line| line.has_ends(leak.ends)).context("the own namespace is seen")?;
        ensure!(line.at("/owner").is_null() && *line.at("/holders/partial") == true, "{}", line.text);
        is_in(&run(&["check"], &[])?.stdout, "outside of this pid namespace")
    })
}

#[test]
fn hidepid_is_said_to_whom_it_hides_something() -> Result<()> {
    alone(OTHER, |leak, _, program| {
        mount("proc", "/proc", "proc", MountFlags::empty(), Some(c"hidepid=2")).context("cannot mount /proc")?;
        let finished = run_as(MINE, CapabilitySet::empty(), program, &LEAKS, &AGAIN)?;
        finished.expect_code(0)?;
        is_said_once(&finished, "hidepid")?;
        is_said_once(&finished, "CAP_SYS_PTRACE would help")?;
        let all = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
        let finished = run_as(MINE, all, program, &LEAKS, &["--netns", "self"])?;
        finished.expect_code(0)?;
        ensure!(finished.stderr.is_empty(), "nothing is hidden: {}", finished.stderr);
        let lines = finished.lines()?;
        let owned = lines.iter().any(|line| line.has_ends(leak.ends) && *line.at("/owner/pid") == leak.holder.pid());
        ensure!(owned, "no owner: {}", finished.stdout);
        Ok(())
    })
}

/// A run that follows events looks sockets up, too.
#[test]
fn a_live_run_says_where_it_cannot_look() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        Stage::set(|stage| {
            let bpf = CapabilitySet::BPF | CapabilitySet::PERFMON;
            for (set, missing) in
                [(bpf, ": CAP_SYS_PTRACE would help"), (bpf | CapabilitySet::SYS_PTRACE, ": CAP_SYS_ADMIN would help")]
            {
                let tool = Tool::watching(stage.tool(&["trace", "--output", "json"], MINE, set))?;
                let said = |tool: &Tool| Ok(tool.stderr().contains(missing).then_some(()));
                wait::until("what cannot be looked at to be said", SOON, || said(&tool))?;
                let finished = tool.stop()?;
                finished.expect_code(0)?;
                is_said_once(&finished, missing)?;
            }
            Ok(())
        })
    })
}
