//! The command line: arguments become a checked configuration once, and each command is a file.

mod args;
mod captures;
mod check;
mod doctor;
mod exit;
mod export;
mod filters;
mod hist;
mod inspect;
mod page;
mod record;
mod replay;
mod session;
mod setup;
mod signals;
mod talk;
mod trace;
mod values;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
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
            talk::error(&error);
            error.exit_code()
        }
    }
}
