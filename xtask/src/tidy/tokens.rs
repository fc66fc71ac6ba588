//! The few tokens of Rust that paths and blocks are made of, with their lines.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    PathSeparator,
    Open,
    Close,
    Comma,
    Star,
    Other,
}

/// All tokens of `code`, which has neither comments nor literals.
pub(super) fn tokens(code: &str) -> Vec<(usize, Token)> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let (token, length) = token(rest, first);
            found.push((index + 1, token));
            rest = rest.get(length..).unwrap_or("").trim_start();
        }
    }
    found
}

fn token(rest: &str, first: char) -> (Token, usize) {
    let in_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    if in_word(first) {
        let length = rest.find(|letter| !in_word(letter)).unwrap_or(rest.len());
        return (Token::Word(rest.get(..length).unwrap_or("").to_owned()), length);
    }
    match first {
        ':' if rest.starts_with("::") => (Token::PathSeparator, 2),
        '{' => (Token::Open, 1),
        '}' => (Token::Close, 1),
        ',' => (Token::Comma, 1),
        '*' => (Token::Star, 1),
        other => (Token::Other, other.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_separators_are_kept() {
        let word = |name: &str| Token::Word(name.to_owned());
        let expected = [(1, word("a")), (1, Token::PathSeparator), (2, word("b")), (2, Token::Other), (2, Token::Star)];
        assert_eq!(tokens("a::\n b: *"), expected);
    }
}
