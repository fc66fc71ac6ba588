//! The papers: those that must be there are, their links lead somewhere, and the map names every folder.

use std::collections::BTreeSet;

use super::{File, Problem};

const REQUIRED: &[&str] =
    &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];
const MAP: &str = "ARCHITECTURE.md";
const ROOMS_ROOT: &str = "tcptrace/src/";

/// `names` are all files of the repository, `files` those of them that are text.
pub(super) fn check(names: &[String], files: &[File]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = REQUIRED
        .iter()
        .filter(|required| !names.iter().any(|name| name == *required))
        .map(|required| Problem {
            path: (*required).to_owned(),
            line: 1,
            message: "the file is missing: write it".to_owned(),
        })
        .collect();
    problems
        .extend(files.iter().find(|file| file.path == MAP).map(|map| unnamed_rooms(names, map)).unwrap_or_default());
    let places = places(names);
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        problems.extend(dead_links(&places, file));
    }
    problems
}

fn unnamed_rooms(names: &[String], map: &File) -> Vec<Problem> {
    let rooms: BTreeSet<&str> =
        names.iter().filter_map(|name| Some(name.strip_prefix(ROOMS_ROOT)?.split_once('/')?.0)).collect();
    rooms
        .into_iter()
        .filter(|room| !names_folder(&map.text, room))
        .map(|room| Problem::new(map, 1, format!("does not name {ROOMS_ROOT}{room}/: say what the folder is for")))
        .collect()
}

/// `room/`, not as the end of another word.
fn names_folder(text: &str, room: &str) -> bool {
    text.match_indices(&format!("{room}/")).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-')
    })
}

/// All files and the folders that hold them.
fn places(names: &[String]) -> BTreeSet<&str> {
    let mut places = BTreeSet::from([""]);
    for name in names {
        places.insert(name);
        places.extend(name.match_indices('/').filter_map(|(at, _)| name.get(..at)));
    }
    places
}

fn dead_links(places: &BTreeSet<&str>, file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut in_fence = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence {
            for target in links(&without_code(line)) {
                if !leads_somewhere(places, &file.path, &target) {
                    let message = format!("the link to {target} leads nowhere: mend its path or remove it");
                    problems.push(Problem::new(file, number, message));
                }
            }
        }
    }
    problems
}

/// Every second stretch between backticks is code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The targets of `[text](target "title")` and of `[name]: target`.
fn links(line: &str) -> Vec<String> {
    let inline = line.split("](").skip(1).filter_map(|after| after.split_once(')')).map(|(target, _)| target);
    let is_definition = line.starts_with('[') && !line.starts_with("[^");
    let definition = line.split_once("]: ").filter(|_| is_definition).map(|(_, target)| target);
    let targets = inline.chain(definition).filter_map(|target| target.split_whitespace().next());
    targets.map(|target| target.trim_start_matches('<').trim_end_matches('>').to_owned()).collect()
}

fn leads_somewhere(places: &BTreeSet<&str>, from: &str, target: &str) -> bool {
    let path = target.split('#').next().unwrap_or("");
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    if is_elsewhere || path.is_empty() {
        return true;
    }
    // A path from `/` starts at the root of the repository.
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let start = if path.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return false,
            ".." => {}
            name => parts.push(name),
        }
    }
    places.contains(parts.join("/").as_str())
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn names(extra: &[&str]) -> Vec<String> {
        REQUIRED.iter().chain(extra).map(|name| (*name).to_owned()).collect()
    }

    fn dead(from: &str, text: &str) -> Vec<usize> {
        let names = names(&["docs/json.md", "docs/a/b.md"]);
        check(&names, &[file(from, text)]).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "[a](docs/json.md) [b](docs/) [c](./docs/json.md#head \"T\") [d](https://x.y/z) [e](#here)\n\
                    [f]: docs/a/b.md\n";
        assert!(dead("README.md", text).is_empty());
        assert!(dead("docs/a/b.md", "[up](../json.md) [root](/README.md) [top](../..)").is_empty());
    }

    #[test]
    fn links_that_do_not_are_found() {
        assert_eq!(dead("README.md", "[a](json.md)\n[b](docs/json.md)\n[c]: docs/c.md"), [1, 3]);
        assert_eq!(dead("docs/json.md", "[out](../../secret)"), [1]);
    }

    #[test]
    fn code_holds_no_links() {
        assert!(dead("README.md", "`x[0](y)`\n```\n[a](b)\n```\n").is_empty());
    }

    #[test]
    fn required_papers_are_asked_for() {
        let problems = check(&names(&[])[1..], &[]);
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["README.md:1: the file is missing: write it"]
        );
    }

    #[test]
    fn the_map_names_every_folder() {
        let names = names(&["tcptrace/src/engine/mod.rs", "tcptrace/src/cli/mod.rs", "tcptrace/src/lib.rs"]);
        let problems = check(&names, &[file(MAP, "`engine/` decides; nocli/ is another\n")]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("tcptrace/src/cli/"), "{problems:?}");
    }
}
