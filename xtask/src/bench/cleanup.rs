//! Puts back what a measurement changed, whatever ends it: success, an error, Ctrl-C, even SIGKILL.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

/// Makes the kernel measure the run time of every BPF program.
const BPF_STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// A shell that waits for the end of its input, which comes when the guard is dropped or this process dies. It
/// stands aside from the terminal's signals, and from ours.
const SCRIPT: &str = r#"trap "" HUP INT TERM
while read -r _; do :; done
rm -rf -- "$1"
if [ -n "$3" ]; then echo "$3" > "$2"; fi"#;

/// Holds a folder and, on request, the kernel's BPF statistics.
pub(super) struct Cleanup {
    shell: Child,
    input: Option<ChildStdin>,
}

impl Cleanup {
    /// Makes the folder, which goes away with the guard.
    pub(super) fn of_folder(folder: &Path) -> Result<Self> {
        let guard = Self::start(folder, "")?;
        make(folder)?;
        Ok(guard)
    }

    /// Also lets the kernel keep BPF statistics; with the guard, that is as it was before.
    pub(super) fn of_folder_and_statistics(folder: &Path) -> Result<Self> {
        let before = fs::read_to_string(BPF_STATS)
            .with_context(|| format!("this kernel keeps no statistics of BPF programs: cannot read {BPF_STATS}"))?;
        let guard = Self::start(folder, before.trim())?;
        make(folder)?;
        fs::write(BPF_STATS, "1").with_context(|| format!("cannot write {BPF_STATS}"))?;
        Ok(guard)
    }

    fn start(folder: &Path, statistics: &str) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(folder)
            .args([BPF_STATS, statistics])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start sh, which is to clean up")?;
        let input = shell.stdin.take();
        Ok(Self { shell, input })
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        drop(self.input.take());
        // It has said on stderr what it could not do; there is nobody else to tell here.
        let _ = self.shell.wait();
    }
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_lives_as_long_as_the_guard() {
        let folder = std::env::temp_dir().join(format!("tcptrace-cleanup-{}", std::process::id()));
        let guard = Cleanup::of_folder(&folder).unwrap();
        fs::write(folder.join("file"), "x").unwrap();
        drop(guard);
        assert!(!folder.exists());
    }
}
