//! `tcptrace replay`.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use super::{
    args::ReplayArgs,
    exit::CliError,
    session,
    setup::{nanos, pipeline},
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
    let mut reader = capture::open(&args.file)?;
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
        &args.filter,
        stuck_ns.unwrap_or_else(|| or_default(host.stuck_after_ns, default.stuck_after_ns)),
        leak_ns.unwrap_or_else(|| or_default(host.leak_after_ns, default.leak_after_ns)),
    )?;
    if let Some(frame) = first {
        pipeline.frame(frame)?;
    }
    let read = read_all(&mut reader, &mut pipeline);
    if !reader.stats().is_whole() {
        talk::note(&format_args!("{}: {}", args.file.display(), reader.stats()));
    }
    if let Ending::BrokeOff { .. } = reader.ending() {
        talk::note(&format_args!("{}: {}", args.file.display(), reader.ending()));
    }
    session::report_after(read, pipeline, args.show.exit_code)
}

fn read_all<R: Read, W: Write>(reader: &mut Reader<R>, pipeline: &mut Pipeline<W>) -> Result<(), CliError> {
    while let Some(frame) = reader.next()? {
        pipeline.frame(frame)?;
    }
    Ok(())
}
