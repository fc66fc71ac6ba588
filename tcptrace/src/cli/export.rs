//! `tcptrace export`.

mod args;
mod target;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

pub(super) use self::args::ExportArgs;
use self::{args::TableArg, target::Target};
use super::{
    exit::{self, CliError},
    replay,
    setup::{nanos, replay_filter},
    signals, talk,
};
use crate::{
    capture,
    decode::Frame,
    engine::{Bounds, Config},
    export::{Origin, Row, Table, closes, findings},
    filter::Filter,
    model::{Close, Finding, HostInfo, Output},
    output::{self, Renderer, Style},
    pipeline::{Parts, Pipeline, Tap},
    report::Context,
};

/// Runs captures through the pipeline, and writes what comes out as tables. They get their names when they are whole.
pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, CliError> {
    let filter = replay_filter(&args.filter)?;
    let place = place(args)?;
    let stop = signals::asked_to_stop().map_err(|source| CliError::System { what: "handle signals", source })?;
    let mut tables = Tables::new(args, &place)?;
    for path in &args.files {
        export(path, args, filter.clone(), &mut tables, &stop)?;
    }
    tables.finish(&place)?;
    Ok(exit::DONE)
}

/// Where tables go.
enum Place {
    Stdout,
    Prefix(PathBuf),
}

impl Place {
    fn failed(&self, source: io::Error) -> CliError {
        match self {
            Self::Stdout => CliError::Output(source),
            Self::Prefix(_) => CliError::System { what: "write the tables", source },
        }
    }
}

fn place(args: &ExportArgs) -> Result<Place, CliError> {
    let refused = |words: &str| Err(CliError::Usage(words.to_owned()));
    let prefix = match (&args.out, args.files.as_slice()) {
        (Some(out), _) if out.as_os_str() == "-" => {
            return match args.table {
                TableArg::All => refused("--out -: standard output takes one table: add --table closes or findings"),
                TableArg::Closes | TableArg::Findings => Ok(Place::Stdout),
            };
        }
        (Some(out), _) => out.clone(),
        (None, [file]) => file.file_stem().map(PathBuf::from).unwrap_or_default(),
        (None, _) => return refused("several captures: name the tables with --out PREFIX"),
    };
    if prefix.file_name().is_none() || prefix.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return refused("--out PREFIX: must end in the beginning of a file name, such as DIRECTORY/NAME");
    }
    Ok(Place::Prefix(prefix))
}

fn export(
    path: &Path,
    args: &ExportArgs,
    filter: Filter,
    tables: &mut Tables,
    stop: &AtomicBool,
) -> Result<(), CliError> {
    let mut reader = capture::open(path)?;
    let torn = reader.gap()?;
    let first = reader.next()?;
    let host = match &first {
        Some(Frame::Host(host)) => host.clone(),
        _ => HostInfo::default(),
    };
    tables.begin(&host);
    let failed = tables.failure();
    let parts = Parts {
        renderer: Renderer::new(output::Format::Json, Style::default()),
        out: io::sink(),
        lines: false,
        max_rate: None,
    };
    let mut pipeline = Pipeline::with_tap(parts, tables);
    let number = pipeline.add_host(config(args, &host), filter);
    if torn {
        pipeline.gap(number).map_err(failed)?;
    }
    if let Some(frame) = first {
        pipeline.frame(number, frame).map_err(failed)?;
    }
    loop {
        if stop.load(Ordering::Relaxed) {
            let source = io::Error::other("a signal ended it, and nothing is left behind");
            return Err(CliError::System { what: "finish the export", source });
        }
        if reader.gap()? {
            pipeline.gap(number).map_err(failed)?;
        }
        let Some(frame) = reader.next()? else { break };
        pipeline.frame(number, frame).map_err(failed)?;
    }
    let (summary, _) = pipeline.finish().map_err(failed)?;
    replay::tell_state(path, &reader);
    let lost = summary.status.books.lost;
    if lost > 0 {
        talk::note(&format_args!("{}: {lost} events were lost while it was recorded", path.display()));
    }
    Ok(())
}

