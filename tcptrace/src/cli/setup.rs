//! From arguments to the parts of a pipeline.

use std::{
    env,
    io::{IsTerminal, Stdout},
    time::Duration,
};

use super::{
    args::{FamilyArg, FilterArgs, OutputFormat, ShowArgs, TraceArgs},
    exit::CliError,
};
use crate::{
    engine::{Bounds, Config},
    filter::{Filter, FilterError, FilterSpec, parse_prefix},
    model::Family,
    output::{Format, Renderer, Style},
    pipeline::{Parts, Pipeline},
    source::cgroup_id,
};

/// Columns when nothing says how wide the reader is.
const DEFAULT_WIDTH: usize = 100;

/// The pipeline of a live run.
pub(super) fn live_pipeline(args: &TraceArgs) -> Result<Pipeline<Stdout>, CliError> {
    pipeline(&args.show, live_filter(&args.filter)?, nanos(args.live.stuck_after), nanos(args.live.leak_after))
}

/// A pipeline to standard output.
pub(super) fn pipeline(
    show: &ShowArgs,
    filter: Filter,
    stuck_after_ns: u64,
    leak_after_ns: u64,
) -> Result<Pipeline<Stdout>, CliError> {
    let out = std::io::stdout();
    let style = style(&out);
    let format = match show.output {
        OutputFormat::Table => Format::Table,
        OutputFormat::Json => Format::Json,
    };
    let config = Config { stuck_after_ns, leak_after_ns, echo_events: show.transitions, bounds: Bounds::default() };
    Ok(Pipeline::new(Parts { config, filter, renderer: Renderer::new(format, style), out, lines: !show.summary }))
}

/// Colour for a terminal unless NO_COLOR is set and not empty (no-color.org).
fn style(out: &Stdout) -> Style {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    let width = terminal_size::terminal_size_of(out).map(|(width, _)| usize::from(width.0));
    Style {
        colour: out.is_terminal() && !no_color && !dumb,
        width: width.filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH),
        terminal: out.is_terminal(),
    }
}

/// The filter of a live run: cgroups are those of this host.
fn live_filter(args: &FilterArgs) -> Result<Filter, CliError> {
    let ids: Result<Vec<u64>, String> = args.cgroup.iter().map(|path| cgroup_id(path)).collect();
    filter(args, ids.map_err(CliError::Usage)?)
}

/// The filter of a replay: cgroups are those of the recording host, which the capture names.
pub(super) fn replay_filter(args: &FilterArgs) -> Result<Filter, CliError> {
    filter(args, Vec::new())
}

fn filter(args: &FilterArgs, cgroup_ids: Vec<u64>) -> Result<Filter, CliError> {
    let prefixes: Result<Vec<_>, FilterError> = args.addr.iter().map(|text| parse_prefix(text)).collect();
    let spec = FilterSpec {
        ports: args.port.clone(),
        local_ports: args.local_port.clone(),
        remote_ports: args.remote_port.clone(),
        prefixes: prefixes?,
        pids: args.pid.clone(),
        comms: args.comm.clone(),
        cgroup_ids,
        cgroup_paths: args.cgroup.clone(),
        netns: args.netns.clone(),
        family: args.family.map(|family| match family {
            FamilyArg::Ipv4 => Family::Ipv4,
            FamilyArg::Ipv6 => Family::Ipv6,
        }),
        min_latency_ns: args.min_latency.map(nanos),
    };
    Ok(Filter::new(spec)?)
}

/// Nanoseconds of a duration that the arguments' bounds let through.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
