//! Running other programs, with errors that name the command.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a child with a deadline is looked at; short beside the downloads that have one.
const POLL: Duration = Duration::from_millis(100);

/// Runs with the terminal passed through; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    succeeded(command, status)
}

/// Like [`run`], but kills the child after `limit`.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", shown(command)))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for `{}`", shown(command)))? {
            return succeeded(command, status);
        }
        if start.elapsed() >= limit {
            // It may have ended by itself just now; either way it is collected.
            let _ = child.kill();
            let _ = child.wait();
            bail!("`{}` did not end within {} s", shown(command), limit.as_secs());
        }
        thread::sleep(POLL);
    }
}

/// What the command wrote to stdout; its stderr is shown only when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let talk = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, talk.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` printed no UTF-8", shown(command)))
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// The command as a person would type it, with only the program's file name.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The first program of that name in PATH.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether this process may do what root may.
pub(crate) fn is_root() -> Result<bool> {
    // The owner of a process's folder is its effective user.
    let own = std::fs::metadata("/proc/self").context("cannot see in /proc/self who runs this")?;
    Ok(own.uid() == 0)
}

/// A command that root is to run: as it is when we are root, else through sudo.
pub(crate) fn as_root(program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
    if is_root()? {
        return Ok(Command::new(program));
    }
    let sudo = sudo(&format!("`{}`", program.as_ref().to_string_lossy()))?;
    let mut command = Command::new(sudo);
    command.arg(program);
    Ok(command)
}

/// Where sudo is, or one sentence for whoever has none.
pub(crate) fn sudo(what: &str) -> Result<PathBuf> {
    in_path("sudo").with_context(|| format!("{what} needs root and sudo is not installed: run this command as root"))
}

/// Becomes the command, so that signals reach it and its exit code is ours; returns only on failure.
pub(crate) fn become_command(command: &mut Command) -> Result<()> {
    let error: io::Error = std::os::unix::process::CommandExt::exec(command);
    Err(error).with_context(|| format!("cannot start `{}`", shown(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_child_is_killed() {
        let error = run_within(Command::new("sleep").arg("60"), Duration::from_millis(10)).unwrap_err();
        assert!(error.to_string().contains("`sleep 60` did not end"), "{error}");
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = output(Command::new("ls").arg("/no/such/file")).unwrap_err().to_string();
        assert!(error.contains("`ls /no/such/file` failed") && error.contains("No such file"), "{error}");
    }

    #[test]
    fn a_program_that_is_absent_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }

    #[test]
    fn programs_are_found_in_path() {
        assert!(in_path("sh").is_some());
        assert!(in_path("no-such-program-here").is_none());
    }
}
