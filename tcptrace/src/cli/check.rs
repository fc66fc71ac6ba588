//! `tcptrace check`: what the tool needs of this host, with a remedy for what is missing.

mod looks;
mod needs;
mod report;

use std::process::ExitCode;

use super::{
    args::{CheckArgs, OutputFormat},
    exit::{self, CliError},
};
use needs::{Group, Need};

/// Looks at everything, prints it, and ends with the exit code that a run would end with.
pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let needs = needs::look();
    let text = match args.output {
        OutputFormat::Table => report::table(&needs),
        OutputFormat::Json => report::json(&needs),
    };
    use std::io::Write;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(verdict(&needs))
}

/// A missing privilege hides what else is missing, so it comes first.
fn verdict(needs: &[Need]) -> ExitCode {
    let missing = |group: Group| needs.iter().any(|need| need.group == group && !need.met);
    if missing(Group::Privilege) {
        exit::privilege()
    } else if missing(Group::Required) {
        exit::kernel()
    } else {
        exit::DONE
    }
}
