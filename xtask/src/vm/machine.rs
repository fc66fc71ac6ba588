//! One run of qemu: a kernel, a file system in memory, two serial lines into files, and a limit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

pub(super) const QEMU: &str = "qemu-system-x86_64";
const MEMORY_MIB: &str = "2048";
const CPUS: &str = "2";
const POLL: Duration = Duration::from_millis(100);
/// Under KVM a kernel is up in a few seconds; where KVM does not work, it may also never be.
const KVM_LIMIT: Duration = Duration::from_secs(30);
/// The first line of the machine's own report.
const UP: &str = "@ up ";
/// `console`: whatever the kernel says. A host with other work makes an emulated CPU wait for long, which is no lockup:
/// 60 s are. `panic`: stop at once, so that qemu ends.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 watchdog_thresh=30 mitigations=off";

/// How a machine's processor is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Accelerator {
    /// The host's, through `/dev/kvm`.
    Kvm,
    /// Emulated.
    Tcg,
}

pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initrd: &'a Path,
    /// The kernel's words.
    pub(super) console: PathBuf,
    /// The first process's.
    pub(super) report: PathBuf,
    /// qemu's own.
    pub(super) emulator: PathBuf,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Off,
    /// It took longer than the limit.
    Killed,
}

impl Machine<'_> {
    /// Whether this kernel comes up under KVM here; where it does not, emulation is what is left.
    pub(super) fn probe(&self) -> Accelerator {
        // Opening it tells more than that it exists.
        if fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
            return Accelerator::Tcg;
        }
        let is_up = |_: &Child| fs::read_to_string(&self.report).is_ok_and(|text| text.contains(UP));
        match self.run_until(Accelerator::Kvm, KVM_LIMIT, is_up) {
            Ok(_) if fs::read_to_string(&self.report).is_ok_and(|text| text.contains(UP)) => Accelerator::Kvm,
            _ => Accelerator::Tcg,
        }
    }

    /// Runs it to its end.
    pub(super) fn run(&self, accelerator: Accelerator, limit: Duration) -> Result<End> {
        self.run_until(accelerator, limit, |_| false)
    }

    fn run_until(&self, accelerator: Accelerator, limit: Duration, enough: impl Fn(&Child) -> bool) -> Result<End> {
        for old in [&self.console, &self.report] {
            let _ = fs::remove_file(old);
        }
        let mut command = self.command(accelerator);
        command.stderr(fs::File::create(&self.emulator).context("cannot keep what qemu says")?);
        let mut child = command.spawn().with_context(|| format!("cannot start {QEMU}"))?;
        let start = Instant::now();
        loop {
            if child.try_wait()?.is_some() {
                return Ok(End::Off);
            }
            if start.elapsed() > limit || enough(&child) {
                // It may have ended by itself just now; either way it is collected.
                let _ = child.kill();
                let _ = child.wait();
                return Ok(End::Killed);
            }
            thread::sleep(POLL);
        }
    }

    fn command(&self, accelerator: Accelerator) -> Command {
        let mut command = Command::new(QEMU);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.args(["-m", MEMORY_MIB, "-smp", CPUS]);
        command.args(match accelerator {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Accelerator::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        });
        command.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initrd);
        command.args(["-append", KERNEL_ARGUMENTS]);
        for line in [&self.console, &self.report] {
            command.arg("-serial").arg(format!("file:{}", line.display()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}
