//! `cargo xtask tidy`: the project's own rules, which no other tool knows. Reads files, changes nothing.

mod arrows;
mod docs;
mod hygiene;
mod paths;
mod size;
mod source;
mod tokens;
mod unfinished;

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// A file of the repository, with its path relative to the root.
pub(crate) struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The file's lines, numbered as people number them.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// What is wrong, where, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    path: String,
    line: usize,
    message: String,
}

impl Problem {
    fn new(file: &File, line: usize, message: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::find()?;
    let names = file_names(&workspace.root)?;
    let files: Vec<File> = names.iter().filter_map(|name| read(&workspace.root, name)).collect();
    let problems = check(&names, &files);
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("tidy found {} problems in {} files", problems.len(), files.len());
    }
    eprintln!("tidy: {} files are as they should be", files.len());
    Ok(())
}

fn check(names: &[String], files: &[File]) -> Vec<Problem> {
    let mut problems = docs::check(names, files);
    for file in files {
        problems.extend(hygiene::check(file));
        if file.is_rust() {
            problems.extend(size::check(file));
            let source = source::Source::split(&file.text);
            problems.extend(unfinished::check(file, &source));
            problems.extend(arrows::check(file, &source));
        }
    }
    problems.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    problems
}

/// Tracked files and new ones that git would not ignore, as far as they still exist.
fn file_names(root: &Path) -> Result<Vec<String>> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let listing = process::output(&mut command).context("tidy needs git to list the repository's files")?;
    let mut names: Vec<String> = listing.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.retain(|name| root.join(name).symlink_metadata().is_ok_and(|meta| meta.is_file()));
    names.sort();
    names.dedup();
    Ok(names)
}

/// None for what is not text: captures and other recorded bytes.
fn read(root: &Path, name: &str) -> Option<File> {
    let bytes = std::fs::read(root.join(name)).ok()?;
    if bytes.contains(&0) {
        return None;
    }
    Some(File { path: name.to_owned(), text: String::from_utf8(bytes).ok()? })
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}
