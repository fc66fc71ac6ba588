//! `tcptrace export`.

mod args;
mod stale;
mod target;

use std::{
    fmt,
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    slice,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

pub(super) use self::args::ExportArgs;
use self::{args::TableArg, target::Target};
use super::{
    captures::{Fleet, Thresholds, tell_namesakes},
    exit::{self, CliError},
    input::{Reading, STREAM},
    setup::replay_filter,
    signals, talk,
};
use crate::{
    export::{Origin, Row, Table, closes, findings},
    filter::Filter,
    model::{Close, Finding, HostInfo, Output},
    pipeline::{Pipeline, Sink},
    report::Context,
};

/// Runs captures through the pipeline, and writes what comes out as tables. They get their names when they are whole.
pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, CliError> {
    let filter = replay_filter(&args.filter)?;
    let place = place(args)?;
    let mut tables = Tables::new(args, &place)?;
    if args.files.iter().filter(|file| file.as_os_str() == STREAM).count() > 1 {
        return Err(CliError::Usage("-: standard input is one capture, and was named twice".to_owned()));
    }
    for path in &args.files {
        tables = export(path, args, &filter, tables)?;
    }
    tell_namesakes(tables.origins.iter().map(|origin| origin.host.as_str()));
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
        (None, [file]) if file.as_os_str() == STREAM => {
            return refused("export -: standard input has no name: name the tables with --out PREFIX");
        }
        (None, [file]) => file.file_stem().map(PathBuf::from).unwrap_or_default(),
        (None, _) => return refused("several captures: name the tables with --out PREFIX"),
    };
    if prefix.file_name().is_none() || prefix.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return refused("--out PREFIX: must end in the beginning of a file name, such as DIRECTORY/NAME");
    }
    Ok(Place::Prefix(prefix))
}

/// Adds the rows of one capture.
fn export(path: &PathBuf, args: &ExportArgs, filter: &Filter, tables: Tables) -> Result<Tables, CliError> {
    let failed = tables.failure();
    let thresholds = Thresholds {
        stuck_after: args.stuck_after,
        leak_after: args.leak_after,
        echo_events: false,
        failed_connects: false,
    };
    let reading = Reading { follow: false, stop: Some(Arc::clone(&tables.stop)) };
    let mut pipeline = Pipeline::new(tables);
    let opened = Fleet::open(slice::from_ref(path), thresholds, filter, &reading, &mut pipeline);
    let mut fleet = opened.map_err(|error| if reading.is_stopped() { stopped() } else { error })?;
    let host = fleet.hosts().next().cloned().unwrap_or_default();
    let read = fleet.read(&mut pipeline);
    let ended = read.and_then(|()| Ok(pipeline.end()?));
    let tables = pipeline.into_sink();
    if tables.stop.load(Ordering::Relaxed) {
        return Err(stopped());
    }
    // What a sink cannot write, the pipeline takes for standard output.
    let status = ended.map_err(|error| match error {
        CliError::Output(source) => failed(source),
        other => other,
    })?;
    let lost = status.books.lost;
    if lost > 0 {
        talk::note(&format_args!("{}: {lost} events were lost while it was recorded", path.display()));
    }
    let HostInfo { hostname, kernel_release, .. } = host;
    Ok(tables.with_origin(Origin { host: hostname, kernel_release }))
}

fn stopped() -> CliError {
    let source = io::Error::other("a signal ended it, and nothing is left behind");
    CliError::System { what: "finish the export", source }
}

/// The tables that were asked for.
struct Tables {
    closes: Option<Counted<Close>>,
    findings: Option<Counted<Finding>>,
    origins: Vec<Origin>,
    to_stdout: bool,
    /// A signal asks for the end.
    stop: Arc<AtomicBool>,
}

struct Counted<T> {
    table: Table<T, Target>,
    rows: u64,
}

/// As a terminal needs it, where the table goes to one.
fn readable<T>(table: Table<T, Target>, place: &Place) -> Table<T, Target> {
    let is_terminal = matches!(place, Place::Stdout) && io::stdout().is_terminal();
    if is_terminal { table.for_a_terminal() } else { table }
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
            to_stdout: matches!(place, Place::Stdout),
            stop: signals::asked_to_stop().map_err(|source| CliError::System { what: "handle signals", source })?,
        };
        let failed = |source| place.failed(source);
        if args.table != TableArg::Findings {
            let table = readable(Table::new(closes(), format, target("closes")?).map_err(failed)?, place);
            tables.closes = Some(Counted { table, rows: 0 });
        }
        if args.table != TableArg::Closes {
            let table = readable(Table::new(findings(), format, target("findings")?).map_err(failed)?, place);
            tables.findings = Some(Counted { table, rows: 0 });
        }
        Ok(tables)
    }

    /// What came last is from there.
    fn with_origin(mut self, origin: Origin) -> Self {
        self.origins.push(origin);
        self
    }

    /// What it means that a row cannot be written.
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

impl Sink for Tables {
    fn output(&mut self, output: &Output, shown: bool, context: &Context) -> io::Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("a signal ended it"));
        }
        match (output, &mut self.closes, &mut self.findings) {
            (Output::Close(close), Some(closes), _) if shown => closes.add(&Row::close(close, context)),
            (Output::Finding(finding), _, Some(findings)) if shown => findings.add(&Row::finding(finding, context)),
            _ => Ok(()),
        }
    }

    /// Tables are written in pieces of their own.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
