//! stderr is talk: whatever is said there may fail to be said, and that must not end the run.

use std::{
    fmt::Display,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

/// Back to the start of the line, and nothing in it (ECMA-48 EL).
const CLEARED: &str = "\r\x1b[K";

/// The line that the cursor is in is one of progress.
static IS_PROGRESS: AtomicBool = AtomicBool::new(false);

fn say(prefix: &str, words: &dyn Display) {
    let cleared = if IS_PROGRESS.swap(false, Ordering::Relaxed) { CLEARED } else { "" };
    // Nobody listens: there is no better place to say so.
    let _ = writeln!(std::io::stderr().lock(), "{cleared}{prefix}{words}");
}

/// Tells the user what goes on.
pub(super) fn note(words: &dyn Display) {
    say("tcptrace: ", words);
}

/// Tells the user what failed.
pub(super) fn error(words: &dyn Display) {
    say("tcptrace: error: ", words);
}

/// Shows on a terminal how it goes, in place of what it showed before. The next words take its place.
pub(super) fn progress(words: &dyn Display) {
    IS_PROGRESS.store(true, Ordering::Relaxed);
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{CLEARED}tcptrace: {words}").and_then(|()| stderr.flush());
}

/// Ends the line of progress, if there is one: what comes next is no talk.
pub(super) fn end_progress() {
    if IS_PROGRESS.swap(false, Ordering::Relaxed) {
        let _ = write!(std::io::stderr().lock(), "{CLEARED}");
    }
}
