//! What captures are read from: files, pipes and standard input; also files that are still being written.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::exit::CliError;
use crate::capture::{self, is_being_written};

/// What means standard input, and for `record` standard output.
pub(super) const STREAM: &str = "-";
/// Between two looks for more of a file, and for a signal.
const INTERVAL: Duration = Duration::from_millis(100);

/// How captures are read.
#[derive(Clone, Default)]
pub(super) struct Reading {
    /// Wait for more while a recorder writes.
    pub(super) follow: bool,
    /// A signal asks for the end: what waits for more ends.
    pub(super) stop: Option<Arc<AtomicBool>>,
}

impl Reading {
    /// Whether a signal has come.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// An open source of a capture.
pub(super) struct Source {
    file: File,
    reading: Reading,
    /// A pipe or the like, which keeps its reader waiting by itself.
    waits: bool,
    was_being_written: bool,
}

impl Source {
    /// Opens it, and says what messages call it.
    pub(super) fn open(path: &Path, reading: &Reading) -> Result<(Self, PathBuf), CliError> {
        let (file, name) = if path.as_os_str() == STREAM { stdin()? } else { (capture::open_file(path)?, path.into()) };
        let waits = file.metadata().is_ok_and(|found| !found.is_file());
        let was_being_written = !waits && is_being_written(&file);
        Ok((Self { file, reading: reading.clone(), waits, was_being_written }, name))
    }

    /// Whether a recorder had the file open when it was opened here.
    pub(super) fn was_being_written(&self) -> bool {
        self.was_being_written
    }

    fn is_stopped(&self) -> bool {
        self.reading.is_stopped()
    }

    /// Waits for a pipe, so that a signal is noticed meanwhile. False where one came.
    fn wait(&self) -> io::Result<bool> {
        let interval = Timespec { tv_sec: 0, tv_nsec: INTERVAL.subsec_nanos().into() };
        loop {
            if self.is_stopped() {
                return Ok(false);
            }
            match poll(&mut [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::IN)], Some(&interval)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn stdin() -> Result<(File, PathBuf), CliError> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let why = "-: standard input is a terminal; pipe a capture into it, or name a file";
        return Err(CliError::Usage(why.to_owned()));
    }
    let file = stdin.as_fd().try_clone_to_owned().map(File::from);
    let file = file.map_err(|source| CliError::System { what: "read standard input", source })?;
    let name = PathBuf::from("standard input");
    if file.metadata().is_ok_and(|found| found.is_dir()) {
        return Err(capture::CaptureError::Directory { path: name }.into());
    }
    Ok((file, name))
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.waits && self.reading.stop.is_some() && !self.wait()? {
            return Ok(0);
        }
        loop {
            // Before the read: what a recorder writes last, it writes before it ends.
            let more = self.reading.follow && !self.waits && is_being_written(&self.file) && !self.is_stopped();
            let read = self.file.read(buffer)?;
            if read > 0 || !more {
                return Ok(read);
            }
            thread::sleep(INTERVAL);
        }
    }
}
