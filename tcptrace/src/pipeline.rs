//! The one way from frames to text, for live runs and replays alike.

use std::{
    io::{self, Write},
    mem,
};

use crate::{
    decode::{Frame, decode},
    engine::{Config, Engine},
    filter::Filter,
    model::{FindingStatus, Input, Output, Want},
    output::Renderer,
    report::{Context, Report, Summary},
};

/// Text is handed to the writer when this much has gathered, and at each [`Pipeline::flush`].
const BUFFER_BYTES: usize = 64 << 10;

/// What a pipeline is made of.
pub struct Parts<W> {
    /// For the engine.
    pub config: Config,
    /// What the reader wants to see.
    pub filter: Filter,
    /// How it looks.
    pub renderer: Renderer,
    /// Where it goes.
    pub out: W,
    /// Print a line for each close and finding, not the summary alone.
    pub lines: bool,
}

/// Takes each close, finding and event that passes the filters, beside the text.
pub trait Sink {
    /// One output, with what makes words of its numbers.
    ///
    /// # Errors
    /// Ends the run.
    fn output(&mut self, output: &Output, context: &Context) -> io::Result<()>;
}

/// Takes nothing.
impl Sink for () {
    fn output(&mut self, _output: &Output, _context: &Context) -> io::Result<()> {
        Ok(())
    }
}

/// decode -> engine -> filter -> report -> output.
pub struct Pipeline<W, S = ()> {
    engine: Engine,
    /// Events for which the engine reads ahead; whatever else comes or is asked, they are handled first.
    ahead: Vec<Input>,
    filter: Filter,
    report: Report,
    context: Context,
    renderer: Renderer,
    out: W,
    sink: S,
    text: Vec<u8>,
    lines: bool,
    findings: u64,
    began: bool,
}

impl<W: Write> Pipeline<W> {
    /// A pipeline that has seen nothing.
    pub fn new(parts: Parts<W>) -> Self {
        Self::with_sink(parts, ())
    }
}

impl<W: Write, S: Sink> Pipeline<W, S> {
    /// A pipeline that has seen nothing, and tells somebody else, too.
    pub fn with_sink(parts: Parts<W>, sink: S) -> Self {
        Self {
            engine: Engine::new(parts.config),
            ahead: Vec::with_capacity(Engine::AHEAD),
            filter: parts.filter,
            report: Report::default(),
            context: Context::default(),
            renderer: parts.renderer,
            out: parts.out,
            sink,
            text: Vec::with_capacity(2 * BUFFER_BYTES),
            lines: parts.lines,
            findings: 0,
            began: false,
        }
    }

    /// Takes one frame.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn frame(&mut self, frame: Frame<'_>) -> io::Result<()> {
        self.began = true;
        let input = decode(frame);
        if matches!(input, Input::Event(_)) {
            self.ahead.push(input);
            return if self.ahead.len() < Engine::AHEAD { Ok(()) } else { self.catch_up() };
        }
        self.catch_up()?;
        match &input {
            Input::Tick(tick) => self.context.tick(*tick),
            Input::Cgroup(name) => {
                self.filter.learn_cgroup(name);
                self.context.cgroup(name.clone());
            }
            _ => {}
        }
        self.engine.handle(&input);
        self.poll()
    }

    /// Frames are missing here.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn gap(&mut self) -> io::Result<()> {
        self.catch_up()?;
        self.engine.handle(&Input::Gap);
        self.poll()
    }

    /// Handles the events that were held back.
    fn catch_up(&mut self) -> io::Result<()> {
        self.engine.read_ahead(&self.ahead);
        let mut inputs = mem::take(&mut self.ahead);
        for input in inputs.drain(..) {
            self.engine.handle(&input);
            self.poll()?;
        }
        self.ahead = inputs;
        Ok(())
    }

    fn poll(&mut self) -> io::Result<()> {
        while let Some(output) = self.engine.poll() {
            if !self.filter.admits(&output) {
                continue;
            }
            if let Output::Finding(finding) = &output
                && finding.status == FindingStatus::Raised
            {
                self.findings += 1;
            }
            self.report.record(&output);
            self.sink.output(&output, &self.context)?;
            if self.lines {
                self.renderer.render(&mut self.text, &output, &self.context);
                if self.text.len() >= BUFFER_BYTES {
                    self.write()?;
                }
            }
        }
        Ok(())
    }

    /// Handles every frame to its end, and writes what has gathered.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.catch_up()?;
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        if !self.text.is_empty() {
            self.out.write_all(&self.text)?;
            self.text.clear();
            self.out.flush()?;
        }
        Ok(())
    }

    /// The next thing that the engine wants to know, if any; the answer is a frame. As of the last flush.
    pub fn poll_want(&mut self) -> Option<Want> {
        self.engine.poll_want()
    }

    /// Orphans that were not looked at yet, as of the last flush.
    #[must_use]
    pub fn orphans_unseen(&self) -> u64 {
        self.engine.orphans_unseen()
    }

    /// Whether any frame has come.
    #[must_use]
    pub fn began(&self) -> bool {
        self.began
    }

    /// Whether every event that the kernel side saw has come through, as of the last flush.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.engine.status().books.balanced()
    }

    /// Judges what waits, writes the summary, and gives it with the number of findings raised.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn finish(mut self) -> io::Result<(Summary, u64)> {
        self.catch_up()?;
        self.engine.finish();
        self.poll()?;
        let summary = self.report.summary(self.engine.status());
        self.renderer.summary(&mut self.text, &summary, &self.context);
        self.write()?;
        Ok((summary, self.findings))
    }
}
