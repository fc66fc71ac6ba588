//! What a person is shown of text that others choose: names of programs, hosts and interfaces, paths, arguments.
//!
//! Such text must not write escape codes into a terminal, turn the direction of what stands beside it, or be invisible.

use std::fmt::{self, Display, Formatter, Write};

/// Code points that show nothing though the standard library counts them as letters, marks or symbols: what of
/// `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt of Unicode 17) is no format character, and the empty
/// Braille pattern. Sorted.
const BLANK: [(u32, u32); 9] = [
    (0x034f, 0x034f),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xffa0, 0xffa0),
    (0xe0100, 0xe01ef),
];

/// Whether a character shows as itself. Control and format characters, line and paragraph separators, private and
/// unassigned code points do not, nor any space but the ordinary one.
#[must_use]
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    // `str::escape_debug` escapes all of these by their general category, and marks at the beginning alone.
    let mut bytes = *b"a\0\0\0\0";
    let (first, rest) = bytes.split_at_mut(1);
    let len = first.len() + c.encode_utf8(rest).len();
    let text = bytes.get(..len).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default();
    text.escape_debug().count() == 2 && !is_blank(c.into())
}

fn is_blank(point: u32) -> bool {
    let after = BLANK.partition_point(|(first, _)| *first <= point);
    after.checked_sub(1).and_then(|at| BLANK.get(at)).is_some_and(|(_, last)| point <= *last)
}

/// What a reader is shown of a character: itself, or U+FFFD.
#[must_use]
pub fn printable(c: char) -> char {
    if is_printable(c) { c } else { char::REPLACEMENT_CHARACTER }
}

/// Whether all of a text shows as itself, as nearly all does.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) || text.chars().all(is_printable)
}

/// A text with U+FFFD for each character that does not show as itself.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) {
            return f.write_str(self.0);
        }
        self.0.chars().try_for_each(|c| f.write_char(printable(c)))
    }
}

/// A name as [`Shown`], in quotes where its beginning or end could not be seen otherwise: where it is empty, begins or
/// ends with a space, or begins with a quote.
#[derive(Clone, Copy, Debug)]
pub struct ShownName<'a>(pub &'a str);

impl Display for ShownName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() || self.0.starts_with([' ', '"']) || self.0.ends_with(' ') {
            write!(f, "\"{}\"", Shown(self.0))
        } else {
            Shown(self.0).fmt(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// General categories Cc, Cf, Co, Cn, Zl, Zp, Zs, and what is blank.
    const HIDDEN: &str = "\0\u{1b}\n\r\t\u{7f}\u{80}\u{9b}\u{a0}\u{ad}\u{34f}\u{600}\u{61c}\u{6dd}\u{70f}\u{8e2}\
        \u{115f}\u{1160}\u{1680}\u{17b4}\u{180b}\u{180e}\u{2000}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\
        \u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{202f}\u{2060}\u{2061}\u{2064}\u{2065}\u{2066}\
        \u{2067}\u{2068}\u{2069}\u{206a}\u{206f}\u{2800}\u{3000}\u{3164}\u{378}\u{e000}\u{f8ff}\u{fe00}\
        \u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{fffb}\u{ffff}\u{110bd}\u{13430}\u{1bca0}\u{1d173}\u{e0001}\
        \u{e0020}\u{e007f}\u{e0100}\u{e01ef}\u{f0000}\u{10fffd}\u{10ffff}";

    #[test]
    fn what_does_not_show_is_replaced() {
        for c in HIDDEN.chars() {
            assert_eq!(printable(c), '\u{fffd}', "{:#x}", u32::from(c));
        }
        assert!(BLANK.is_sorted());
        for (first, last) in BLANK {
            assert!(is_blank(first) && is_blank(last) && !is_blank(first - 1) && !is_blank(last + 1));
        }
    }

    #[test]
    fn names_of_all_scripts_stay() {
        let text =
            "nginx-1.2 \"q\" 'r' \\ \u{e9} e\u{301} \u{4f60}\u{597d} \u{5d0}\u{5d1} \u{645} \u{93f} \u{1f600} … █ ±";
        assert_eq!(Shown(text).to_string(), text);
        assert!(is_plain(text) && !is_plain("a\u{202e}"));
        assert_eq!(Shown("a\u{202e}\x1b[2m\nb").to_string(), "a\u{fffd}\u{fffd}[2m\u{fffd}b");
    }

    #[test]
    fn blank_names_are_seen() {
        for (name, shown) in [
            ("nginx", "nginx"),
            ("tmux: server", "tmux: server"),
            ("", "\"\""),
            (" ", "\" \""),
            ("a ", "\"a \""),
            (" a", "\" a\""),
            ("\"\"", "\"\"\"\""),
            ("\u{3000}", "\u{fffd}"),
            ("\u{200b}", "\u{fffd}"),
            ("\t", "\u{fffd}"),
        ] {
            assert_eq!(ShownName(name).to_string(), shown);
        }
    }
}
