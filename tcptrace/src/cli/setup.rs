//! From arguments to the parts of a pipeline.

use std::{
    env,
    io::{IsTerminal, Stdout},
    time::Duration,
};

use super::{
    args::{FilterArgs, LiveArgs, OutputFormat, ShowArgs, SocketFilterArgs, TraceArgs},
    exit::CliError,
    filters::FamilyArg,
    out::{Loose, Out},
    values::names,
};
use crate::{
    engine::{Bounds, Config},
    filter::{Excluded, Filter, FilterError, FilterSpec, parse_prefix},
    model::Family,
    output::{Format, Renderer, Style},
    pipeline::{Draw, Parts, Pipeline, Text},
    source::{cgroup_id, proc::resolve},
};

/// Columns when nothing says how wide the reader is.
const DEFAULT_WIDTH: usize = 100;

/// The pipeline of a live run.
pub(super) fn live_pipeline(args: &TraceArgs) -> Result<Pipeline<Text<Out>>, CliError> {
    let filter = live_filter(&args.filter)?;
    let mut pipeline = pipeline(&args.show, None);
    let config = config(args.show.transitions, nanos(args.live.stuck_after), nanos(args.live.leak_after));
    pipeline.add_host(Config { failed_connects: args.show.failed.failed_connects, ..config }, filter);
    Ok(pipeline)
}

/// The pipeline of a recording, whose text is not to hold it up.
pub(super) fn record_pipeline(args: &TraceArgs, lines: bool, out: Loose) -> Result<Pipeline<Text<Loose>>, CliError> {
    let filter = live_filter(&args.filter)?;
    let mut renderer = renderer(args.show.output, &std::io::stdout());
    renderer.set_extras(&args.show.columns);
    let (failed_connects, max_rate) = (args.show.failed.failed_connects, args.show.max_rate);
    let mut pipeline = Pipeline::to_text(Parts { renderer, out, lines, draw: None, failed_connects, max_rate });
    let config = config(args.show.transitions, nanos(args.live.stuck_after), nanos(args.live.leak_after));
    pipeline.add_host(Config { failed_connects, ..config }, filter);
    Ok(pipeline)
}

/// The pipeline of a live run that draws.
pub(super) fn hist_pipeline(
    live: &LiveArgs,
    filter: &FilterArgs,
    output: OutputFormat,
    failed_connects: bool,
    draw: Draw,
) -> Result<Pipeline<Text<Out>>, CliError> {
    let filter = live_filter(filter)?;
    let out = std::io::stdout();
    let renderer = renderer(output, &out);
    let out = Out::Stdout(out);
    let draw = Some(draw);
    let mut pipeline = Pipeline::to_text(Parts { renderer, out, lines: false, draw, failed_connects, max_rate: None });
    let config = config(false, nanos(live.stuck_after), nanos(live.leak_after));
    pipeline.add_host(Config { failed_connects, ..config }, filter);
    Ok(pipeline)
}

/// A pipeline to standard output, without hosts. Histograms take the place of lines.
pub(super) fn pipeline(show: &ShowArgs, draw: Option<Draw>) -> Pipeline<Text<Out>> {
    let out = std::io::stdout();
    let mut renderer = renderer(show.output, &out);
    renderer.set_extras(&show.columns);
    let lines = !show.summary && draw.is_none();
    let failed_connects = show.failed.failed_connects;
    Pipeline::to_text(Parts { renderer, out: Out::Stdout(out), lines, draw, failed_connects, max_rate: show.max_rate })
}

/// The engine's configuration.
pub(super) fn config(echo_events: bool, stuck_after_ns: u64, leak_after_ns: u64) -> Config {
    Config { stuck_after_ns, leak_after_ns, echo_events, failed_connects: false, bounds: Bounds::default() }
}

/// As the arguments and the reader want it.
pub(super) fn renderer(output: OutputFormat, out: &Stdout) -> Renderer {
    let format = match output {
        OutputFormat::Table => Format::Table,
        OutputFormat::Json => Format::Json,
    };
    Renderer::new(format, style(out))
}

/// Colour for a terminal unless NO_COLOR is set and not empty (no-color.org).
fn style(out: &Stdout) -> Style {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    Style {
        colour: out.is_terminal() && !no_color && !dumb,
        width: terminal_width().unwrap_or(DEFAULT_WIDTH),
        terminal: out.is_terminal(),
    }
}

/// Columns of the terminal that standard output is, as of now.
pub(super) fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0)).filter(|width| *width > 0)
}

