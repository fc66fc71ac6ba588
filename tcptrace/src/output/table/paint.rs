//! Colours by meaning, and the one way by which text of tables reaches a reader.

use crate::model::{is_plain, printable};

/// What a piece of text is to the reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Paint {
    /// Nothing special.
    #[default]
    Plain,
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
    /// All is well again.
    Good,
    /// Worth a look.
    Warning,
    /// Something is wrong.
    Bad,
}

impl Paint {
    /// ECMA-48 SGR sequence; with one of the eight colours, so that it is readable on any background.
    const fn start(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
        }
    }

    /// Appends the text, coloured where that is wanted. Whoever chose the text, no character of it is more than shown:
    /// what could move a cursor or turn the direction of a line is replaced, one for one.
    pub(super) fn apply(self, out: &mut Vec<u8>, text: &str, colour: bool) {
        let is_coloured = colour && self != Self::Plain;
        if is_coloured {
            out.extend_from_slice(self.start().as_bytes());
        }
        if is_plain(text) {
            out.extend_from_slice(text.as_bytes());
        } else {
            out.extend_from_slice(text.chars().map(printable).collect::<String>().as_bytes());
        }
        if is_coloured {
            out.extend_from_slice(b"\x1b[0m");
        }
    }
}
