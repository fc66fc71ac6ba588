//! A live run: drain, hand on, stop on time or on a signal, and close the books.

use std::{io::Write, process::ExitCode, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

use super::{
    args::LiveArgs,
    exit::{self, CliError},
    progress::Losses,
    runtime,
    setup::nanos,
    signals, talk,
    watch::Watch,
};
use crate::{
    decode::Frame,
    model::{Books, HostInfo},
    pipeline::{Pipeline, Sink, Text},
    source::{Answers, Live, LiveOptions, Looker, proc::Sight},
};

/// Reports what a run saw, also when it failed on the way; the failure stands first among the results. A run
/// that never began has nothing to report.
pub(super) fn report_after<W: Write>(
    run: Result<(), CliError>,
    pipeline: Pipeline<Text<W>>,
    exit_code: bool,
) -> Result<ExitCode, CliError> {
    match run {
        Ok(()) => {
            let (_, findings) = pipeline.finish()?;
            Ok(if exit_code && findings > 0 { exit::findings() } else { exit::DONE })
        }
        Err(error) if error.is_closed_pipe() || !pipeline.began() => Err(error),
        Err(error) => {
            pipeline.finish()?;
            Err(error)
        }
    }
}

/// A live run has one.
const HOST: usize = 0;
/// Every level of debug messages.
const LOG_ALL: u8 = 5;
/// After the programs are detached, one may still be running on another CPU; it is waited for this often.
const LAST_LOOKS: u32 = 20;
const LAST_LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Between two rounds of questions, so that they go to the kernel by the dozen.
const ASK_INTERVAL: Duration = Duration::from_millis(20);
/// Batches of events before answers at most: a flood must not keep answers waiting for ever.
const DRAINS_MAX: u32 = 64;
/// For the names of interfaces, before the start is told.
const FIRST_NAMES: Duration = Duration::from_millis(300);
/// For answers about orphans that ended just before the end.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Takes a copy of each frame before it is used.
pub(super) trait Tee {
    /// The run begins: whatever is wrong with the place of the copy is said now.
    fn begin(&mut self) -> Result<(), CliError> {
        Ok(())
    }
    /// One frame; an error ends the run.
    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), CliError>;
    /// A batch is over: so many closes were seen, and such are the books.
    fn batch(&mut self, closes: u64, books: &Books) -> Result<(), CliError>;
}

/// Copies nothing.
pub(super) struct NoTee;

impl Tee for NoTee {
    fn frame(&mut self, _frame: &Frame<'_>) -> Result<(), CliError> {
        Ok(())
    }

    fn batch(&mut self, _closes: u64, _books: &Books) -> Result<(), CliError> {
        Ok(())
    }
}

/// Runs until the duration is over, a signal comes, or something fails. Whatever ends it, what was seen until
/// then is in the pipeline and can be reported.
pub(super) fn run<S: Sink>(
    args: &LiveArgs,
    watch: &Watch,
    pipeline: &mut Pipeline<S>,
    tee: &mut impl Tee,
) -> Result<(), CliError> {
    if args.debug_bpf {
        env_logger::Builder::new().filter_level(log::LevelFilter::Trace).init();
    }
    let runtime = runtime::start()?;
    runtime.block_on(live(args, watch, pipeline, tee))
}

async fn live<S: Sink>(
    args: &LiveArgs,
    watch: &Watch,
    pipeline: &mut Pipeline<S>,
    tee: &mut impl Tee,
) -> Result<(), CliError> {
    let system = |what| move |source| CliError::System { what, source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("handle SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system("handle SIGTERM"))?;
    let mut hangup = signals::hangup().map_err(system("handle SIGHUP"))?;
    signals::install().map_err(system("handle signals"))?;
    let log_level = if args.debug_bpf { LOG_ALL } else { 0 };
    let leak_after_ns = nanos(args.leak_after);
    let filter = watch.kernel().clone();
    let mut source = Live::start(LiveOptions { ring_bytes: ring_bytes(args)?, log_level, filter, leak_after_ns })?;
    let mut looker = start_looker(&source);
    let host = HostInfo {
        stuck_after_ns: nanos(args.stuck_after),
        leak_after_ns,
        sock_diag: looker.is_some(),
        ..watch.tell(&source, source.host())
    };
    // A capture that cannot be made is said at once, and there is nothing to report.
    tee.begin()?;
    let losses = Losses::new(args.ring_mib);
    let mut both = Both { pipeline, tee, watch, losses, failed: None };
    let mut asked = Instant::now();
    both.frame(Frame::Host(Box::new(host)))?;
    both.frame(Frame::Tick(source.tick()))?;
    both.drain(&mut source)?;
    both.interfaces(&mut source, &mut looker).await?;
    talk::note(&"watching TCP closes on this host; Ctrl-C ends it with a report");
    let end = args.duration.and_then(|time| Instant::now().checked_add(time));
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = signals::next(&mut hangup) => break,
            () = sleep_until_some(end) => break,
            answers = next_answers(&mut looker) => {
                both.answers(&mut source, answers)?;
                looker.as_mut().and_then(Looker::in_the_way).into_iter().for_each(|words| talk::note(&words));
            }
            () = source.wait() => {}
        }
        both.drain(&mut source)?;
        // Answers come back by themselves; were each of them followed by questions, all would go one by one.
        if asked.elapsed() >= ASK_INTERVAL {
            both.ask(looker.as_ref(), &mut source);
            asked = Instant::now();
        }
        if both.failed.is_some() {
            break;
        }
    }
    source.stop()?;
    for _ in 0..LAST_LOOKS {
        while !both.drain(&mut source)? {}
        if both.pipeline.balanced() {
            break;
        }
        tokio::time::sleep(LAST_LOOK_INTERVAL).await;
    }
    both.last_answers(&mut source, &mut looker).await?;
    both.failed.map_or(Ok(()), Err)
}

