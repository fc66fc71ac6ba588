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

use crate::model::Shown;

/// Paths, arguments and names are others' to choose: whatever they hold, a message is one line of characters that show.
fn say(prefix: &str, words: &dyn Display) {
    let cleared = if IS_PROGRESS.swap(false, Ordering::Relaxed) { CLEARED } else { "" };
    write(&format_args!("{cleared}{prefix}{}\n", Shown(&words.to_string())));
}

/// Nobody listens: there is no better place to say so.
fn write(text: &dyn Display) {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Tells the user what goes on.
pub(super) fn note(words: &dyn Display) {
    say("tcptrace: ", words);
}

/// Tells the user what failed.
pub(super) fn error(words: &dyn Display) {
    say("tcptrace: error: ", words);
}

/// As [`error`], of what the kernel says in several lines.
pub(super) fn error_lines(words: &dyn Display) {
    for (number, line) in words.to_string().lines().enumerate() {
        say(if number == 0 { "tcptrace: error: " } else { "  " }, &line);
    }
}

/// Shows on a terminal how it goes, in place of what it showed before. The next words take its place.
pub(super) fn progress(words: &dyn Display) {
    IS_PROGRESS.store(true, Ordering::Relaxed);
    write(&format_args!("{CLEARED}tcptrace: {}", Shown(&words.to_string())));
}

/// Ends the line of progress, if there is one: what comes next is no talk.
pub(super) fn end_progress() {
    if IS_PROGRESS.swap(false, Ordering::Relaxed) {
        write(&CLEARED);
    }
}
