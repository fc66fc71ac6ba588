//! The command line: arguments become a checked configuration once, and each command is a file.

mod args;
mod captures;
mod check;
mod doctor;
mod exit;
mod export;
mod filters;
mod hist;
mod input;
mod inspect;
mod limits;
mod out;
mod page;
mod progress;
mod record;
mod replay;
mod runtime;
mod session;
mod setup;
mod signals;
mod talk;
mod trace;
mod unseen;
mod values;
mod watch;

use std::{env, process::ExitCode};

use clap::Parser;

use args::{Cli, Command};
use exit::CliError;

use crate::model::{Shown, is_plain};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => refused(error).exit(),
    };
    if let Err(error) = limits::check(&cli.command) {
        talk::error(&error);
        return error.exit_code();
    }
    let done = match &cli.command {
        Command::Trace(args) => trace::run(args),
        Command::Record(args) => record::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Export(args) => export::run(args),
        Command::Hist(args) => hist::run(args),
        Command::Stuck(args) => inspect::stuck(args),
        Command::Leaks(args) => inspect::leaks(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Check(args) => check::run(args),
    };
    match done {
        Ok(code) => code,
        // A reader that went away has seen what it wanted.
        Err(error) if error.is_closed_pipe() => exit::DONE,
        Err(error) => {
            match &error {
                // The verifier's log has lines.
                CliError::Source(error) => talk::error_lines(error),
                error => talk::error(error),
            }
            error.exit_code()
        }
    }
}

/// What is said of arguments that are no command line, in words that show: the same arguments without what does not
/// show as itself are none either, and messages quote them.
fn refused(error: clap::Error) -> clap::Error {
    let arguments: Vec<String> = env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if arguments.iter().all(|argument| is_plain(argument)) {
        return error;
    }
    match Cli::try_parse_from(arguments.iter().map(|argument| Shown(argument).to_string())) {
        Err(shown) => shown,
        Ok(_) => clap::Error::raw(error.kind(), format!("{}\n", Shown(&error.kind().to_string()))),
    }
}
