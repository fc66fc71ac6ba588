//! `tcptrace doctor`: which settings of closes matter here.

use std::{io::Write, path::Path, process::ExitCode, time::Duration};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use super::{
    args::{LiveArgs, OutputFormat, ReplayArgs, SocketFilterArgs, duration},
    captures::{Fleet, Thresholds},
    exit::{self, CliError},
    input::Reading,
    runtime,
    session::{self, NoTee},
    setup::{self, nanos},
    signals, talk, values, watch,
};
use crate::{
    doctor::{self, Host, Place},
    engine::Config,
    examination::{Examination, Gathered, Replayed, Watch, Watched},
    filter::{Filter, FilterSpec},
    model::{Advice, NetnsName, Row, Shown, Verdict},
    output::AdvicePage as Page,
    pipeline::Pipeline,
    report::Context,
    source::{SourceError, host::OrphanPeak, proc::resolve},
};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Look twice, and follow closes for this time in between (such as 30s): rates, and who closes first
    #[arg(long, conflicts_with = "explain", value_name = "TIME", value_parser = values::interval)]
    watch: Option<Duration>,
    /// Network namespace: name (`ip netns`), path, process id, inode, or self; all without
    #[arg(long)]
    netns: Vec<String>,
    /// A connection without traffic for this long is idle
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1h", conflicts_with = "explain")]
    idle_after: Duration,
    /// A socket longer than this in CLOSE_WAIT is leaked
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s", conflicts_with = "explain")]
    leak_after: Duration,
    /// How to print
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
    #[command(flatten)]
    rows: RowArgs,
    /// Exit with 1 if a row says act
    #[arg(long)]
    exit_code: bool,
}

/// Which rows, and what of them: the same for a host and for a capture.
#[derive(Debug, Args)]
pub(super) struct RowArgs {
    /// Judge these rows alone, and show all of their evidence
    #[arg(long, value_name = "ROW", value_delimiter = ',', value_parser = rows())]
    only: Vec<Row>,
    /// Print rows that say act or watch, and no others
    #[arg(long)]
    problems_only: bool,
    /// Print lines for /etc/sysctl.d that the evidence supports, and nothing else
    #[arg(long, conflicts_with_all = ["output", "problems_only"])]
    snippet: bool,
    /// Print the longer story of a row, and look at nothing
    #[arg(long, value_name = "ROW", value_parser = rows(),
        conflicts_with_all = ["only", "problems_only", "snippet", "output", "exit_code", "netns"])]
    explain: Option<Row>,
}

