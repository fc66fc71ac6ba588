//! The project's own commands, started as `cargo xtask <command>`. One file a command; `cli` lists them.
//!
//! Nothing here is part of the shipped tool, and nothing in the shipped tool may need it at run time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "xtask talks to a person on a terminal")]

mod bench;
mod cli;
mod demo;
mod fuzz;
mod lint;
mod process;
mod run;
mod setup;
mod test;
mod tidy;
mod vm;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, never a backtrace: what failed is a tool or a check, not this program.
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
