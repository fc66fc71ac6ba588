//! `tcptrace trace`.

use std::process::ExitCode;

use super::{
    args::TraceArgs,
    exit::CliError,
    session::{self, NoTee},
    setup::{live_filter, nanos, pipeline},
};

/// Watches, and reports what was seen whatever ended the watch.
pub(super) fn run(args: &TraceArgs) -> Result<ExitCode, CliError> {
    let stuck_ns = nanos(args.live.stuck_after);
    let mut pipeline = pipeline(&args.show, live_filter(&args.filter)?, stuck_ns, nanos(args.live.leak_after))?;
    let mut tee = NoTee;
    session::report_after(session::run(&args.live, &mut pipeline, &mut tee), pipeline, args.show.exit_code)
}
