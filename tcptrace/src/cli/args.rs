//! Arguments, as typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tcptrace_ebpf::filter::SAMPLE_MAX;

use super::export::ExportArgs;
use super::hist::{HistArgs, HistogramArgs};

use super::doctor::{DoctorArgs, RowArgs};

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
    /// Trace, and store everything in a capture file
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
    /// Capture file to write; only its owner can read it
    pub(super) file: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) trace: TraceArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Capture files to read: several are one fleet, on the clocks of their hosts
    #[arg(value_name = "FILE", required_unless_present = "explain")]
    pub(super) files: Vec<PathBuf>,
    /// Judge with this threshold instead of the recording run's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) stuck_after: Option<Duration>,
    /// Judge with this threshold instead of the recording run's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) leak_after: Option<Duration>,
    /// Judge the recording host as `doctor` does, by what its capture holds; of several, each in turn
    #[arg(long, conflicts_with_all = ["transitions", "summary", "max_rate"])]
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
    /// Look again at this interval (such as 1s), until Ctrl-C or SIGTERM
    #[arg(long, value_name = "TIME", value_parser = duration)]
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
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
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
    /// Also print every teardown transition, FIN retransmit and reset
    #[arg(long)]
    pub(super) transitions: bool,
    /// Print the summary alone
    #[arg(long, conflicts_with = "transitions")]
    pub(super) summary: bool,
    /// Lines in a second at most; more are counted and held back
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_rate: Option<u32>,
    /// Exit with 1 if there were findings
    #[arg(long)]
    pub(super) exit_code: bool,
}

/// What to leave out. Several values of one option: any of them; several options: all of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct FilterArgs {
    #[command(flatten)]
    pub(super) socket: SocketFilterArgs,
    /// Show closes that took at least this long; the rest are counted all the same
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) min_latency: Option<Duration>,
}

/// What sockets to leave out, and whose.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct SocketFilterArgs {
    /// Local or remote port
    #[arg(long, value_name = "PORT")]
    pub(super) port: Vec<u16>,
    /// Local port
    #[arg(long, value_name = "PORT")]
    pub(super) local_port: Vec<u16>,
    /// Remote port
    #[arg(long, value_name = "PORT")]
    pub(super) remote_port: Vec<u16>,
    /// Local or remote address, or prefix such as 10.0.0.0/8
    #[arg(long, value_name = "CIDR")]
    pub(super) addr: Vec<String>,
    /// Process id of the owner
    #[arg(long)]
    pub(super) pid: Vec<u32>,
    /// Name of the owner, as printed
    #[arg(long, value_name = "NAME")]
    pub(super) comm: Vec<String>,
    /// cgroup of the owner (v2), or one above it, such as /system.slice/nginx.service
    #[arg(long, value_name = "PATH")]
    pub(super) cgroup: Vec<String>,
    /// Network namespace: name (`ip netns`), path, process id, inode, or self; of a capture, inode
    #[arg(long)]
    pub(super) netns: Vec<String>,
    /// Address family
    #[arg(long, value_enum)]
    pub(super) family: Option<FamilyArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// Aligned lines for people
    Table,
    /// One JSON object a line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FamilyArg {
    /// IPv4, also through an IPv6 socket
    Ipv4,
    /// IPv6
    Ipv6,
}

/// Durations are bounded by what nanoseconds in 64 bits hold, with room to add.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(100 * 365 * 86_400);
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() {
        return Err("must be more than 0".to_owned());
    }
    if time > MAX {
        return Err("must be less than 100 years".to_owned());
    }
    Ok(time)
}

/// `1/N`, and nothing that looks like it.
fn sample(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("1/").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let one_in = digits.and_then(|digits| digits.parse().ok());
    let one_in = one_in.filter(|one_in| (1..=SAMPLE_MAX).contains(one_in));
    one_in.ok_or_else(|| format!("must be 1/N with N from 1 to {SAMPLE_MAX}, such as 1/100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn samples_are_read_strictly() {
        assert_eq!(["1/1", "1/100", "1/1000000"].map(sample), [Ok(1), Ok(100), Ok(1_000_000)]);
        for text in ["", "1", "1/", "1/0", "2/3", "1/+5", "1/ 5", "1/1000001", "1/99999999999", "0.1", "10%", "1/x"] {
            assert!(sample(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_bounds() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(duration("0s").is_err());
        assert!(duration("5").is_err());
        assert!(duration("1000000years").is_err());
    }
}