/// The filter of a live run: cgroups and namespaces are those of this host.
fn live_filter(args: &FilterArgs) -> Result<Filter, CliError> {
    Ok(Filter::new(with_ends(args, live_spec(&args.socket)?))?)
}

/// As [`live_filter`], of sockets as they are.
pub(super) fn socket_filter(args: &SocketFilterArgs) -> Result<Filter, CliError> {
    Ok(Filter::new(live_spec(args)?)?)
}

/// The filter of a replay: cgroups and namespaces are those of the recording host, which the capture names.
pub(super) fn replay_filter(args: &FilterArgs) -> Result<Filter, CliError> {
    // A process id is a name in captures, too; an inode is larger than any.
    let inodes = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect();
    let (netns, not_netns) = (&args.socket.netns, &args.socket.not.not_netns);
    for (option, texts) in [("--netns", netns), ("--not-netns", not_netns)] {
        if texts.iter().any(|text| text == "self") {
            let why = format!("{option} self: a capture knows namespaces by inode, and by the names that they had");
            return Err(CliError::Usage(why));
        }
    }
    let mut spec = FilterSpec { netns: inodes(netns), netns_names: netns.clone(), ..spec(&args.socket)? };
    spec.not.netns = inodes(not_netns);
    spec.not.netns_names = not_netns.clone();
    Ok(Filter::new(with_ends(args, spec))?)
}

/// Adds what is known at the end alone.
fn with_ends(args: &FilterArgs, spec: FilterSpec) -> FilterSpec {
    let end = &args.end;
    let not = Excluded {
        outcomes: end.not_outcome.clone(),
        roles: end.not_role.clone(),
        reasons: end.not_reason.clone(),
        ..spec.not
    };
    FilterSpec {
        outcomes: end.outcome.clone(),
        roles: end.role.clone(),
        reasons: end.reason.clone(),
        not,
        findings_only: args.findings_only,
        min_latency_ns: args.min_latency.map(nanos),
        ..spec
    }
}

pub(super) fn live_spec(args: &SocketFilterArgs) -> Result<FilterSpec, CliError> {
    let mut spec = spec(args)?;
    let ids = |paths: &[String]| paths.iter().map(|path| cgroup_id(path)).collect::<Result<Vec<u64>, String>>();
    spec.cgroup_ids = ids(&spec.cgroup_paths).map_err(CliError::Usage)?;
    spec.not.cgroup_ids = ids(&spec.not.cgroup_paths).map_err(CliError::Usage)?;
    let inode = |option: &str, text: &String| resolve(text).map_err(|error| format!("{option} {text}: {error}"));
    let inodes = |option: &str, texts: &[String]| {
        texts.iter().map(|text| inode(option, text)).collect::<Result<Vec<u32>, String>>().map_err(CliError::Usage)
    };
    spec.netns = inodes("--netns", &args.netns)?;
    spec.not.netns = inodes("--not-netns", &args.not.not_netns)?;
    Ok(spec)
}

/// All that means the same on every host.
fn spec(args: &SocketFilterArgs) -> Result<FilterSpec, CliError> {
    let prefixes = |texts: &[String]| texts.iter().map(|text| parse_prefix(text)).collect::<Result<Vec<_>, _>>();
    let family = |family| match family {
        FamilyArg::Ipv4 => Family::Ipv4,
        FamilyArg::Ipv6 => Family::Ipv6,
    };
    let others = args.not.not_family.map(|excluded| match excluded {
        FamilyArg::Ipv4 => Family::Ipv6,
        FamilyArg::Ipv6 => Family::Ipv4,
    });
    let wanted = args.family.map(family);
    if wanted.is_some() && others.is_some() && wanted != others {
        return Err(FilterError::FamilyExcluded.into());
    }
    let not = Excluded {
        ports: args.not.not_port.clone(),
        local_ports: args.not.not_local_port.clone(),
        remote_ports: args.not.not_remote_port.clone(),
        prefixes: prefixes(&args.not.not_addr)?,
        pids: args.not.not_pid.clone(),
        comms: names(&args.not.not_comm),
        cgroup_paths: names(&args.not.not_cgroup),
        ..Excluded::default()
    };
    Ok(FilterSpec {
        ports: args.port.clone(),
        local_ports: args.local_port.clone(),
        remote_ports: args.remote_port.clone(),
        prefixes: prefixes(&args.addr)?,
        pids: args.pid.clone(),
        comms: names(&args.comm),
        cgroup_paths: names(&args.cgroup),
        family: wanted.or(others),
        not,
        ..FilterSpec::default()
    })
}

/// Nanoseconds of a duration that the arguments' bounds let through.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
