//! The most orphans that there are at a time while somebody watches: the kernel keeps no such number.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::read_sockstat;

/// Reading it takes some microseconds, and adds up a counter of every CPU.
const INTERVAL: Duration = Duration::from_millis(500);

/// Looks at intervals on a thread of its own, until it is asked.
#[derive(Debug)]
pub struct OrphanPeak {
    most: Arc<AtomicU64>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl OrphanPeak {
    /// Begins to look.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        let (most, stop) = (Arc::new(AtomicU64::new(0)), Arc::new((Mutex::new(false), Condvar::new())));
        let (seen, stopped) = (Arc::clone(&most), Arc::clone(&stop));
        let thread = thread::Builder::new().name("orphans".to_owned()).spawn(move || watch(&seen, &stopped))?;
        Ok(Self { most, stop, thread })
    }

    /// Ends it, and says what was seen.
    #[must_use]
    pub fn finish(self) -> u64 {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        // It does not panic, and what it saw counts in any case.
        let _ = self.thread.join();
        self.most.load(Ordering::Relaxed)
    }
}

fn watch(most: &AtomicU64, stop: &(Mutex<bool>, Condvar)) {
    let mut stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
    while !*stopped {
        let orphans = read_sockstat().ok().and_then(|read| read.orphans).unwrap_or(0);
        most.fetch_max(orphans, Ordering::Relaxed);
        stopped = stop.1.wait_timeout(stopped, INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
    }
}
