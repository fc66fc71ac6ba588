//! stderr is talk: whatever is said there may fail to be said, and that must not end the run.

use std::{fmt::Display, io::Write};

use crate::model::Shown;

/// Paths, arguments and names are others' to choose: whatever they hold, a message is one line of characters that show.
fn say(prefix: &str, words: &dyn Display) {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    let mut stderr = std::io::stderr().lock();
    // Nobody listens: there is no better place to say so.
    let _ = writeln!(stderr, "{prefix}{}", Shown(&words.to_string()));
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