/// As `replay` judges.
fn config(args: &ExportArgs, host: &HostInfo) -> Config {
    let default = Config::default();
    let chosen = |asked: Option<Duration>, recorded_ns: u64, default_ns: u64| match (asked, recorded_ns) {
        (Some(time), _) => nanos(time),
        (None, 0) => default_ns,
        (None, recorded_ns) => recorded_ns,
    };
    Config {
        stuck_after_ns: chosen(args.stuck_after, host.stuck_after_ns, default.stuck_after_ns),
        leak_after_ns: chosen(args.leak_after, host.leak_after_ns, default.leak_after_ns),
        echo_events: false,
        bounds: Bounds::default(),
    }
}

/// The tables that were asked for.
struct Tables {
    closes: Option<Counted<Close>>,
    findings: Option<Counted<Finding>>,
    origins: Vec<Origin>,
    host: String,
    to_stdout: bool,
}

struct Counted<T> {
    table: Table<T, Target>,
    rows: u64,
}

impl Tables {
    fn new(args: &ExportArgs, place: &Place) -> Result<Self, CliError> {
        let (format, extension) = (args.format.format(), args.format.extension());
        let target = |name: &str| match place {
            Place::Stdout => Ok(Target::Stdout(io::stdout())),
            Place::Prefix(prefix) => {
                let mut path = prefix.as_os_str().to_owned();
                path.push(format!(".{name}.{extension}"));
                Target::create(PathBuf::from(path), args.force)
            }
        };
        let mut tables = Self {
            closes: None,
            findings: None,
            origins: Vec::new(),
            host: String::new(),
            to_stdout: matches!(place, Place::Stdout),
        };
        let failed = |source| place.failed(source);
        if args.table != TableArg::Findings {
            let table = Table::new(closes(), format, target("closes")?).map_err(failed)?;
            tables.closes = Some(Counted { table, rows: 0 });
        }
        if args.table != TableArg::Closes {
            let table = Table::new(findings(), format, target("findings")?).map_err(failed)?;
            tables.findings = Some(Counted { table, rows: 0 });
        }
        Ok(tables)
    }

    /// What follows is of this host.
    fn begin(&mut self, host: &HostInfo) {
        self.host.clone_from(&host.hostname);
        let HostInfo { hostname, kernel_release, .. } = host.clone();
        self.origins.push(Origin { host: hostname, kernel_release });
    }

    /// Writing is all that can fail in a pipeline.
    fn failure(&self) -> fn(io::Error) -> CliError {
        if self.to_stdout { CliError::Output } else { |source| CliError::System { what: "write the tables", source } }
    }

    /// No table gets its name before all of them are on the disk.
    fn finish(self, place: &Place) -> Result<(), CliError> {
        let failed = |source| place.failed(source);
        let mut written = Vec::new();
        if let Some(Counted { table, rows }) = self.closes {
            written.push((table.finish(&self.origins).map_err(failed)?, Rows(rows, "closes")));
        }
        if let Some(Counted { table, rows }) = self.findings {
            written.push((table.finish(&self.origins).map_err(failed)?, Rows(rows, "findings")));
        }
        for (target, _) in &mut written {
            target.sync().map_err(failed)?;
        }
        for (target, rows) in written {
            if let Some(path) = target.publish()? {
                talk::note(&format_args!("exported {rows} to {}", path.display()));
            }
        }
        Ok(())
    }
}

impl Tap for &mut Tables {
    fn output(&mut self, output: &Output, context: &Context) -> io::Result<()> {
        match output {
            Output::Close(close) => match &mut self.closes {
                Some(closes) => closes.add(&Row::close(close, &self.host, context)),
                None => Ok(()),
            },
            Output::Finding(finding) => match &mut self.findings {
                Some(findings) => findings.add(&Row::finding(finding, &self.host, context)),
                None => Ok(()),
            },
            Output::Event(_) => Ok(()),
        }
    }
}

impl<T> Counted<T> {
    fn add(&mut self, row: &Row<'_, T>) -> io::Result<()> {
        self.rows += 1;
        self.table.row(row)
    }
}

/// How many, and of what.
struct Rows(u64, &'static str);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, what) = self;
        match count {
            1 => write!(f, "1 {}", what.trim_end_matches('s')),
            _ => write!(f, "{count} {what}"),
        }
    }
}
