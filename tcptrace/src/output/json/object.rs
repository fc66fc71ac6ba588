//! Objects that are written key by key, without serde.
//!
//! There is one for each close, and serde_json looks at each byte of each key and word for what has to be escaped: a
//! line took it three to four times as long. Keys are literals, and words are our own; what came from elsewhere, and
//! what is rare, still goes through serde_json.

use std::io::Write as _;

use serde::Serialize;

use super::to_json;
use crate::model::Endpoint;

/// An object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// What stands before the next key.
    before: u8,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        Self { out, before: b'{' }
    }

    pub(super) fn end(self) {
        if self.before == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    fn key(&mut self, key: &'static str) {
        self.out.extend_from_slice(&[self.before, b'"']);
        self.before = b',';
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// One of our own words: nothing in it has to be escaped.
    pub(super) fn word(&mut self, key: &'static str, word: &str) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    pub(super) fn word_or_null(&mut self, key: &'static str, word: Option<&str>) {
        match word {
            Some(word) => self.word(key, word),
            None => self.null(key),
        }
    }

    pub(super) fn null(&mut self, key: &'static str) {
        self.key(key);
        self.out.extend_from_slice(b"null");
    }

    pub(super) fn number(&mut self, key: &'static str, number: impl itoa::Integer) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    pub(super) fn number_or_null(&mut self, key: &'static str, number: Option<impl itoa::Integer>) {
        match number {
            Some(number) => self.number(key, number),
            None => self.null(key),
        }
    }

    pub(super) fn truth(&mut self, key: &'static str, truth: bool) {
        self.key(key);
        self.out.extend_from_slice(if truth { b"true" } else { b"false" });
    }

    /// What few lines say: absent where it is not so.
    pub(super) fn truth_if(&mut self, key: &'static str, truth: bool) {
        if truth {
            self.truth(key, true);
        }
    }

    pub(super) fn truth_or_null(&mut self, key: &'static str, truth: Option<bool>) {
        match truth {
            Some(truth) => self.truth(key, truth),
            None => self.null(key),
        }
    }

    /// A number in hexadecimal, as a string: `{:#x}`, without the machinery of formats.
    pub(super) fn hexadecimal(&mut self, key: &'static str, number: u64) {
        self.key(key);
        self.out.extend_from_slice(b"\"0x");
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
        for place in (0..digits).rev() {
            let digit = u8::try_from(number >> (4 * place) & 15).unwrap_or(0);
            self.out.push(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
        }
        self.out.push(b'"');
    }

    /// As `Endpoint` prints; IPv4 by hand, because there are two on each line.
    pub(super) fn endpoint(&mut self, key: &'static str, end: &Endpoint) {
        self.key(key);
        let std::net::IpAddr::V4(ip) = end.ip() else {
            // A Vec takes everything.
            let _ = write!(self.out, "\"{end}\"");
            return;
        };
        self.out.push(b'"');
        let mut digits = itoa::Buffer::new();
        let [a, b, c, d] = ip.octets();
        for (octet, after) in [(a, b'.'), (b, b'.'), (c, b'.'), (d, b':')] {
            self.out.extend_from_slice(digits.format(octet).as_bytes());
            self.out.push(after);
        }
        self.out.extend_from_slice(digits.format(end.port).as_bytes());
        self.out.push(b'"');
    }

    /// Whatever else.
    pub(super) fn value(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) {
        self.key(key);
        let start = self.out.len();
        // Neither a Vec nor these types can fail, and an object must not break off.
        if to_json(&mut *self.out, value).is_err() {
            self.out.truncate(start);
            self.out.extend_from_slice(b"null");
        }
    }

    pub(super) fn nested(&mut self, key: &'static str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut inner = Object::begin(self.out);
        fill(&mut inner);
        inner.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_json_would_write() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.word("word", "fin");
        object.word_or_null("none", None);
        object.number("number", u64::MAX);
        object.number_or_null("small", Some(0_u16));
        object.number_or_null("no_number", None::<u32>);
        object.truth("truth", true);
        object.truth_if("absent", false);
        object.truth_if("present", true);
        object.truth_or_null("maybe", Some(false));
        object.truth_or_null("unknown", None);
        object.hexadecimal("key", 0x1f);
        object.hexadecimal("zero", 0);
        object.hexadecimal("most", u64::MAX - 1);
        object.endpoint("v4", &Endpoint::from_bytes(*b"\x7f\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0", false, 65_535));
        object.endpoint("v6", &Endpoint::from_bytes(*b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", true, 1));
        object.value("value", "a \"b\" \\ \n\u{e9}");
        object.nested("nested", |inner| inner.number("one", 1_u32));
        object.nested("empty", |_| ());
        object.end();
        let expected = serde_json::json!({
            "word": "fin", "none": null, "number": u64::MAX, "small": 0, "no_number": null, "truth": true,
            "present": true, "maybe": false, "unknown": null, "key": "0x1f", "zero": "0x0",
            "most": "0xfffffffffffffffe", "v4": "127.0.0.1:65535", "v6": "[::1]:1",
            "value": "a \"b\" \\ \n\u{e9}", "nested": {"one": 1}, "empty": {},
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), expected);
    }
}
