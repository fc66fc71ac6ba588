//! `tcptrace record`.

use std::{
    fs::File,
    io::IsTerminal,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use super::{
    args::RecordArgs,
    exit::CliError,
    input::STREAM,
    out::{self, Out},
    progress::Progress,
    session::{self, Tee},
    setup::record_pipeline,
    signals, talk,
    watch::Watch,
};
use crate::{
    capture::{self, Fate, Writer},
    decode::Frame,
    model::Books,
};

/// Traces, and stores every frame. Whatever becomes of its text, the recording goes on.
pub(super) fn run(args: &RecordArgs) -> Result<ExitCode, CliError> {
    let show = &args.trace.show;
    let to_stdout = args.file.as_os_str() == STREAM;
    let lines = args.lines || show.transitions || show.max_rate.is_some();
    if to_stdout && std::io::stdout().is_terminal() {
        let why = "record -: standard output is a terminal; pipe the capture into a program, or name a file";
        return Err(CliError::Usage(why.to_owned()));
    }
    #[expect(clippy::disallowed_methods, reason = "the summary, whose text the renderer has made harmless")]
    let out = if to_stdout { Out::Stderr(std::io::stderr()) } else { Out::Stdout(std::io::stdout()) };
    let (out, printer) = out::loose(out)?;
    let mut pipeline = record_pipeline(&args.trace, lines, out)?;
    let watch = Watch::new(&args.trace.live, &args.trace.filter.socket)?;
    let path = (!to_stdout).then_some(args.file.as_path());
    let progress = Progress::new(lines);
    let mut capture = Capture { path, force: args.force, writer: None, flushed: None, fate: Fate::Named, progress };
    let run = session::run(&args.trace.live, &watch, &mut pipeline, &mut capture);
    talk::end_progress();
    if run.is_err() && pipeline.began() && capture.writer.is_some() {
        // Said before the report, which may be long.
        talk::note(&"recording stopped; what was seen until now follows");
    }
    // First of all, and also after a failure: the report may wait for its reader.
    let finished = signals::busy(|| capture.finish());
    if run.is_ok() && finished.is_ok() {
        let name = path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
        talk::note(&format_args!("recorded to {name}"));
    }
    printer.may_wait();
    let reported = session::report_after(run, pipeline, show.exit_code);
    let (left_out, printed) = printer.finish();
    if left_out > 0 {
        talk::note(&format_args!(
            "{left_out} lines were not printed, because nobody read them fast enough; the capture has everything"
        ));
    }
    let code = reported?;
    finished?;
    printed?;
    Ok(code)
}

/// The file is made when there is something to write, so a run that cannot start leaves none behind.
struct Capture<'a> {
    /// `None`: standard output.
    path: Option<&'a Path>,
    force: bool,
    writer: Option<Writer<File>>,
    /// Not yet: the first batch, which tells of the host, is written at once.
    flushed: Option<Instant>,
    /// What was told of the file.
    fate: Fate,
    progress: Progress,
}

/// A block is written at least this often, so that a crash costs no more than this.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

impl Capture<'_> {
    /// Says what somebody did to the file meanwhile, once.
    fn tell_fate(&mut self) {
        let (Some(path), Some(writer)) = (self.path, &mut self.writer) else { return };
        let fate = writer.fate(path);
        if fate == self.fate || fate == Fate::Named {
            return;
        }
        self.fate = fate;
        let path = path.display();
        match fate {
            Fate::Removed | Fate::Replaced => {
                let what =
                    if fate == Fate::Removed { "was removed or renamed" } else { "was replaced by another file" };
                let (pid, fd) = (std::process::id(), writer.descriptor());
                talk::note(&format_args!(
                    "{path} {what} while it is recorded: /proc/{pid}/fd/{fd} leads to the capture until this run ends"
                ));
            }
            Fate::Truncated => talk::note(&format_args!(
                "{path} was truncated while it is recorded: its beginning is lost, and recording goes on"
            )),
            Fate::Named => {}
        }
    }

    fn finish(mut self) -> Result<(), CliError> {
        let Some(path) = self.path else { return self.writer.map_or(Ok(()), |writer| Ok(writer.finish().map(drop)?)) };
        self.tell_fate();
        let Some(writer) = self.writer else { return Ok(()) };
        Ok(writer.finish_at(path)?)
    }
}

impl Tee for Capture<'_> {
    fn begin(&mut self) -> Result<(), CliError> {
        self.writer = Some(match self.path {
            Some(path) => capture::create(path, self.force)?,
            None => capture::create_on_stdout()?,
        });
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), CliError> {
        match &mut self.writer {
            Some(writer) => Ok(writer.write(frame)?),
            None => Ok(()),
        }
    }

    fn batch(&mut self, closes: u64, books: &Books) -> Result<(), CliError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.progress.show(closes, writer.written().bytes, books.lost);
        if self.flushed.is_some_and(|at| at.elapsed() < FLUSH_INTERVAL) {
            return Ok(());
        }
        self.flushed = Some(Instant::now());
        writer.flush()?;
        signals::made_progress();
        self.tell_fate();
        Ok(())
    }
}
