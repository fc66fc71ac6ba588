//! `tcptrace replay`: one capture, or several as one fleet.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    args::ReplayArgs,
    exit::CliError,
    session,
    setup::{self, nanos, replay_filter},
    talk,
};
use crate::{
    capture::{self, Ending, Reader},
    decode::Frame,
    engine::Config,
    filter::Filter,
    model::HostInfo,
    pipeline::Pipeline,
};

/// Captures read at once: each keeps a file and two blocks open.
const CAPTURES_MAX: usize = 512;

/// Runs captures through the same pipeline.
pub(super) fn run(args: &ReplayArgs) -> Result<ExitCode, CliError> {
    let filter = replay_filter(&args.filter)?;
    if args.files.len() > CAPTURES_MAX {
        let count = args.files.len();
        return Err(CliError::Usage(format!("{count} captures: at most {CAPTURES_MAX} can be read together")));
    }
    let mut pipeline = setup::pipeline(&args.show);
    let mut fleet = Vec::new();
    for file in &args.files {
        fleet.push(Capture::open(file, args, &filter, &mut pipeline)?);
    }
    for capture in &mut fleet {
        capture.begin(&mut pipeline)?;
    }
    let read = read_all(&mut fleet, &mut pipeline);
    // Where the reader of our text went away, the captures were not read to their ends.
    if !matches!(&read, Err(CliError::Output(_))) {
        fleet.iter().for_each(Capture::tell_state);
    }
    session::report_after(read, pipeline, args.show.exit_code)
}

/// Always the one that is furthest behind.
fn read_all<W: Write>(fleet: &mut [Capture], pipeline: &mut Pipeline<W>) -> Result<(), CliError> {
    while let Some(next) = fleet.iter_mut().filter(|capture| !capture.over).min_by_key(|capture| capture.time_ns) {
        next.step(pipeline)?;
    }
    Ok(())
}

/// One capture of the fleet.
struct Capture {
    path: PathBuf,
    reader: Reader<File>,
    /// Its first frame, until that is handed on.
    host: Option<HostInfo>,
    torn: bool,
    /// Its number in the pipeline.
    number: usize,
    /// How far it has come; `None` before its first tick.
    time_ns: Option<u64>,
    over: bool,
}

impl Capture {
    /// Opens a capture and adds its host, to be judged with the recording run's thresholds if none are given.
    fn open<W: Write>(
        path: &Path,
        args: &ReplayArgs,
        filter: &Filter,
        pipeline: &mut Pipeline<W>,
    ) -> Result<Self, CliError> {
        let mut reader = capture::open(path)?;
        let torn = reader.gap()?;
        let host = reader.host()?;
        let recorded = host.clone().unwrap_or_default();
        let default = Config::default();
        let or_default = |recorded_ns: u64, default_ns: u64| if recorded_ns == 0 { default_ns } else { recorded_ns };
        let stuck_ns = args.stuck_after.map(nanos);
        let leak_ns = args.leak_after.map(nanos);
        let config = setup::config(
            &args.show,
            stuck_ns.unwrap_or_else(|| or_default(recorded.stuck_after_ns, default.stuck_after_ns)),
            leak_ns.unwrap_or_else(|| or_default(recorded.leak_after_ns, default.leak_after_ns)),
        );
        let number = pipeline.add_host(config, filter.clone());
        Ok(Self { path: path.to_owned(), reader, host, torn, number, time_ns: None, over: false })
    }

    /// Hands on what was read already.
    fn begin<W: Write>(&mut self, pipeline: &mut Pipeline<W>) -> Result<(), CliError> {
        if self.torn {
            pipeline.gap(self.number)?;
        }
        if let Some(host) = self.host.take() {
            pipeline.frame(self.number, Frame::Host(host))?;
        }
        Ok(())
    }

    /// Hands on one frame.
    fn step<W: Write>(&mut self, pipeline: &mut Pipeline<W>) -> Result<(), CliError> {
        if self.reader.gap()? {
            pipeline.gap(self.number)?;
        }
        match self.reader.next()? {
            Some(frame) => pipeline.frame(self.number, frame)?,
            None => self.over = true,
        }
        self.time_ns = pipeline.time_ns(self.number);
        Ok(())
    }

    fn tell_state(&self) {
        tell_state(&self.path, &self.reader);
    }
}

/// What is wrong with a capture, if anything is.
pub(super) fn tell_state<R: Read>(path: &Path, reader: &Reader<R>) {
    let path = path.display();
    if !reader.stats().is_whole() {
        talk::note(&format_args!("{path}: {}", reader.stats()));
    }
    if let Ending::BrokeOff { .. } = reader.ending() {
        talk::note(&format_args!("{path}: {}", reader.ending()));
    }
}
