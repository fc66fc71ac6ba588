//! `tcptrace replay`: one capture, or several as one fleet.

use std::process::ExitCode;

use super::{
    args::ReplayArgs,
    captures::{Fleet, Thresholds},
    doctor,
    exit::CliError,
    input::Reading,
    session, setup, signals,
};

/// Runs captures through the same pipeline.
pub(super) fn run(args: &ReplayArgs) -> Result<ExitCode, CliError> {
    if let Some(option) = args.rows.given().filter(|_| !args.doctor) {
        return Err(CliError::Usage(format!("{option} needs --doctor")));
    }
    let filter = setup::replay_filter(&args.filter)?;
    if args.doctor {
        return doctor::replay(args, &filter);
    }
    let draw = args.histograms.is_wanted().then(|| args.histograms.draw(false)).transpose()?;
    let of_lines = [
        ("--transitions", args.show.transitions),
        ("--max-rate", args.show.max_rate.is_some()),
        ("--columns", !args.show.columns.is_empty()),
        ("--findings-only", args.filter.findings_only),
    ];
    if let Some((option, _)) = of_lines.into_iter().find(|(_, is_given)| draw.is_some() && *is_given) {
        return Err(CliError::Usage(format!(
            "{option} is about lines, which histograms replace: leave one of them out"
        )));
    }
    let mut pipeline = setup::pipeline(&args.show, draw);
    let thresholds = Thresholds {
        stuck_after: args.stuck_after,
        leak_after: args.leak_after,
        echo_events: args.show.transitions,
        failed_connects: args.show.failed.failed_connects,
    };
    let reading = if args.follow {
        // The first signal ends the waiting, and what was read is reported.
        let stop = signals::asked_to_stop().map_err(|source| CliError::System { what: "handle signals", source })?;
        Reading { follow: true, stop: Some(stop) }
    } else {
        Reading::default()
    };
    let mut fleet = Fleet::open(&args.files, thresholds, &filter, &reading, &mut pipeline)?;
    let read = fleet.read(&mut pipeline);
    session::report_after(read, pipeline, args.show.exit_code)
}
