//! Files that one person can hold in mind, lines that fit beside each other.

use super::{File, Problem};

/// About 300 is the aim; the rest is room for finishing a thought.
const MOST_LINES: usize = 320;
const MOST_COLUMNS: usize = 120;

pub(super) fn check(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    let lines = file.lines().count();
    if lines > MOST_LINES {
        let message = format!("{lines} lines, more than {MOST_LINES}: split it by purpose");
        problems.push(Problem::new(file, MOST_LINES + 1, message));
    }
    for (number, line) in file.lines() {
        let columns = line.chars().count();
        if columns > MOST_COLUMNS {
            problems.push(Problem::new(file, number, format!("{columns} columns, more than {MOST_COLUMNS}: break it")));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn the_limits_are_allowed() {
        let line = format!("{}\n", "é".repeat(MOST_COLUMNS));
        assert!(check(&file("a.rs", &line.repeat(MOST_LINES))).is_empty());
    }

    #[test]
    fn one_more_is_not() {
        assert_eq!(check(&file("a.rs", &"x\n".repeat(MOST_LINES + 1))).len(), 1);
        let problems = check(&file("a.rs", &format!("x\n{}\n", "y".repeat(MOST_COLUMNS + 1))));
        assert_eq!(problems.first().map(|problem| problem.line), Some(2));
    }
}