impl RowArgs {
    /// An option of these that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--only", !self.only.is_empty()),
            ("--problems-only", self.problems_only),
            ("--snippet", self.snippet),
            ("--explain", self.explain.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    fn wanted(&self) -> &[Row] {
        if self.only.is_empty() { &Row::ALL } else { &self.only }
    }

    /// Appends what was judged, problems first.
    fn print(
        &self,
        text: &mut Vec<u8>,
        advice: Vec<Advice>,
        output: OutputFormat,
        page: Page<'_>,
        initial: Option<u32>,
    ) {
        if self.snippet {
            if let Some(host) = page.host {
                text.extend_from_slice(format!("# host {}\n", Shown(host)).as_bytes());
            }
            let name = |netns| page.netns_in_words(netns);
            text.extend_from_slice(doctor::snippet(&advice, initial, name).as_bytes());
            return;
        }
        let advice = doctor::problems_first(advice);
        let page = Page { full: !self.only.is_empty(), problems_only: self.problems_only, ..page };
        setup::renderer(output, &std::io::stdout()).advice(text, &advice, page);
    }
}

/// The words for rows.
fn rows() -> impl TypedValueParser<Value = Row> {
    let words = PossibleValuesParser::new(Row::ALL.map(Row::as_str));
    words.try_map(|word| Row::of(&word).ok_or_else(|| "no such row".to_owned()))
}

/// Looks, judges, and prints.
pub(super) fn run(args: &DoctorArgs) -> Result<ExitCode, CliError> {
    if let Some(row) = args.rows.explain {
        return explain(row);
    }
    let mut examination = Examination::new(filter(args)?, nanos(args.leak_after), nanos(args.idle_after) / 1_000_000)?;
    let (host, places) = match args.watch {
        Some(time) => look_twice(args, &mut examination, time)?,
        None => examination.look(None, &Watch::No("closes are followed with --watch alone".to_owned())),
    };
    examination.out_of_sight().iter().for_each(|words| talk::note(words));
    let advice = doctor::judge(&host, &places, args.rows.wanted());
    let names = names(&places);
    let acts = advice.iter().any(|one| one.verdict == Verdict::Act);
    let mut text = Vec::new();
    let page = Page { own_netns: examination.home(), context: Some(&names), ..Page::default() };
    args.rows.print(&mut text, advice, args.output, page, initial(&places));
    print(&text)?;
    Ok(if acts && args.exit_code { exit::findings() } else { exit::DONE })
}

/// What people call the namespaces.
fn names(places: &[Place]) -> Context {
    let mut context = Context::default();
    for Place { netns, name, .. } in places {
        name.clone().into_iter().for_each(|name| context.netns_name(NetnsName { netns: *netns, name }));
    }
    context
}

/// The host's first namespace, which sysctl files are for.
fn initial(places: &[Place]) -> Option<u32> {
    places.iter().find(|place| place.is_initial == Some(true)).map(|place| place.netns)
}

fn explain(row: Row) -> Result<ExitCode, CliError> {
    print(format!("{}\n\n{}\n", row.as_str(), doctor::story(row)).as_bytes())?;
    Ok(exit::DONE)
}

fn print(text: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}

fn filter(args: &DoctorArgs) -> Result<Filter, CliError> {
    let inode = |text: &String| resolve(text).map_err(|error| CliError::Usage(format!("--netns {text}: {error}")));
    let netns: Result<Vec<u32>, CliError> = args.netns.iter().map(inode).collect();
    Ok(Filter::new(FilterSpec { netns: netns?, ..FilterSpec::default() })?)
}

/// A look, closes for a while, and another look.
fn look_twice(
    args: &DoctorArgs,
    examination: &mut Examination,
    time: Duration,
) -> Result<(Host, Vec<Place>), CliError> {
    let mut watched = examination.begin();
    let system = |what| move |source| CliError::System { what, source };
    let peak = OrphanPeak::start().map_err(system("start a thread"))?;
    let live = match follow(args, &watched, time) {
        Ok(watch) => watch,
        Err(CliError::Source(
            error @ (SourceError::Privilege { .. } | SourceError::Kernel(_) | SourceError::Btf(_)),
        )) => {
            talk::note(&format_args!("{error}: who closes first and how long connections live stays unknown"));
            wait(time)?;
            Watch::No(error.to_string())
        }
        Err(error) => return Err(error),
    };
    watched.orphans_peak = Some(peak.finish());
    // Also after Ctrl-C, which ends the watch alone; a large host takes its time.
    Ok(signals::busy(|| examination.look(Some(&watched), &live)))
}

/// Follows closes, as `trace` does, and prints nothing.
fn follow(args: &DoctorArgs, watched: &Watched, time: Duration) -> Result<Watch, CliError> {
    let live = LiveArgs {
        duration: Some(time),
        stuck_after: Duration::from_nanos(Config::default().stuck_after_ns),
        leak_after: Duration::from_nanos(Config::default().leak_after_ns),
        sample: None,
        ring_mib: 16,
        debug_bpf: false,
    };
    // The kernel side leaves out what is of other namespaces.
    let sockets = SocketFilterArgs { netns: args.netns.clone(), ..SocketFilterArgs::default() };
    let at_sources = watch::Watch::new(&live, &sockets)?;
    let mut pipeline = Pipeline::new(Gathered::new(watched));
    // Connects are told as events alone.
    pipeline.add_host(Config { echo_events: true, ..Config::default() }, filter(args)?);
    session::run(&live, &at_sources, &mut pipeline, &mut NoTee)?;
    let status = pipeline.end()?;
    let ns = status.last_ns.saturating_sub(status.first_ns);
    Ok(Watch::Yes { gathered: pipeline.into_sink(), ns, lost: status.books.lost })
}

/// Judges the hosts that captures are of, one after the other.
pub(super) fn replay(args: &ReplayArgs, filter: &Filter) -> Result<ExitCode, CliError> {
    if let Some(row) = args.rows.explain {
        return explain(row);
    }
    if args.histograms.is_wanted() {
        return Err(CliError::Usage("--doctor draws nothing".to_owned()));
    }
    // What was left out would count as not there.
    if !args.filter.is_netns_alone() {
        let why = "--doctor judges whole namespaces: of filters, it takes --netns alone";
        return Err(CliError::Usage(why.to_owned()));
    }
    let mut text = Vec::new();
    let mut judged: Result<bool, CliError> = Ok(false);
    for file in &args.files {
        judged = judged.and_then(|acts| Ok(replay_one(args, filter, file, &mut text)? || acts));
    }
    // What was judged before one that cannot be read holds.
    print(&text)?;
    let acts = judged?;
    Ok(if acts && args.show.exit_code { exit::findings() } else { exit::DONE })
}

/// Appends what is to be said of one, and says whether a row says act.
fn replay_one(args: &ReplayArgs, filter: &Filter, file: &Path, text: &mut Vec<u8>) -> Result<bool, CliError> {
    let mut pipeline = Pipeline::new(Replayed::default());
    let thresholds = Thresholds {
        stuck_after: args.stuck_after,
        leak_after: args.leak_after,
        echo_events: true,
        failed_connects: false,
    };
    let mut fleet = Fleet::open(&[file.to_owned()], thresholds, filter, &Reading::default(), &mut pipeline)?;
    let hostname = fleet.hosts().next().map(|host| host.hostname.clone());
    let hostname = hostname.filter(|_| args.files.len() > 1);
    fleet.read(&mut pipeline)?;
    let status = pipeline.end()?;
    let ns = status.last_ns.saturating_sub(status.first_ns);
    let recorded = pipeline.into_sink().0;
    let mut netns: Vec<u32> = filter.netns().iter().copied().chain(recorded.named(filter.netns_names())).collect();
    // No namespace has inode 0: one that the capture does not name is not there.
    netns.extend((netns.is_empty() && !filter.netns_names().is_empty()).then_some(0));
    let (host, places) = recorded.facts(&netns, ns, status.books.lost);
    let advice = doctor::judge(&host, &places, args.rows.wanted());
    let acts = advice.iter().any(|one| one.verdict == Verdict::Act);
    let (initial, names) = (initial(&places), names(&places));
    let own_netns = initial.unwrap_or(0);
    let page = Page { own_netns, host: hostname.as_deref(), context: Some(&names), ..Page::default() };
    args.rows.print(text, advice, args.show.output, page, initial);
    Ok(acts)
}

/// As long as closes would have been followed, or until Ctrl-C.
fn wait(time: Duration) -> Result<(), CliError> {
    let system = |what| move |source| CliError::System { what, source };
    let runtime = runtime::start()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("handle SIGINT"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(system("handle SIGTERM"))?;
        signals::install().map_err(system("handle signals"))?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = sleep(time) => {}
        }
        Ok(())
    })
}
