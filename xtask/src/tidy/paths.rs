//! The paths that Rust code names, `use` trees spread out and imported names put back to where they come from.

use std::collections::HashMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::tokens::{Token, tokens};

/// A path as it resolves: from `crate`, or from another crate's name. A glob ends in `*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
}

/// All paths of two and more segments, and all imports, in `code` (without comments) of the module `module`.
pub(super) fn named(code: &str, module: &[String]) -> Vec<Named> {
    let mut walker = Walker {
        tokens: tokens(code).into_iter().peekable(),
        module: module.to_vec(),
        inline: Vec::new(),
        depth: 0,
        raw: Vec::new(),
    };
    walker.walk();
    resolve(walker.raw)
}

/// A path as written, and what it has to be read with.
struct Raw {
    named: Named,
    module: Vec<String>,
    import_as: Option<String>,
}

struct Walker {
    tokens: Peekable<IntoIter<(usize, Token)>>,
    module: Vec<String>,
    /// For each inline module that is open: the depth of braces outside of it.
    inline: Vec<usize>,
    depth: usize,
    raw: Vec<Raw>,
}

impl Walker {
    fn walk(&mut self) {
        while let Some((_, token)) = self.tokens.peek() {
            match token {
                Token::Word(word) if word == "use" => {
                    self.tokens.next();
                    self.tree(Vec::new(), true);
                }
                Token::Word(word) if word == "mod" => self.module_head(),
                Token::Word(_) => self.tree(Vec::new(), false),
                Token::Open => {
                    self.depth += 1;
                    self.tokens.next();
                }
                Token::Close => self.close(),
                _ => {
                    self.tokens.next();
                }
            }
        }
    }

    fn module_head(&mut self) {
        self.tokens.next();
        let Some((_, Token::Word(name))) = self.tokens.next_if(|(_, token)| matches!(token, Token::Word(_))) else {
            return;
        };
        if self.tokens.next_if(|(_, token)| *token == Token::Open).is_some() {
            self.inline.push(self.depth);
            self.module.push(name);
            self.depth += 1;
        }
    }

    fn close(&mut self) {
        self.tokens.next();
        self.depth = self.depth.saturating_sub(1);
        if self.inline.last() == Some(&self.depth) {
            self.inline.pop();
            self.module.pop();
        }
    }

    /// One path, or one `use` tree with all its leaves.
    fn tree(&mut self, mut path: Vec<String>, import: bool) {
        let mut line = self.tokens.peek().map_or(0, |(line, _)| *line);
        self.skip(&Token::PathSeparator);
        loop {
            match self.tokens.peek().cloned() {
                Some((at, Token::Word(word))) => {
                    line = at;
                    self.tokens.next();
                    path.push(word);
                    if !self.skip(&Token::PathSeparator) {
                        break;
                    }
                }
                Some((_, Token::Star)) if import => {
                    self.tokens.next();
                    path.push("*".to_owned());
                    break;
                }
                Some((_, Token::Open)) if import => return self.group(&path),
                _ => break,
            }
        }
        self.leaf(line, path, import);
    }

    fn group(&mut self, path: &[String]) {
        self.tokens.next();
        while let Some((_, token)) = self.tokens.peek() {
            match token {
                Token::Close => {
                    self.tokens.next();
                    return;
                }
                Token::Word(_) | Token::Star | Token::Open | Token::PathSeparator => self.tree(path.to_vec(), true),
                Token::Comma | Token::Other => {
                    self.tokens.next();
                }
            }
        }
    }

    fn leaf(&mut self, line: usize, mut path: Vec<String>, import: bool) {
        let mut import_as = None;
        if import {
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            import_as = path.last().cloned();
            if self.skip(&Token::Word("as".to_owned()))
                && let Some((_, Token::Word(name))) = self.tokens.next()
            {
                import_as = Some(name);
            }
        }
        // `use<'a>` in a type is no import.
        if path.len() > 1 || import && !path.is_empty() {
            self.raw.push(Raw { named: Named { line, path }, module: self.module.clone(), import_as });
        }
    }

    fn skip(&mut self, wanted: &Token) -> bool {
        self.tokens.next_if(|(_, token)| token == wanted).is_some()
    }
}

fn resolve(raw: Vec<Raw>) -> Vec<Named> {
    let imports: HashMap<String, Vec<String>> = raw
        .iter()
        .filter_map(|one| Some((one.import_as.clone()?, from_root(&one.named.path, &one.module, &HashMap::new()))))
        .collect();
    raw.into_iter()
        .map(|one| {
            // An import's own first segment is never looked up: `use std::time` must not find itself.
            let known = if one.import_as.is_some() { &HashMap::new() } else { &imports };
            Named { line: one.named.line, path: from_root(&one.named.path, &one.module, known) }
        })
        .collect()
}

fn from_root(path: &[String], module: &[String], imports: &HashMap<String, Vec<String>>) -> Vec<String> {
    let Some((first, rest)) = path.split_first() else {
        return Vec::new();
    };
    let base = match first.as_str() {
        "crate" => vec!["crate".to_owned()],
        "self" | "super" => return relative(path, module),
        name => imports.get(name).cloned().unwrap_or_else(|| vec![name.to_owned()]),
    };
    base.into_iter().chain(rest.iter().cloned()).collect()
}

fn relative(path: &[String], module: &[String]) -> Vec<String> {
    let steps = path.iter().take_while(|segment| *segment == "self" || *segment == "super").count();
    let up = path.iter().filter(|segment| *segment == "super").count();
    let kept = module.iter().take(module.len().saturating_sub(up));
    std::iter::once(&"crate".to_owned()).chain(kept).chain(path.iter().skip(steps)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(code: &str) -> Vec<String> {
        named(code, &["engine".to_owned(), "table".to_owned()]).iter().map(|one| one.path.join("::")).collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        assert_eq!(
            all("use std::{fs, net::{IpAddr, TcpStream as T}, time::*};"),
            ["std::fs", "std::net::IpAddr", "std::net::TcpStream", "std::time::*"]
        );
        assert_eq!(all("pub(crate) use {crate::model, ::aya};"), ["crate::model", "aya"]);
    }

    #[test]
    fn relative_paths_start_at_the_root() {
        assert_eq!(all("use super::super::decode::Event;"), ["crate::decode::Event"]);
        assert_eq!(all("self::x(); super::y::z();"), ["crate::engine::table::x", "crate::engine::y::z"]);
    }

    #[test]
    fn inline_modules_count() {
        let code = "mod tests { use super::*; fn f() { super::g() } }\nfn h() { super::i() }";
        assert_eq!(all(code), ["crate::engine::table::*", "crate::engine::table::g", "crate::engine::i"]);
    }

    #[test]
    fn imported_modules_are_followed() {
        assert_eq!(
            all("use std::time::{self, Duration}; time::Instant::now();").last().unwrap(),
            "std::time::Instant::now"
        );
        assert_eq!(all("use std::net as n; n::TcpStream::connect()").last().unwrap(), "std::net::TcpStream::connect");
    }

    #[test]
    fn what_is_no_path_is_left_out() {
        assert!(all("let aya = x.tokio; Vec::<u8>; fn f() -> impl T + use<'a> {}").is_empty());
    }
}
