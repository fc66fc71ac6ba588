//! `tcptrace record`.

use std::{
    fs::File,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use super::{
    args::RecordArgs,
    exit::CliError,
    session::{self, Tee},
    setup::live_pipeline,
    talk,
    watch::Watch,
};
use crate::{
    capture::{self, Writer},
    decode::Frame,
};

/// Traces, and stores every frame.
pub(super) fn run(args: &RecordArgs) -> Result<ExitCode, CliError> {
    let mut pipeline = live_pipeline(&args.trace)?;
    let watch = Watch::new(&args.trace.live, &args.trace.filter.socket)?;
    let mut capture = Capture { path: &args.file, force: args.force, writer: None, flushed: None };
    let run = session::run(&args.trace.live, &watch, &mut pipeline, &mut capture);
    if run.is_err() && pipeline.began() && capture.writer.is_some() {
        // Said before the report, which may be long.
        talk::note(&"recording stopped; what was seen until now follows");
    }
    let reported = session::report_after(run, pipeline, args.trace.show.exit_code);
    // Also after a failure: what was recorded until then is worth a proper end.
    if let Some(writer) = capture.writer {
        let finished = writer.finish();
        if reported.is_ok() {
            finished?;
            talk::note(&format_args!("recorded to {}", args.file.display()));
        }
    }
    reported
}

/// The file is made when there is something to write, so a run that cannot start leaves none behind.
struct Capture<'a> {
    path: &'a Path,
    force: bool,
    writer: Option<Writer<File>>,
    /// Not yet: the first batch, which tells of the host, is written at once.
    flushed: Option<Instant>,
}

/// A block is written at least this often, so that a crash costs no more than this.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

impl Tee for Capture<'_> {
    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), CliError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(capture::create(self.path, self.force)?),
        };
        Ok(writer.write(frame)?)
    }

    fn batch(&mut self) -> Result<(), CliError> {
        if self.flushed.is_some_and(|at| at.elapsed() < FLUSH_INTERVAL) {
            return Ok(());
        }
        self.flushed = Some(Instant::now());
        if let Some(writer) = &mut self.writer {
            writer.flush()?;
        }
        Ok(())
    }
}
