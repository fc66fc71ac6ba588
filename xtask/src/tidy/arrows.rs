//! Which room of tcptrace/src may import what: data flows one way, and the rooms in the middle are pure.

use super::paths::{Named, named};
use super::source::Source;
use super::{File, Problem};

const RUST_ROOT: &str = "tcptrace/src/";

struct Room {
    name: &'static str,
    /// The other rooms that it may name.
    may_use: &'static [&'static str],
    /// Held to [`IMPURE`]: what it says depends on its inputs alone.
    pure: bool,
    why: &'static str,
}

/// The allowed arrows. A folder or file directly below tcptrace/src that is not listed is free: it is an end of the
/// flow.
const ROOMS: &[Room] = &[
    Room { name: "model", may_use: &[], pure: true, why: "it holds the words that all rooms share" },
    Room {
        name: "decode",
        may_use: &["model"],
        pure: true,
        why: "bytes become facts in one place, live and replayed alike",
    },
    Room {
        name: "engine",
        may_use: &["model", "diagnosis"],
        pure: true,
        why: "it is a function of its inputs, so that replay equals live",
    },
    Room { name: "diagnosis", may_use: &["model"], pure: true, why: "every command judges a look in the same way" },
    Room {
        name: "census",
        may_use: &["model", "diagnosis"],
        pure: true,
        why: "what whole dumps mean is tested with literal histories",
    },
    Room {
        name: "doctor",
        may_use: &["model", "diagnosis"],
        pure: true,
        why: "its rules are tables of facts and verdicts, on both sides of each boundary",
    },
    Room { name: "report", may_use: &["model"], pure: true, why: "the same facts give the same report" },
    Room { name: "output", may_use: &["model", "report"], pure: false, why: "it only shows what was already decided" },
    Room {
        name: "export",
        may_use: &["model", "report", "output"],
        pure: true,
        why: "a table says what a replay says, in columns",
    },
];

/// The outside world, as far as std and our dependencies lead there. Addresses (`std::net::IpAddr`) and `Duration` are
/// data.
const IMPURE: &[&str] = &[
    "aya",
    "aya_log",
    "tokio",
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Tests inside of the rooms are held to the same rules: one that needs the world belongs in tests/.
pub(super) fn check(file: &File, source: &Source) -> Vec<Problem> {
    let Some(module) = module_of(&file.path) else {
        return Vec::new();
    };
    let Some(room) = ROOMS.iter().find(|room| module.first().is_some_and(|first| first == room.name)) else {
        return Vec::new();
    };
    let mut problems: Vec<Problem> = Vec::new();
    for one in named(&source.code, &module) {
        let message = arrow(room, &one).or_else(|| impurity(room, &one));
        problems.extend(message.map(|message| Problem::new(file, one.line, message)));
    }
    problems.dedup();
    problems
}

/// `tcptrace/src/engine/table.rs` is `engine::table`.
fn module_of(path: &str) -> Option<Vec<String>> {
    let inner = path.strip_prefix(RUST_ROOT)?.strip_suffix(".rs")?;
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib" || last == "main") {
        module.pop();
    }
    Some(module)
}

fn arrow(room: &Room, one: &Named) -> Option<String> {
    let (first, rest) = one.path.split_first()?;
    if first != "crate" {
        return None;
    }
    let target = rest.first().map_or("*", String::as_str);
    if target == room.name || room.may_use.contains(&target) {
        return None;
    }
    let allowed = if room.may_use.is_empty() { "no other room".to_owned() } else { room.may_use.join(" and ") };
    Some(format!(
        "{} must not use crate::{target} ({}): it may use {allowed}; move what both need into model, \
         or pass it in from the pipeline",
        room.name, room.why
    ))
}

fn impurity(room: &Room, one: &Named) -> Option<String> {
    let found = IMPURE.iter().find(|forbidden| room.pure && reaches(&one.path, forbidden))?;
    Some(format!(
        "{} must not use {found} ({}): let time and data arrive in its inputs, \
         and do this in source, capture or pipeline",
        room.name, room.why
    ))
}

/// Whether `path` is `forbidden`, lies below it, or is a glob that brings it in.
fn reaches(path: &[String], forbidden: &str) -> bool {
    let forbidden: Vec<&str> = forbidden.split("::").collect();
    let is_glob = path.last().is_some_and(|last| last == "*");
    let whole = if is_glob { path.len() - 1 } else { path.len() };
    if whole < forbidden.len() && !is_glob {
        return false;
    }
    whole > 0 && path.iter().take(whole).zip(&forbidden).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let file = file(path, text);
        check(&file, &Source::split(text))
            .iter()
            .map(|problem| format!("{}: {}", problem.line, problem.message))
            .collect()
    }

    #[test]
    fn data_is_welcome_everywhere() {
        let text =
            "use std::net::{IpAddr, Ipv4Addr};\nuse std::time::Duration;\nuse crate::model::Close;\nuse super::timer;";
        assert!(problems("tcptrace/src/engine/table.rs", text).is_empty());
    }

    #[test]
    fn the_world_is_not() {
        for path in IMPURE {
            let found = problems("tcptrace/src/engine/mod.rs", &format!("// why\nuse {path};"));
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            assert!(found[0].starts_with(&format!("2: engine must not use {path} ")), "{found:?}");
        }
        assert_eq!(problems("tcptrace/src/report.rs", "use std::time; fn f() { time::Instant::now(); }").len(), 1);
        assert_eq!(problems("tcptrace/src/decode/mod.rs", "use std::net::*;").len(), 1);
    }

    #[test]
    fn tests_are_held_to_it_too() {
        let text = "#[cfg(test)]\nmod tests {\n    fn f() { std::fs::read(\"x\"); }\n}";
        assert_eq!(problems("tcptrace/src/engine/mod.rs", text).len(), 1);
    }

    #[test]
    fn arrows_point_one_way() {
        for (room, target, allowed) in [
            ("engine", "decode", false),
            ("engine", "model", true),
            ("engine", "diagnosis", true),
            ("diagnosis", "engine", false),
            ("model", "engine", false),
            ("decode", "model", true),
            ("report", "engine", false),
            ("output", "report", true),
            ("output", "engine", false),
            ("export", "report", true),
            ("export", "engine", false),
            ("pipeline", "engine", true),
        ] {
            let path = format!("tcptrace/src/{room}/part.rs");
            for text in [format!("use crate::{target}::X;"), format!("fn f() {{ super::super::{target}::x() }}")] {
                assert_eq!(problems(&path, &text).is_empty(), allowed, "{room} -> {text}");
            }
        }
    }

    #[test]
    fn comments_and_strings_are_no_imports() {
        let text = "//! Not std::fs, not tokio::time.\nconst X: &str = \"crate::decode::x\";";
        assert!(problems("tcptrace/src/engine/mod.rs", text).is_empty());
    }

    #[test]
    fn other_folders_are_free() {
        assert!(problems("tests/src/engine/mod.rs", "use std::fs;").is_empty());
        assert!(problems("tcptrace/src/main.rs", "use std::env;").is_empty());
    }
}