/// Without sock_diag, or without cookies to know sockets by, what only a look can tell stays unknown.
fn start_looker(source: &Live) -> Option<Looker> {
    if !source.has_cookies() {
        talk::note(&"this kernel gives no socket cookies to BPF: FIN_WAIT2 of orphans stays unknown");
        return None;
    }
    match Looker::start() {
        Ok(looker) => {
            Sight::now().in_words().into_iter().for_each(|words| talk::note(&words));
            Some(looker)
        }
        Err(error) => {
            talk::note(&format_args!("{error}: FIN_WAIT2 of orphans and reasons of findings stay unknown"));
            None
        }
    }
}

async fn next_answers(looker: &mut Option<Looker>) -> Answers {
    match looker {
        Some(looker) => looker.answers().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until_some(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn ring_bytes(args: &LiveArgs) -> Result<u32, CliError> {
    if !args.ring_mib.is_power_of_two() {
        return Err(CliError::Usage(format!("--ring-mib {}: must be a power of two", args.ring_mib)));
    }
    Ok(args.ring_mib << 20)
}

/// The tee first, so that a capture holds whatever a report was made of.
struct Both<'a, S, T> {
    pipeline: &'a mut Pipeline<S>,
    tee: &'a mut T,
    watch: &'a Watch,
    losses: Losses,
    /// Why the tee gets nothing more. What the kernel side holds is reported all the same.
    failed: Option<CliError>,
}

impl<S: Sink, T: Tee> Both<'_, S, T> {
    fn frame(&mut self, frame: Frame<'_>) -> Result<(), CliError> {
        if self.failed.is_none() {
            self.failed = self.tee.frame(&frame).err();
        }
        Ok(self.pipeline.frame(HOST, frame)?)
    }

    fn drain(&mut self, source: &mut Live) -> Result<bool, CliError> {
        let emptied = source.drain(|frame| self.frame(frame))?;
        self.pipeline.flush()?;
        // Whoever drains is not stuck in a write.
        signals::made_progress();
        let books = self.pipeline.books();
        self.losses.tell(&books);
        if self.failed.is_none() {
            self.failed = self.tee.batch(self.pipeline.closes(), &books).err();
        }
        Ok(emptied)
    }

    /// Hands over what sock_diag said, behind every event that is older.
    fn answers(&mut self, source: &mut Live, answers: Answers) -> Result<(), CliError> {
        for _ in 0..DRAINS_MAX {
            if self.drain(source)? {
                break;
            }
        }
        for frame in answers {
            if let Frame::Interface(name) = &frame {
                source.interface_told(name);
            }
            if self.watch.wants(source, &frame) {
                self.frame(frame)?;
            }
        }
        Ok(())
    }

    /// Learns the names of interfaces before there is a close to name them in, where that does not take long.
    async fn interfaces(&mut self, source: &mut Live, looker: &mut Option<Looker>) -> Result<(), CliError> {
        let Some(looker) = looker else { return Ok(()) };
        looker.ask_interfaces();
        tokio::select! {
            answers = looker.answers() => self.answers(source, answers),
            () = tokio::time::sleep(FIRST_NAMES) => Ok(()),
        }
    }

    /// Passes on what the engine wants to know, and what interfaces are called; without anybody to ask, nothing.
    fn ask(&mut self, looker: Option<&Looker>, source: &mut Live) {
        for (netns, index) in source.interfaces_wanted() {
            looker.into_iter().for_each(|looker| looker.ask_interface(netns, index));
        }
        while let Some(want) = self.pipeline.poll_want() {
            if let Some(looker) = looker {
                looker.ask(want);
            }
        }
    }

    /// Orphans that ended a moment ago are still to be looked at.
    async fn last_answers(&mut self, source: &mut Live, looker: &mut Option<Looker>) -> Result<(), CliError> {
        let end = Instant::now() + LAST_ANSWERS;
        while looker.is_some() && self.pipeline.orphans_unseen() > 0 && Instant::now() < end {
            self.ask(looker.as_ref(), source);
            tokio::select! {
                answers = next_answers(looker) => self.answers(source, answers)?,
                () = tokio::time::sleep(LAST_LOOK_INTERVAL) => {}
            }
            self.drain(source)?;
        }
        Ok(())
    }
}
