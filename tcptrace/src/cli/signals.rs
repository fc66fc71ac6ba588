//! Signals beside those that end a run in order.

use std::{
    fs, io,
    sync::{Arc, atomic::AtomicBool},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a run that a second signal ended: nothing was reported.
const FORCED: i32 = 5;

/// The first SIGINT or SIGTERM ends the run in order; a second one ends it at once, for the first may find it in a
/// write that nobody reads. A file that reaches its size limit is an error like a full disk, not the end.
pub(super) fn install() -> io::Result<()> {
    for number in [SIGINT, SIGTERM] {
        let asked = Arc::new(AtomicBool::new(false));
        flag::register_conditional_shutdown(number, FORCED, Arc::clone(&asked))?;
        flag::register(number, asked)?;
    }
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
