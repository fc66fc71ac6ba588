//! Captures as a source: one, or several as one fleet.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    exit::CliError,
    input::{Reading, STREAM, Source},
    setup::{config, nanos},
    talk,
};
use crate::{
    capture::{BreakReason, Ending, Reader},
    decode::Frame,
    engine::Config,
    filter::Filter,
    model::HostInfo,
    pipeline::{Pipeline, Sink},
};

/// Captures read at once: each keeps a file and two blocks open.
const CAPTURES_MAX: usize = 512;

/// How captures are judged.
#[derive(Clone, Copy)]
pub(super) struct Thresholds {
    /// Instead of the recording run's.
    pub(super) stuck_after: Option<Duration>,
    /// Instead of the recording run's.
    pub(super) leak_after: Option<Duration>,
    /// Also single events are wanted.
    pub(super) echo_events: bool,
    /// Also connects that failed are wanted.
    pub(super) failed_connects: bool,
}

/// Captures that are read together, on the clocks of their hosts.
pub(super) struct Fleet(Vec<Capture>);

impl Fleet {
    /// Opens captures, and adds the host of each to the pipeline.
    pub(super) fn open<S: Sink>(
        files: &[PathBuf],
        thresholds: Thresholds,
        filter: &Filter,
        reading: &Reading,
        pipeline: &mut Pipeline<S>,
    ) -> Result<Self, CliError> {
        if files.iter().filter(|file| file.as_os_str() == STREAM).count() > 1 {
            return Err(CliError::Usage("-: standard input is one capture, and was named twice".to_owned()));
        }
        if files.len() > CAPTURES_MAX {
            let count = files.len();
            return Err(CliError::Usage(format!("{count} captures: at most {CAPTURES_MAX} can be read together")));
        }
        let open = |file: &PathBuf| Capture::open(file, thresholds, filter, reading, pipeline);
        Ok(Self(files.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// The recording hosts that are known, until reading begins.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &HostInfo> {
        self.0.iter().filter_map(|capture| capture.host.as_ref())
    }

    /// Reads all of them to their ends, and says what is wrong with any.
    pub(super) fn read<S: Sink>(&mut self, pipeline: &mut Pipeline<S>) -> Result<(), CliError> {
        let read = self.read_all(pipeline);
        // Where the reader of our text went away, the captures were not read to their ends.
        if !matches!(&read, Err(CliError::Output(_))) {
            self.0.iter().for_each(Capture::tell_state);
        }
        read
    }

    /// Always the one that is furthest behind.
    fn read_all<S: Sink>(&mut self, pipeline: &mut Pipeline<S>) -> Result<(), CliError> {
        tell_namesakes(self.hosts().map(|host| host.hostname.as_str()));
        for capture in &mut self.0 {
            capture.begin(pipeline)?;
        }
        loop {
            let unread = self.0.iter_mut().filter(|capture| !capture.over);
            let Some(next) = unread.min_by_key(|capture| capture.time_ns) else { return Ok(()) };
            next.step(pipeline)?;
        }
    }
}

/// Says which captures cannot be told apart: names are all that hosts have, and two machines may have one name. Of a
/// capture whose beginning is lost the name is not known, and is empty.
pub(super) fn tell_namesakes<'a>(names: impl Iterator<Item = &'a str>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names.filter(|name| !name.is_empty()) {
        *counts.entry(name).or_default() += 1;
    }
    for (name, count) in counts.iter().filter(|(_, count)| **count > 1) {
        talk::note(&format_args!("{count} captures are of a host named {name:?}: by host, they are one"));
    }
}

/// One capture of the fleet.
struct Capture {
    path: PathBuf,
    reader: Reader<Source>,
    reading: Reading,
    was_being_written: bool,
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
    fn open<S: Sink>(
        path: &Path,
        thresholds: Thresholds,
        filter: &Filter,
        reading: &Reading,
        pipeline: &mut Pipeline<S>,
    ) -> Result<Self, CliError> {
        let (source, path) = Source::open(path, reading)?;
        let was_being_written = source.was_being_written();
        let mut reader = Reader::new(source, &path)?;
        let torn = reader.gap()?;
        let host = reader.host()?;
        let recorded = host.clone().unwrap_or_default();
        let default = Config::default();
        let or_default = |recorded_ns: u64, default_ns: u64| if recorded_ns == 0 { default_ns } else { recorded_ns };
        let stuck_ns = thresholds.stuck_after.map(nanos);
        let leak_ns = thresholds.leak_after.map(nanos);
        let config = config(
            thresholds.echo_events,
            stuck_ns.unwrap_or_else(|| or_default(recorded.stuck_after_ns, default.stuck_after_ns)),
            leak_ns.unwrap_or_else(|| or_default(recorded.leak_after_ns, default.leak_after_ns)),
        );
        let config = Config { failed_connects: thresholds.failed_connects, ..config };
        let number = pipeline.add_host(config, filter.clone());
        let (reading, time_ns, over) = (reading.clone(), None, false);
        Ok(Self { path, reader, reading, was_being_written, host, torn, number, time_ns, over })
    }

    /// Hands on what was read already.
    fn begin<S: Sink>(&mut self, pipeline: &mut Pipeline<S>) -> Result<(), CliError> {
        if self.torn {
            pipeline.gap(self.number)?;
        }
        if let Some(host) = self.host.take() {
            pipeline.frame(self.number, Frame::Host(Box::new(host)))?;
        }
        Ok(())
    }

    /// Hands on one frame.
    fn step<S: Sink>(&mut self, pipeline: &mut Pipeline<S>) -> Result<(), CliError> {
        if self.reading.follow && self.reader.at_block_end() {
            // The next block may take its time.
            pipeline.flush()?;
        }
        if self.reader.gap()? {
            pipeline.gap(self.number)?;
        }
        match self.reader.next()? {
            Some(frame) => pipeline.frame(self.number, frame)?,
            None => {
                self.over = true;
                pipeline.over(self.number)?;
            }
        }
        self.time_ns = pipeline.time_ns(self.number);
        Ok(())
    }

    /// What is wrong with the capture, if anything is.
    fn tell_state(&self) {
        let (path, reader) = (self.path.display(), &self.reader);
        let follows = self.reading.follow && !self.reading.is_stopped();
        if let Ending::BrokeOff { at_offset, reason: BreakReason::NoClosingBlock | BreakReason::CutOff } =
            reader.ending()
            && self.was_being_written
            && !follows
        {
            let more = if self.reading.follow { "" } else { "; --follow reads on" };
            talk::note(&format_args!("{path} is still being recorded: read up to byte {at_offset}{more}"));
            return;
        }
        if !reader.stats().is_whole() {
            talk::note(&format_args!("{path}: {}", reader.stats()));
        }
        if let Ending::BrokeOff { .. } = reader.ending() {
            talk::note(&format_args!("{path}: {}", reader.ending()));
        }
    }
}
