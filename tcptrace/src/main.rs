//! The `tcptrace` program: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tcptrace::cli::main()
}
