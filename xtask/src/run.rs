//! `cargo xtask run`: from a fresh checkout to a running tcptrace.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{process, setup};

/// Needs no privilege, so nobody is asked for a password.
const UNPRIVILEGED: &[&str] = &["replay", "help", "--help", "-h", "--version", "-V"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments for tcptrace; options alone belong to `trace`
    #[arg(last = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(args: Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let args = with_subcommand(args.args);
    let first = args.first().map(OsString::as_os_str).unwrap_or_default();
    let binary = workspace.release_binary();
    // Before the build, so that nobody waits for it to learn that sudo is missing.
    let mut command = if is_unprivileged(first) { Command::new(binary) } else { process::as_root(binary)? };
    setup::ensure_build(&workspace)?;
    workspace.build_release()?;
    process::become_command(command.args(args))
}

fn is_unprivileged(first: &OsStr) -> bool {
    UNPRIVILEGED.iter().any(|word| first == *word)
}

/// `trace` unless another subcommand is named, or the question is about tcptrace itself.
fn with_subcommand(mut args: Vec<OsString>) -> Vec<OsString> {
    let missing = match args.first() {
        None => true,
        Some(first) => first.as_encoded_bytes().starts_with(b"-") && !is_unprivileged(first),
    };
    if missing {
        args.insert(0, "trace".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(args: &[&str]) -> Vec<String> {
        let args = args.iter().map(OsString::from).collect();
        with_subcommand(args).into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn trace_is_the_default() {
        assert_eq!(given(&[]), ["trace"]);
        assert_eq!(given(&["--output", "json"]), ["trace", "--output", "json"]);
    }

    #[test]
    fn a_named_subcommand_stays() {
        assert_eq!(given(&["check"]), ["check"]);
        assert_eq!(given(&["trace", "--duration", "5s"]), ["trace", "--duration", "5s"]);
        assert_eq!(given(&["--help"]), ["--help"]);
    }
}
