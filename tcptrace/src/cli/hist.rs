//! `tcptrace hist`, and what else draws histograms.

use std::{process::ExitCode, time::Duration};

use clap::Args;

use super::{
    args::{FailedArgs, FilterArgs, LiveArgs, OutputFormat},
    exit::CliError,
    session::{self, NoTee},
    setup, values,
    watch::Watch,
};
use crate::{
    pipeline::Draw,
    report::histogram::{By, Config, Of},
};

/// Where nothing else is said.
const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct HistArgs {
    #[command(flatten)]
    histograms: HistogramArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
    #[command(flatten)]
    failed: FailedArgs,
    #[command(flatten)]
    pub(super) live: LiveArgs,
    #[command(flatten)]
    filter: FilterArgs,
}

/// What to draw histograms of.
#[derive(Debug, Args)]
#[command(next_help_heading = "Histograms")]
pub(super) struct HistogramArgs {
    /// Durations: close (the default), network, ack-wait, local-app, remote-app, fin-wait1, fin-wait2, closing,
    /// close-wait, last-ack, lifetime, srtt
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    of: Vec<Of>,
    /// A histogram for each process, cgroup, container, unit, remote-addr, remote-addr/24 (/V4,V6), local-port,
    /// remote-port, role, outcome, reason, netns, interface or host; several are combined
    #[arg(long, value_name = "KEY", value_parser = bys)]
    by: Vec<Bys>,
    /// Keys that get a row of their own (10), those with most closes first; the others are one row
    #[arg(long, value_name = "ROWS", value_parser = values::rows)]
    top: Option<u32>,
    /// Histograms of each interval, not of the whole run alone; `hist` has them every 10s
    #[arg(long, value_name = "TIME", value_parser = values::interval)]
    interval: Option<Duration>,
    /// Also draw, at the end, how the distribution changed with time: a column for each interval, or narrower ones so
    /// that there are at least 20
    #[arg(long)]
    heatmap: bool,
}

/// Values of one `--by`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bys(Vec<By>);

/// Commas stand between keys, and between the two lengths of `remote-addr/24,64`.
fn bys(text: &str) -> Result<Bys, String> {
    let mut words: Vec<String> = Vec::new();
    for piece in text.split(',') {
        let is_length = !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_digit());
        match words.last_mut().filter(|word| is_length && word.contains('/') && !word.contains(',')) {
            Some(word) => *word = format!("{word},{piece}"),
            None => words.push(piece.to_owned()),
        }
    }
    words.iter().map(|word| word.parse()).collect::<Result<_, _>>().map(Bys)
}

/// A word as help has it.
fn typed(word: &str) -> String {
    word.replace('_', "-")
}

impl HistogramArgs {
    /// Whether any histogram is asked for.
    pub(super) fn is_wanted(&self) -> bool {
        !self.of.is_empty() || !self.by.is_empty() || self.interval.is_some() || self.heatmap || self.top.is_some()
    }

    /// What to draw.
    pub(super) fn draw(&self, intervals: bool) -> Result<Draw, CliError> {
        let bys: Vec<By> = self.by.iter().flat_map(|bys| bys.0.iter().copied()).collect();
        let mut ofs = self.of.clone();
        if ofs.is_empty() {
            ofs.push(Of::Close);
        }
        for (at, by) in bys.iter().enumerate() {
            if bys.iter().take(at).any(|before| before.as_str() == by.as_str()) {
                return Err(CliError::Usage(format!("--by {}: it is there twice", typed(by.as_str()))));
            }
        }
        if let Some((_, of)) = ofs.iter().enumerate().find(|(at, of)| ofs.iter().take(*at).any(|before| before == *of))
        {
            return Err(CliError::Usage(format!("--of {}: it is there twice", typed(of.as_str()))));
        }
        let default = Config::default();
        let top = self.top.map_or(default.top, |rows| usize::try_from(rows).unwrap_or(usize::MAX));
        Ok(Draw {
            config: Config { ofs, bys, top, ..default },
            interval_ns: setup::nanos(self.interval.unwrap_or(INTERVAL)),
            intervals: intervals || self.interval.is_some(),
            heatmap: self.heatmap,
            width: setup::terminal_width,
        })
    }
}

/// Watches, and draws what was seen whatever ended the watch.
pub(super) fn run(args: &HistArgs) -> Result<ExitCode, CliError> {
    if args.filter.findings_only {
        return Err(CliError::Usage(
            "--findings-only: histograms are of closes alone; see `tcptrace trace`".to_owned(),
        ));
    }
    let draw = args.histograms.draw(true)?;
    let FailedArgs { failed_connects } = args.failed;
    let connects = failed_connects
        || draw.config.bys.iter().any(|by| by.is_of_owner())
        || draw.config.ofs.iter().any(|of| of.needs_connects());
    let mut pipeline = setup::hist_pipeline(&args.live, &args.filter, args.output, failed_connects, draw)?;
    let watch = Watch::new(&args.live, &args.filter.socket)?;
    let watch = if connects { watch } else { watch.without_owners() };
    session::report_after(session::run(&args.live, &watch, &mut pipeline, &mut NoTee), pipeline, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_their_lengths() {
        let names = |text: &str| bys(text).map(|Bys(bys)| bys.iter().map(|by| format!("{by:?}")).collect::<Vec<_>>());
        assert_eq!(names("process,remote-port").unwrap(), ["Process", "RemotePort"]);
        assert_eq!(bys("remote-addr/24,48,process").unwrap().0.first(), "remote-addr/24,48".parse().ok().as_ref());
        assert_eq!(bys("role,remote-addr/8").unwrap().0.len(), 2);
        for text in ["", "process,", "process,24", "remote-addr/24,48,8", "remote-addr/33", "nothing"] {
            assert!(bys(text).is_err(), "{text}");
        }
    }
}
