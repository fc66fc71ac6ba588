//! The one way from frames to text, for live runs and replays alike, of one host or of several.

mod drawn;
mod host;
mod rate;
mod text;

use std::io::{self, Write};

use crate::{
    decode::Frame,
    engine::Config,
    filter::Filter,
    model::{Books, Input, Output, Status, Want},
    output::Renderer,
    report::{Context, Summary, histogram},
};
use host::Host;
use rate::Rate;
pub use text::Text;

/// Takes what the engines give and the filters admit.
pub trait Sink {
    /// One output; `shown` is false for what only counts. The context is that of its host.
    ///
    /// # Errors
    /// Ends the run.
    fn output(&mut self, output: &Output, shown: bool, context: &Context) -> io::Result<()>;

    /// An input that is no event: what looks say, settings, the host. Before the outputs that it leads to.
    fn input(&mut self, input: &Input) {
        let _ = input;
    }

    /// So far has time come on all hosts, see [`Pipeline::time_ns`]; what they still give is not much older.
    ///
    /// # Errors
    /// Ends the run.
    fn tick(&mut self, time_ns: u64) -> io::Result<()> {
        let _ = time_ns;
        Ok(())
    }

    /// So many events were lost on all hosts until now, which the counters have just told.
    ///
    /// # Errors
    /// Ends the run.
    fn lost(&mut self, events: u64, time_ns: u64) -> io::Result<()> {
        let _ = (events, time_ns);
        Ok(())
    }

    /// Writes what has gathered.
    ///
    /// # Errors
    /// Ends the run.
    fn flush(&mut self) -> io::Result<()>;
}

/// Histograms in place of lines.
pub struct Draw {
    /// Which.
    pub config: histogram::Config,
    /// Length of an interval, nanoseconds.
    pub interval_ns: u64,
    /// Also those of each interval, not the total alone.
    pub intervals: bool,
    /// Also how they changed.
    pub heatmap: bool,
    /// How many columns the reader has, asked for each drawing: a window can change its size. `None`: as the renderer
    /// has it.
    pub width: fn() -> Option<usize>,
}

/// What text is made of.
pub struct Parts<W> {
    /// How everything looks.
    pub renderer: Renderer,
    /// Where it goes.
    pub out: W,
    /// Print a line for each close and finding, not the summary alone.
    pub lines: bool,
    /// Histograms, too.
    pub draw: Option<Draw>,
    /// The summary counts failed connects.
    pub failed_connects: bool,
    /// Lines in each second of the hosts' time at most; more are held back and counted.
    pub max_rate: Option<u32>,
}

/// decode -> engine -> filter for each host, and one sink for all: report -> output.
pub struct Pipeline<S> {
    hosts: Vec<Host>,
    sink: S,
    /// The host whose frame came last.
    current: usize,
    began: bool,
    /// Lost events that the sink knows of.
    lost_told: u64,
}

impl<W: Write> Pipeline<Text<W>> {
    /// A pipeline to text that has no hosts yet.
    pub fn to_text(parts: Parts<W>) -> Self {
        Self::new(Text::new(parts))
    }

    /// Judges what waits, writes the summary, and gives it with the number of findings raised.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn finish(mut self) -> io::Result<(Summary, u64)> {
        let status = self.end()?;
        let hosts: Vec<_> = self.hosts.iter().map(|host| &host.context).collect();
        self.sink.finish(status, &hosts)
    }
}

impl<S: Sink> Pipeline<S> {
    /// A pipeline that has no hosts yet.
    pub fn new(sink: S) -> Self {
        Self { hosts: Vec::new(), sink, current: 0, began: false, lost_told: 0 }
    }

    /// Adds a host, with its own engine and the filter for what it says; its number is given to [`Pipeline::frame`].
    /// Where there are several, each line names its host.
    pub fn add_host(&mut self, config: Config, filter: Filter) -> usize {
        let number = self.hosts.len();
        self.hosts.push(Host::new(config, filter));
        let several = number > 0;
        for (host, number) in self.hosts.iter_mut().zip(0..=u16::MAX) {
            host.context.set_number(number);
            host.context.name_host(several);
        }
        number
    }

