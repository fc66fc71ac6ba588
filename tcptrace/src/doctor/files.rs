//! What sysctl files set at boot: sysctl.d(5) as systemd-sysctl and `sysctl --system` read it.

use std::{cmp::Reverse, collections::HashSet};

/// Folders, the first ones mask files of the same name in later ones.
pub const FOLDERS: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];
/// Read last by `sysctl --system`; by systemd-sysctl only where a link in a folder leads to it.
pub const LAST: &str = "/etc/sysctl.conf";

/// A file as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SysctlFile {
    /// Path.
    pub path: String,
    /// Its text; empty for a link to `/dev/null`, which masks.
    pub text: String,
}

/// One line that sets something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The setting as a path below `/proc/sys`, or a pattern for several.
    key: String,
    /// The value, blanks as single spaces; `None` for a name that patterns must leave alone.
    value: Option<String>,
    /// Where it stands.
    pub path: String,
}

impl Assignment {
    /// What it sets.
    #[must_use]
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

/// All files together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    assignments: Vec<Assignment>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
}

impl Files {
    /// Puts files into their order: by name, whatever the folder, and [`LAST`] last. Of several with one name only that
    /// in the first folder counts.
    #[must_use]
    pub fn of(files: &[SysctlFile], unreadable: Vec<String>) -> Self {
        let rank = |file: &SysctlFile| {
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            FOLDERS.iter().position(|known| *known == folder).unwrap_or(FOLDERS.len())
        };
        let name = |file: &SysctlFile| file.path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut sorted: Vec<&SysctlFile> = files.iter().collect();
        sorted.sort_by_key(|file| (file.path == LAST, name(file), rank(file), Reverse(file.path.len())));
        let mut seen = HashSet::new();
        let counted = sorted.into_iter().filter(|file| seen.insert((file.path == LAST, name(file))));
        Self { assignments: counted.flat_map(lines).collect(), unreadable }
    }

    /// The last line that names a setting, be it there or not.
    #[must_use]
    pub fn named(&self, key: &str) -> Option<&Assignment> {
        let path = normal(key);
        self.assignments.iter().rev().find(|assignment| assignment.key == path && assignment.value.is_some())
    }

    /// What holds for a setting such as `net.ipv4.tcp_fin_timeout`: the last line that names it, or else the last
    /// pattern that fits it.
    #[must_use]
    pub fn effective(&self, key: &str) -> Option<&Assignment> {
        let path = normal(key);
        let excluded = || self.assignments.iter().any(|one| one.key == path && one.value.is_none());
        let pattern = || self.assignments.iter().rev().find(|one| one.value.is_some() && fits(&one.key, &path));
        self.named(key).or_else(|| if excluded() { None } else { pattern() })
    }
}

/// `key = value`, `-key = value` (its failure is ignored), `-key` (patterns leave it alone); `#` and `;` begin
/// comments.
fn lines(file: &SysctlFile) -> Vec<Assignment> {
    let line = |line: &str| {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return None;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(single_spaced(value))),
            None => (line.strip_prefix('-')?, None),
        };
        let key = key.trim();
        let key = normal(key.strip_prefix('-').unwrap_or(key).trim());
        (!key.is_empty()).then(|| Assignment { key, value, path: file.path.clone() })
    };
    file.text.lines().filter_map(line).collect()
}

/// Blanks as single spaces.
#[must_use]
pub(super) fn single_spaced(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// As a path: where the first separator is a dot, dots separate and slashes stand for dots (sysctl.d(5)).
fn normal(key: &str) -> String {
    match key.find(['.', '/']).and_then(|at| key.get(at..=at)) {
        Some(".") => key
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
        _ => key.to_owned(),
    }
}

/// glob(7) as far as such files use it: `*` and `?` within a part of the path.
fn fits(pattern: &str, path: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return false;
    }
    let (parts, names) = (pattern.split('/'), path.split('/'));
    parts.clone().count() == names.clone().count()
        && parts.zip(names).all(|(part, name)| part_fits(part.as_bytes(), name.as_bytes()))
}

fn part_fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', pattern @ ..], name) => {
            (0..=name.len()).any(|at| part_fits(pattern, name.get(at..).unwrap_or_default()))
        }
        ([b'?', pattern @ ..], [_, name @ ..]) => part_fits(pattern, name),
        ([one, pattern @ ..], [other, name @ ..]) => one == other && part_fits(pattern, name),
        _ => false,
    }
}
