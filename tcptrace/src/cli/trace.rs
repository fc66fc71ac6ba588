//! `tcptrace trace`.

use std::process::ExitCode;

use super::{
    args::TraceArgs,
    exit::CliError,
    session::{self, NoTee},
    setup::live_pipeline,
    watch::Watch,
};

/// Watches, and reports what was seen whatever ended the watch.
pub(super) fn run(args: &TraceArgs) -> Result<ExitCode, CliError> {
    let mut pipeline = live_pipeline(args)?;
    let watch = Watch::new(&args.live, &args.filter.socket)?;
    let mut tee = NoTee;
    session::report_after(session::run(&args.live, &watch, &mut pipeline, &mut tee), pipeline, args.show.exit_code)
}
