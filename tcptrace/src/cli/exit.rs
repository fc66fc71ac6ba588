//! Errors of commands, and the exit codes that scripts rely on.

use std::{io, process::ExitCode};

use crate::{
    capture::CaptureError,
    filter::FilterError,
    source::{SourceError, proc::limit_remedy},
};

/// Done.
pub(super) const DONE: ExitCode = ExitCode::SUCCESS;

/// Findings were raised, and `--exit-code` asked for it.
pub(super) fn findings() -> ExitCode {
    ExitCode::from(1)
}

/// Privilege is missing.
pub(super) fn privilege() -> ExitCode {
    ExitCode::from(3)
}

/// The kernel or the host cannot do it.
pub(super) fn kernel() -> ExitCode {
    ExitCode::from(4)
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error("cannot {what}: {source}{}", remedy(source))]
    System { what: &'static str, source: io::Error },
    #[error("not everything was looked at: {0}")]
    Partial(String),
}

impl CliError {
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::Filter(_) => ExitCode::from(2),
            Self::Source(SourceError::Privilege { .. }) => privilege(),
            Self::Source(SourceError::Kernel(_) | SourceError::Btf(_)) => kernel(),
            _ => ExitCode::from(5),
        }
    }

    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What to do about a limit of files or memory; nothing about other errors.
fn remedy(error: &io::Error) -> String {
    error.raw_os_error().and_then(limit_remedy).map(|what| format!("; {what}")).unwrap_or_default()
}
