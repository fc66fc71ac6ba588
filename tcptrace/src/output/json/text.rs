//! JSON whose strings hold exactly what they should, and show nothing but themselves on a terminal.
//!
//! serde_json escapes what RFC 8259 demands. Here every character that does not show as itself is an escape, too:
//! `\u202e` is the same string to each reader of JSON, and turns no line on a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::model::{is_plain, is_printable};

/// As serde_json's compact form, with more escapes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if is_plain(fragment) {
            return out.write_all(fragment.as_bytes());
        }
        let mut bytes = [0; 4];
        for c in fragment.chars() {
            if is_printable(c) {
                out.write_all(c.encode_utf8(&mut bytes).as_bytes())?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

/// Appends a value.
///
/// # Errors
/// As serde_json's.
pub(crate) fn to_json(out: impl Write, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Escaping))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_string_without_what_does_not_show() {
        let text = "a\u{1b}\u{202e}\n\"\\\u{7f}\u{9b}\u{e0001} \u{e9}\u{4f60}";
        let mut out = Vec::new();
        to_json(&mut out, text).unwrap();
        let written = String::from_utf8(out).unwrap();
        assert_eq!(written, "\"a\\u001b\\u202e\\n\\\"\\\\\\u007f\\u009b\\udb40\\udc01 \u{e9}\u{4f60}\"");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }
}
