//! Its arguments, as typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    cli::args::{FilterArgs, duration},
    export::Format,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// Capture files to read, - is standard input; several of them: rows in the order of the files, and --out names
    /// the tables
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// How to write the tables
    #[arg(long, value_enum, default_value_t = FormatArg::Parquet)]
    pub(super) format: FormatArg,
    /// Which tables to write
    #[arg(long, value_enum, default_value_t = TableArg::All)]
    pub(super) table: TableArg,
    /// Beginning of the tables' file names (PREFIX.closes.parquet), or - for standard output, which takes one table;
    /// by default the capture's file name without its extension, in the current directory
    #[arg(long, value_name = "PREFIX")]
    pub(super) out: Option<PathBuf>,
    /// Overwrite tables that exist
    #[arg(long)]
    pub(super) force: bool,
    /// Judge with this threshold instead of the recording run's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) stuck_after: Option<Duration>,
    /// Judge with this threshold instead of the recording run's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) leak_after: Option<Duration>,
    #[command(flatten)]
    pub(super) filter: FilterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArg {
    /// Apache Parquet
    Parquet,
    /// RFC 4180 with a header
    Csv,
    /// One flat JSON object a line
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TableArg {
    /// One row for each finished close
    Closes,
    /// One row for each finding that was raised or cleared
    Findings,
    /// Both
    All,
}

impl FormatArg {
    pub(super) const fn format(self) -> Format {
        match self {
            Self::Parquet => Format::Parquet,
            Self::Csv => Format::Csv,
            Self::Jsonl => Format::Jsonl,
        }
    }

    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}
