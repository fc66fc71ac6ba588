//! Signals beside those that end a run in order.

use std::{
    fs,
    io::{self, Read},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
    low_level::{exit, pipe},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::talk;

/// The exit code of a run that was ended without its report.
const FORCED: i32 = 5;
/// A run that was asked to end and has written nothing for this long is in a write that nobody reads.
const PATIENCE: Duration = Duration::from_secs(2);
/// For the last words, which nobody may read either.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Counts what was written.
static PROGRESS: AtomicU64 = AtomicU64::new(0);
/// Something takes its time that must not be cut short.
static IS_BUSY: AtomicBool = AtomicBool::new(false);

/// Something was written.
pub(super) fn made_progress() {
    PROGRESS.fetch_add(1, Ordering::Relaxed);
}

/// Runs what may take long though it makes progress, such as a sync to a slow disk.
pub(super) fn busy<T>(work: impl FnOnce() -> T) -> T {
    IS_BUSY.store(true, Ordering::Relaxed);
    let done = work();
    made_progress();
    IS_BUSY.store(false, Ordering::Relaxed);
    done
}

/// Waits for the first signal, and ends a run that does not come to its end then.
fn guard(mut signalled: UnixStream) {
    if signalled.read_exact(&mut [0]).is_err() {
        return;
    }
    loop {
        let before = PROGRESS.load(Ordering::Relaxed);
        thread::sleep(PATIENCE);
        if before == PROGRESS.load(Ordering::Relaxed) && !IS_BUSY.load(Ordering::Relaxed) {
            break;
        }
    }
    let said = thread::Builder::new().spawn(|| {
        talk::error(
            &"the run could not end for 2 s after the signal, because its output is not read or a disk does not \
              answer: the rest of the report is dropped",
        );
    });
    if said.is_ok() {
        thread::sleep(LAST_WORDS);
    }
    exit(FORCED);
}

/// The first SIGINT or SIGTERM ends the run in order, or without its report if it is in a write that nobody reads; a
/// second one ends it at once. A file that reaches its size limit is an error like a full disk, not the end.
pub(super) fn install() -> io::Result<()> {
    for number in [SIGINT, SIGTERM] {
        let asked = Arc::new(AtomicBool::new(false));
        flag::register_conditional_shutdown(number, FORCED, Arc::clone(&asked))?;
        flag::register(number, asked)?;
    }
    let (signalled, signal) = UnixStream::pair()?;
    for number in [SIGINT, SIGTERM, SIGHUP] {
        if !is_ignored(number) {
            pipe::register(number, signal.try_clone()?)?;
        }
    }
    thread::Builder::new().name("tcptrace-signal".to_owned()).spawn(move || guard(signalled))?;
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// Set by the first signal that asks for an end, for work that has to clear up behind itself; else as [`install`].
pub(super) fn asked_to_stop() -> io::Result<Arc<AtomicBool>> {
    install()?;
    let asked = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM, SIGHUP] {
        if !is_ignored(number) {
            flag::register(number, Arc::clone(&asked))?;
        }
    }
    Ok(asked)
}

/// A terminal that goes away ends the run in order, unless `nohup` has asked for the opposite.
pub(super) fn hangup() -> io::Result<Option<Signal>> {
    if is_ignored(SIGHUP) { Ok(None) } else { signal(SignalKind::hangup()).map(Some) }
}

/// Waits for the signal; for ever where it is not handled.
pub(super) async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// `SigIgn` of proc(5). Where it cannot be read, nothing is taken for ignored.
fn is_ignored(number: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let bits = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    bits >> (number - 1) & 1 == 1
}
