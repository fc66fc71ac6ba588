//! Arguments, as typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::output::Extra;

use super::export::ExportArgs;
use super::hist::{HistArgs, HistogramArgs};

use super::doctor::{DoctorArgs, RowArgs};
pub(super) use super::filters::{FilterArgs, SocketFilterArgs};
pub(super) use super::values::duration;
use super::values::{self, sample};

/// Traces how TCP connections end: how long a close takes and why, which sockets are stuck closing, and
/// which programs leak CLOSE_WAIT.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print each close as it ends, findings as they arise, and a summary
    Trace(TraceArgs),
    /// Store everything that `trace` would print in a capture file, and print a summary
    Record(RecordArgs),
    /// Print what a capture holds, as `trace` would have; needs no privilege
    Replay(ReplayArgs),
    /// Write the closes and findings of captures as tables: Parquet, CSV or JSON lines
    Export(ExportArgs),
    /// Draw histograms of how long closes take: each interval, and in total at the end
    Hist(HistArgs),
    /// List sockets that are stuck closing, now, and why; also those from before, in every namespace
    Stuck(StuckArgs),
    /// List CLOSE_WAIT sockets that programs have forgotten, by process, and why
    Leaks(LeaksArgs),
    /// Say which settings of closes matter on this host, by its own evidence; changes nothing
    Doctor(DoctorArgs),
    /// Show what tcptrace needs of this host, and what is missing
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    #[command(flatten)]
    pub(super) live: LiveArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
    #[command(flatten)]
    pub(super) filter: FilterArgs,
}

#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// Capture file to write; only its owner can read it. - is standard output, with the summary on standard error
    pub(super) file: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    pub(super) force: bool,
    /// Print closes and findings, too, as `trace` does; --transitions and --max-rate imply it
    #[arg(long = "show", conflicts_with = "summary")]
    pub(super) lines: bool,
    #[command(flatten)]
    pub(super) trace: TraceArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Capture files to read: several are one fleet, on the clocks of their hosts; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "explain")]
    pub(super) files: Vec<PathBuf>,
    /// Read on while the capture is still being recorded, until the recorder ends or Ctrl-C
    #[arg(long, conflicts_with = "doctor")]
    pub(super) follow: bool,
    /// Judge with this threshold instead of the recording run's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) stuck_after: Option<Duration>,
    /// Judge with this threshold instead of the recording run's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) leak_after: Option<Duration>,
    /// Judge the recording host as `doctor` does, by what its capture holds; of several, each in turn
    #[arg(long, conflicts_with_all = ["transitions", "summary", "max_rate", "failed_connects"])]
    pub(super) doctor: bool,
    #[command(flatten)]
    pub(super) rows: RowArgs,
    #[command(flatten)]
    pub(super) histograms: HistogramArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
    #[command(flatten)]
    pub(super) filter: FilterArgs,
}

#[derive(Debug, Args)]
pub(super) struct StuckArgs {
    /// A socket longer than this in FIN_WAIT1, CLOSING, LAST_ACK or an orphan's FIN_WAIT2 is stuck
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(super) stuck_after: Duration,
    /// Also list each socket
    #[arg(long)]
    pub(super) sockets: bool,
    #[command(flatten)]
    pub(super) look: LookArgs,
    #[command(flatten)]
    pub(super) filter: SocketFilterArgs,
}

#[derive(Debug, Args)]
pub(super) struct LeaksArgs {
    /// A socket longer than this in CLOSE_WAIT is leaked
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub(super) leak_after: Duration,
    /// Also list each socket
    #[arg(long)]
    pub(super) sockets: bool,
    #[command(flatten)]
    pub(super) look: LookArgs,
    #[command(flatten)]
    pub(super) filter: SocketFilterArgs,
}

/// How often to look, and what to print.
#[derive(Debug, Args)]
pub(super) struct LookArgs {
    /// Look again at this interval (such as 1s; at least 100ms), until Ctrl-C or SIGTERM
    #[arg(long, value_name = "TIME", value_parser = values::interval)]
    pub(super) watch: Option<Duration>,
    /// Stop watching after this time (such as 10s, 5m)
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "watch")]
    pub(super) duration: Option<Duration>,
    /// How to print
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub(super) output: OutputFormat,
    /// Exit with 1 if something was found
    #[arg(long)]
    pub(super) exit_code: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub(super) output: OutputFormat,
}

/// How to run the kernel side.
#[derive(Debug, Args)]
pub(super) struct LiveArgs {
    /// Stop after this time (such as 10s, 5m); otherwise Ctrl-C or SIGTERM ends the run
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// A socket longer than this in FIN_WAIT1, CLOSING, LAST_ACK or an orphan's FIN_WAIT2 is stuck
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(super) stuck_after: Duration,
    /// A socket longer than this in CLOSE_WAIT is leaked
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub(super) leak_after: Duration,
    /// Follow one socket in N (an end of a connection), from beginning to end: 1/N, N from 1 to 1000000
    #[arg(long, value_name = "1/N", value_parser = sample)]
    pub(super) sample: Option<u32>,
    /// Ring buffer between kernel and reader, MiB: a power of two
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = values::mebibytes)]
    pub(super) ring_mib: u32,
    /// Print debug messages of the BPF programs on stderr; slows them down
    #[arg(long)]
    pub(super) debug_bpf: bool,
}

/// What to print.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub(super) output: OutputFormat,
    /// Also show in lines of closes: lifetime, srtt, bytes-sent, bytes-received (JSON has them)
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', value_parser = values::column)]
    pub(super) columns: Vec<Extra>,
    /// Also print every teardown transition, FIN retransmit and reset
    #[arg(long)]
    pub(super) transitions: bool,
    #[command(flatten)]
    pub(super) failed: FailedArgs,
    /// Print the summary alone
    #[arg(long, conflicts_with = "transitions")]
    pub(super) summary: bool,
    /// Closes and events printed in a second at most; more are counted and held back. Findings always show
    #[arg(long, value_name = "LINES", value_parser = values::rate)]
    pub(super) max_rate: Option<u32>,
    /// Exit with 1 if there were findings
    #[arg(long)]
    pub(super) exit_code: bool,
}

/// What to tell of connections that never were.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct FailedArgs {
    /// Also tell connects that fail (refused, timed out, unreachable), and count them by process and destination
    #[arg(long)]
    pub(super) failed_connects: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// Aligned lines for people
    Table,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
