//! One run of qemu: a kernel, a file system in memory, two serial lines into files, and a limit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::qemu::Qemu;

const MEMORY_MIB: &str = "2048";
const CPUS: &str = "2";
const POLL: Duration = Duration::from_millis(100);
/// Under KVM a kernel is up in a few seconds; where KVM does not work, it may never be.
const KVM_LIMIT: Duration = Duration::from_secs(30);
/// What a kernel says when all of it is up, and it has no file system.
const UP: &str = "Kernel panic - not syncing";
/// `console`: whatever the kernel says. `panic`: stop at once, so that qemu ends.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 mitigations=off";
/// What a machine may say on one line before it is stopped.
const WORDS_BYTES_MAX: u64 = 64 << 20;

/// How a machine's processor is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Accelerator {
    /// The host's, through `/dev/kvm`.
    Kvm,
    /// Emulated.
    Tcg,
}

impl Accelerator {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// How many times longer than on a host things may take: an emulated processor is slower by about this.
    pub(super) const fn slowness(self) -> u32 {
        match self {
            Self::Kvm => 2,
            Self::Tcg => 5,
        }
    }
}

pub(super) struct Machine<'a> {
    pub(super) qemu: &'a Qemu,
    pub(super) kernel: &'a Path,
    /// Where its file system is, and what it says goes.
    pub(super) logs: &'a Path,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Off,
    /// It took longer than the limit, or said more than anybody reads.
    Killed,
}

impl Machine<'_> {
    pub(super) fn initrd(&self) -> PathBuf {
        self.logs.join("initramfs")
    }

    /// The kernel's words.
    pub(super) fn console(&self) -> PathBuf {
        self.logs.join("console.log")
    }

    /// The first process's.
    pub(super) fn report(&self) -> PathBuf {
        self.logs.join("report.log")
    }

    /// How this kernel comes up here: under KVM if that works. It needs no file system for that, and panics at last,
    /// which it says.
    pub(super) fn probe(&self) -> Result<Accelerator> {
        // Opening it tells more than that it exists.
        if fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
            return Ok(Accelerator::Tcg);
        }
        fs::write(self.initrd(), [0; 512]).context("cannot write an empty file system")?;
        let is_up = || fs::read_to_string(self.console()).is_ok_and(|text| text.contains(UP));
        self.run_until(Accelerator::Kvm, KVM_LIMIT, is_up)?;
        Ok(if is_up() { Accelerator::Kvm } else { Accelerator::Tcg })
    }

    /// Runs it to its end.
    pub(super) fn run(&self, accelerator: Accelerator, limit: Duration) -> Result<End> {
        self.run_until(accelerator, limit, || false)
    }

    fn run_until(&self, accelerator: Accelerator, limit: Duration, enough: impl Fn() -> bool) -> Result<End> {
        for old in [self.console(), self.report()] {
            let _ = fs::remove_file(old);
        }
        let mut command = self.command(accelerator);
        command.stderr(fs::File::create(self.logs.join("qemu.log")).context("cannot keep what qemu says")?);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.qemu.shown))?;
        let start = Instant::now();
        loop {
            if child.try_wait()?.is_some() {
                return Ok(End::Off);
            }
            let floods = [self.console(), self.report()]
                .iter()
                .any(|path| fs::metadata(path).is_ok_and(|file| file.len() > WORDS_BYTES_MAX));
            if start.elapsed() > limit || floods || enough() {
                // It may have ended by itself just now; either way it is collected.
                let _ = child.kill();
                let _ = child.wait();
                return Ok(End::Killed);
            }
            thread::sleep(POLL);
        }
    }

    fn command(&self, accelerator: Accelerator) -> Command {
        // Whatever ends xtask ends the machine; the signal comes when the thread ends that waits for it here.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(self.qemu.words());
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.args(["-m", MEMORY_MIB, "-smp", CPUS]);
        command.args(match accelerator {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Accelerator::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        });
        command.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initrd());
        // A host with other work makes an emulated CPU wait for long, which is no lockup: 60 s are.
        let patience = if accelerator == Accelerator::Tcg { " watchdog_thresh=30" } else { "" };
        command.arg("-append").arg(format!("{KERNEL_ARGUMENTS}{patience}"));
        for line in [self.console(), self.report()] {
            command.arg("-serial").arg(format!("file:{}", line.display()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}
