//! `tcptrace replay`.

use std::{
    io::{Read, Write},
    path::Path,
    process::ExitCode,
};

use super::{
    args::ReplayArgs,
    exit::CliError,
    session,
    setup::{nanos, pipeline, replay_filter},
    talk,
};
use crate::{
    capture::{self, Ending, Reader},
    decode::Frame,
    engine::Config,
    pipeline::Pipeline,
};

/// Runs a capture through the same pipeline.
pub(super) fn run(args: &ReplayArgs) -> Result<ExitCode, CliError> {
    let filter = replay_filter(&args.filter)?;
    let mut reader = capture::open(&args.file)?;
    let torn = reader.gap()?;
    let first = reader.next()?;
    let host = match &first {
        Some(Frame::Host(host)) => host.clone(),
        _ => Default::default(),
    };
    let default = Config::default();
    let or_default = |recorded_ns: u64, default_ns: u64| if recorded_ns == 0 { default_ns } else { recorded_ns };
    let stuck_ns = args.stuck_after.map(nanos);
    let leak_ns = args.leak_after.map(nanos);
    let mut pipeline = pipeline(
        &args.show,
        filter,
        stuck_ns.unwrap_or_else(|| or_default(host.stuck_after_ns, default.stuck_after_ns)),
        leak_ns.unwrap_or_else(|| or_default(host.leak_after_ns, default.leak_after_ns)),
    )?;
    if torn {
        pipeline.gap()?;
    }
    if let Some(frame) = first {
        pipeline.frame(frame)?;
    }
    let read = read_all(&mut reader, &mut pipeline);
    // Where the reader of our text went away, the capture was not read to its end.
    if !matches!(&read, Err(CliError::Output(_))) {
        tell_state(&args.file, &reader);
    }
    session::report_after(read, pipeline, args.show.exit_code)
}

fn read_all<R: Read, W: Write>(reader: &mut Reader<R>, pipeline: &mut Pipeline<W>) -> Result<(), CliError> {
    loop {
        if reader.gap()? {
            pipeline.gap()?;
        }
        let Some(frame) = reader.next()? else { return Ok(()) };
        pipeline.frame(frame)?;
    }
}

/// What is wrong with the capture, if anything is.
pub(super) fn tell_state<R: Read>(path: &Path, reader: &Reader<R>) {
    if !reader.stats().is_whole() {
        talk::note(&format_args!("{}: {}", path.display(), reader.stats()));
    }
    if let Ending::BrokeOff { .. } = reader.ending() {
        talk::note(&format_args!("{}: {}", path.display(), reader.ending()));
    }
}
