//! stderr is talk: whatever is said there may fail to be said, and that must not end the run.

use std::{fmt::Display, io::Write};

fn say(prefix: &str, words: &dyn Display) {
    // Nobody listens: there is no better place to say so.
    let _ = writeln!(std::io::stderr().lock(), "{prefix}{words}");
}

/// Tells the user what goes on.
pub(super) fn note(words: &dyn Display) {
    say("tcptrace: ", words);
}

/// Tells the user what failed.
pub(super) fn error(words: &dyn Display) {
    say("tcptrace: error: ", words);
}
