//! Rust text taken apart into code and comments, line for line, so that rules look only where they mean to.

/// Both keep the file's line breaks; what belongs to the other is blank. Literals are blank in both.
pub(super) struct Source {
    pub(super) code: String,
    pub(super) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(super) fn split(text: &str) -> Self {
        let mut source = Self { code: String::new(), comments: String::new() };
        let mut rest = text;
        let mut previous = ' ';
        while let Some(first) = rest.chars().next() {
            let (kind, length) = next_piece(rest, first, previous);
            let (piece, tail) = rest.split_at(length);
            source.push(kind, piece);
            previous = piece.chars().next_back().unwrap_or(' ');
            rest = tail;
        }
        source
    }

    fn push(&mut self, kind: Kind, piece: &str) {
        for letter in piece.chars() {
            let shown_in = |wanted: Kind| if kind == wanted || letter == '\n' { letter } else { ' ' };
            self.code.push(shown_in(Kind::Code));
            self.comments.push(shown_in(Kind::Comment));
        }
    }
}

/// What stands at the start of `rest`, and its length in bytes.
fn next_piece(rest: &str, first: char, previous: char) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    match literal(rest, previous) {
        Some(length) => (Kind::Literal, length),
        None => (Kind::Code, first.len_utf8()),
    }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut skip = false;
    for (at, letter) in rest.char_indices() {
        if skip {
            skip = false;
            continue;
        }
        let here = rest.get(at..at + letter.len_utf8() + 1).unwrap_or("");
        match here {
            "/*" => depth += 1,
            "*/" => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + 2;
        }
        skip = true;
    }
    rest.len()
}

fn literal(rest: &str, previous: char) -> Option<usize> {
    let in_word = previous.is_alphanumeric() || previous == '_';
    let prefixes: &[&str] = if in_word { &[""] } else { &["", "br", "cr", "r", "b", "c"] };
    prefixes.iter().find_map(|prefix| {
        let body = rest.strip_prefix(prefix)?;
        let length = if prefix.ends_with('r') { raw_string(body) } else { string(body).or_else(|| letter(body)) };
        length.map(|length| prefix.len() + length)
    })
}

fn raw_string(body: &str) -> Option<usize> {
    let hashes = body.len() - body.trim_start_matches('#').len();
    let text = body.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 1;
    Some(text.find(&end).map_or(body.len(), |at| start + at + end.len()))
}

fn string(body: &str) -> Option<usize> {
    let text = body.strip_prefix('"')?;
    Some(closing(text, '"').map_or(body.len(), |at| 1 + at + 1))
}

/// A character literal, told from a lifetime.
fn letter(body: &str) -> Option<usize> {
    let text = body.strip_prefix('\'')?;
    let first = text.chars().next()?;
    let ends_next = text.get(first.len_utf8()..)?.starts_with('\'');
    if first != '\\' && !ends_next {
        return None;
    }
    closing(text, '\'').map(|at| 1 + at + 1)
}

/// Where `quote` closes, escapes left out.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == quote {
            return Some(at);
        }
    }
    None
}

/// Where `word` stands by itself in `line`, as byte offsets.
pub(super) fn word_starts<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let in_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = line.get(..*at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(in_word) && !after.is_some_and(in_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::split(text).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_not_code() {
        assert_eq!(code("a // b\nc /* d /* e */ f */ g"), "a c g");
        assert_eq!(Source::split("a // b").comments.trim(), "// b");
    }

    #[test]
    fn literals_are_neither() {
        assert_eq!(code(r#"a "x // \" y" b"#), "a b");
        assert_eq!(code("a r#\"x \" // y\"# b br\"\\\" c"), "a b c");
        assert_eq!(code(r"a '\'' b '/' c b'x' d"), "a b c d");
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        assert_eq!(code("fn f<'a>(x: &'a str, r#type: u8)"), "fn f<'a>(x: &'a str, r#type: u8)");
    }

    #[test]
    fn lines_stay_where_they_are() {
        let text = "a\n\"b\nc\"\n/* d\ne */\nf";
        let source = Source::split(text);
        assert_eq!(source.code.lines().count(), text.lines().count());
        assert_eq!(source.code.lines().nth(5), Some("f"));
    }

    #[test]
    fn words_stand_by_themselves() {
        assert_eq!(word_starts("unsafe_op unsafe {", "unsafe").collect::<Vec<_>>(), [10]);
    }
}
