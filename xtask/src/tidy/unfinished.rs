//! Code that is not done, and `unsafe` that nobody has argued for.

use super::source::{Source, word_starts};
use super::{File, Problem};

const UNFINISHED: &[(&str, &str)] = &[
    ("todo!", "finish it, or return an error"),
    ("unimplemented!", "finish it, or return an error"),
    ("dbg!", "remove it"),
    ("#[ignore", "mend the test or delete it: a test that does not run proves nothing"),
];

/// How far above `unsafe` its argument may stand.
const SAFETY_REACH: usize = 6;

pub(super) fn check(file: &File, source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let comments: Vec<&str> = source.comments.lines().collect();
    for (index, line) in source.code.lines().enumerate() {
        for (what, remedy) in UNFINISHED {
            if has(line, what) {
                problems.push(Problem::new(file, index + 1, format!("`{what}` in the code: {remedy}")));
            }
        }
        if has_unsafe(line) && !is_argued(&comments, index) {
            let message = "`unsafe` without an argument: say in a `// SAFETY:` comment right above it why it is sound \
                           (for an unsafe fn: a `# Safety` section that says what callers owe)";
            problems.push(Problem::new(file, index + 1, message));
        }
    }
    problems
}

fn has(line: &str, what: &str) -> bool {
    // A macro's name must stand by itself, an attribute only has to begin so.
    let Some(name) = what.strip_suffix('!') else {
        return line.contains(what);
    };
    word_starts(line, name).any(|at| line.get(at..).is_some_and(|rest| rest.starts_with(what)))
}

/// The keyword, not the attribute wrapper `#[unsafe(no_mangle)]`.
fn has_unsafe(line: &str) -> bool {
    word_starts(line, "unsafe").any(|at| line.get(at + "unsafe".len()..).is_some_and(|rest| !rest.starts_with('(')))
}

fn is_argued(comments: &[&str], index: usize) -> bool {
    let first = index.saturating_sub(SAFETY_REACH);
    let near = comments.iter().skip(first).take(index + 1 - first);
    near.into_iter().any(|comment| comment.contains("SAFETY:") || comment.contains("# Safety"))
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&file("a.rs", text), &Source::split(text)).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn unfinished_code_is_found() {
        assert_eq!(lines("fn f() {\n    todo!()\n}\nfn g() { dbg!(1); }\n#[ignore = \"slow\"]\nfn h() {}"), [2, 4, 5]);
        assert_eq!(lines("fn f() { core::unimplemented!() }"), [1]);
    }

    #[test]
    fn talk_of_it_is_not() {
        assert!(lines("// todo!() and unsafe\nconst X: &str = \"dbg!\"; fn my_todo() {}").is_empty());
    }

    #[test]
    fn unsafe_wants_an_argument() {
        assert_eq!(lines("let x = unsafe { f() };"), [1]);
        assert_eq!(lines("const X: &str = \"SAFETY: no\"; unsafe impl Send for X {}"), [1]);
        assert!(lines("// SAFETY: f is pure.\nlet x =\n    unsafe { f() };").is_empty());
        assert!(lines("/// # Safety\n/// Callers own it.\npub unsafe fn f() {}").is_empty());
        assert!(lines("#[unsafe(no_mangle)]\nfn f() {}\n#![deny(unsafe_op_in_unsafe_fn)]").is_empty());
    }

    #[test]
    fn the_argument_stands_near() {
        let text = |between: usize| format!("// SAFETY: far.\n{}unsafe {{ f() }}", "x();\n".repeat(between));
        assert!(lines(&text(SAFETY_REACH - 1)).is_empty());
        assert_eq!(lines(&text(SAFETY_REACH)), [SAFETY_REACH + 2]);
    }
}
