//! Text that makes clean diffs.

use super::{File, Problem};

/// What programs printed is kept as they printed it, and recorded input as it came.
const VERBATIM_FOLDERS: &[&str] = &["golden/", "corpus/"];

pub(super) fn check(file: &File) -> Vec<Problem> {
    let is_verbatim = VERBATIM_FOLDERS.iter().any(|folder| file.path.contains(folder));
    if is_verbatim || file.text.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    // `lines` would hide a carriage return.
    for (index, line) in file.text.split('\n').enumerate() {
        if line.ends_with(char::is_whitespace) {
            problems.push(Problem::new(file, index + 1, "white space at the end of the line: remove it"));
        }
    }
    if !file.text.ends_with('\n') {
        problems.push(Problem::new(file, file.lines().count(), "no newline at the end of the file: add one"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn clean_text_passes() {
        assert!(check(&file("a.md", "one\n\ntwo\n")).is_empty());
        assert!(check(&file("a.md", "")).is_empty());
        assert!(check(&file("tests/golden/a.txt", "one  \ntwo")).is_empty());
    }

    #[test]
    fn loose_ends_do_not() {
        for (text, line) in [("one \n", 1), ("one\ntwo\r\n", 2), ("one\n\t\n", 2), ("one\ntwo", 2)] {
            let lines: Vec<usize> = check(&file("a.md", text)).iter().map(|problem| problem.line).collect();
            assert_eq!(lines, [line], "{text:?}");
        }
    }
}
