//! Brings a capture to the disk now and then, in a thread of its own: `fdatasync()` on a disk in trouble takes
//! seconds, in which the ring buffer would overflow.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

/// What a host's death may cost at most, beyond what is not yet flushed, on a disk that keeps up.
const INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Syncer {
    ask: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
    last: Option<Instant>,
}

impl Syncer {
    /// Starts the thread, which also makes the file's name durable.
    pub(super) fn start(file: &File, path: &Path) -> io::Result<Self> {
        let file = file.try_clone()?;
        let path = path.to_owned();
        // One request waits at most: a second one asks for nothing more.
        let (ask, asked) = sync_channel(1);
        let thread = Builder::new().name("capture-sync".to_owned()).spawn(move || run(&file, path, &asked))?;
        Ok(Self { ask, thread, last: None })
    }

    /// Asks for a sync when one is due. Does not wait. `false`: an earlier one failed, `finish` says why.
    pub(super) fn tick(&mut self) -> bool {
        if self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return true;
        }
        self.last = Some(Instant::now());
        !matches!(self.ask.try_send(()), Err(TrySendError::Disconnected(())))
    }

    /// Waits until all is on the disk.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.ask);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread panicked")))
    }
}

fn run(file: &File, path: PathBuf, asked: &Receiver<()>) -> io::Result<()> {
    sync_directory_of(path);
    for () in asked {
        sync(file)?;
    }
    sync(file)
}

/// Pipes and character devices have nothing to sync, and say EINVAL.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// Best effort: not every file system can sync a directory, and the file itself matters more.
fn sync_directory_of(mut path: PathBuf) {
    path.pop();
    if path.as_os_str().is_empty() {
        path.push(".");
    }
    if let Ok(directory) = File::open(path) {
        directory.sync_all().ok();
    }
}