    /// Takes one frame of a host. Those of several hosts should come in the order of their times, for which
    /// [`Pipeline::time_ns`] helps.
    ///
    /// # Errors
    /// As the sink's.
    pub fn frame(&mut self, host: usize, frame: Frame<'_>) -> io::Result<()> {
        self.began = true;
        if host != self.current {
            self.catch_up()?;
            self.current = host;
        }
        let (is_tick, is_counters) = (matches!(frame, Frame::Tick(_)), matches!(frame, Frame::Counters(_)));
        if let Some(host) = self.hosts.get_mut(host) {
            host.frame(frame, &mut self.sink)?;
        }
        if is_tick {
            self.tick()?;
        }
        if is_counters { self.count_lost() } else { Ok(()) }
    }

    /// Tells the sink of events that were lost since it was last told.
    fn count_lost(&mut self) -> io::Result<()> {
        let lost = self.books().lost;
        if lost <= self.lost_told {
            return Ok(());
        }
        self.lost_told = lost;
        let time_ns = self.hosts.get(self.current).map_or(0, Host::now_ns);
        self.sink.lost(lost, time_ns)
    }

    /// The books of all hosts, as of the last flush.
    #[must_use]
    pub fn books(&self) -> Books {
        self.hosts.iter().fold(Books::default(), |sum, host| sum.plus(host.engine.status().books))
    }

    /// Closes that were given to the sink.
    #[must_use]
    pub fn closes(&self) -> u64 {
        self.hosts.iter().map(|host| host.closes).sum()
    }

    /// Tells the sink how far all hosts have come.
    fn tick(&mut self) -> io::Result<()> {
        let still = self.hosts.iter().filter(|host| !host.is_over);
        // `None` is the least: a host that has no time yet keeps all waiting.
        match still.map(Host::time_ns).min() {
            Some(Some(time_ns)) => self.sink.tick(time_ns),
            _ => Ok(()),
        }
    }

    /// Nothing more comes of a host: time goes on without it.
    ///
    /// # Errors
    /// As the sink's.
    pub fn over(&mut self, host: usize) -> io::Result<()> {
        self.catch_up()?;
        if let Some(host) = self.hosts.get_mut(host) {
            host.is_over = true;
        }
        self.tick()
    }

    /// Frames of a host are missing here.
    ///
    /// # Errors
    /// As the sink's.
    pub fn gap(&mut self, host: usize) -> io::Result<()> {
        match self.hosts.get_mut(host) {
            Some(host) => host.gap(&mut self.sink),
            None => Ok(()),
        }
    }

    /// How far a host has come: nanoseconds since 1970 by its wall clock at its first tick, and by its monotonic clock
    /// from there; `None` before.
    #[must_use]
    pub fn time_ns(&self, host: usize) -> Option<u64> {
        self.hosts.get(host)?.time_ns()
    }

    /// Handles the events that were held back.
    fn catch_up(&mut self) -> io::Result<()> {
        match self.hosts.get_mut(self.current) {
            Some(host) => host.catch_up(&mut self.sink),
            None => Ok(()),
        }
    }

    /// Handles every frame to its end, and writes what has gathered.
    ///
    /// # Errors
    /// As the sink's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.catch_up()?;
        self.sink.flush()
    }

    /// The next thing that an engine wants to know, if any; the answer is a frame. As of the last flush.
    pub fn poll_want(&mut self) -> Option<Want> {
        self.hosts.iter_mut().find_map(|host| host.engine.poll_want())
    }

    /// Orphans that were not looked at yet, as of the last flush.
    #[must_use]
    pub fn orphans_unseen(&self) -> u64 {
        self.hosts.iter().map(|host| host.engine.orphans_unseen()).sum()
    }

    /// Whether any frame has come.
    #[must_use]
    pub fn began(&self) -> bool {
        self.began
    }

    /// Whether every event that the kernel side saw has come through, as of the last flush.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.hosts.iter().all(|host| host.engine.status().books.balanced())
    }

    /// Judges what waits, and gives the state of all engines at the end.
    ///
    /// # Errors
    /// As the sink's.
    pub fn end(&mut self) -> io::Result<Status> {
        self.catch_up()?;
        let mut status: Option<Status> = None;
        for host in &mut self.hosts {
            host.finish(&mut self.sink)?;
            let of_host = host.status();
            status = Some(status.map_or(of_host, |sum| sum.plus(&of_host)));
        }
        Ok(status.unwrap_or_default())
    }

    /// Where everything went.
    pub fn into_sink(self) -> S {
        self.sink
    }
}
