//! `tcptrace stuck` and `tcptrace leaks`: look once, or again and again until told to stop.

use std::{process::ExitCode, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::{JoinError, spawn_blocking},
    time::{Instant, sleep_until},
};

use super::{
    args::{LeaksArgs, LookArgs, StuckArgs},
    exit::{self, CliError},
    page::Page,
    runtime,
    setup::{nanos, socket_filter},
    signals, talk,
    unseen::Said,
};
use crate::{
    census::Kind,
    inspection::{Inspected, Inspection},
};

/// A wait as long as this is said: a person would wonder.
const WORTH_SAYING: Duration = Duration::from_secs(1);

/// Looks for stuck sockets.
pub(super) fn stuck(args: &StuckArgs) -> Result<ExitCode, CliError> {
    let (threshold_ns, filter) = (nanos(args.stuck_after), socket_filter(&args.filter)?);
    let inspection = Inspection::new(Kind::Stuck, threshold_ns, args.look.watch, filter)?;
    run(inspection, &args.look, args.sockets, ["no socket is stuck", "no socket is known to be stuck"])
}

/// Looks for leaks.
pub(super) fn leaks(args: &LeaksArgs) -> Result<ExitCode, CliError> {
    let (threshold_ns, filter) = (nanos(args.leak_after), socket_filter(&args.filter)?);
    let inspection = Inspection::new(Kind::Leaks, threshold_ns, args.look.watch, filter)?;
    run(inspection, &args.look, args.sockets, ["no socket is leaked", "no socket is known to be leaked"])
}

fn run(inspection: Inspection, look: &LookArgs, sockets: bool, none: [&str; 2]) -> Result<ExitCode, CliError> {
    let runtime = runtime::start()?;
    let page = Page::new(look.output, look.watch.is_some(), sockets, inspection.home());
    let found = runtime.block_on(rounds(inspection, look, page, none));
    // A look that is under way is nobody's any more.
    runtime.shutdown_background();
    Ok(if found? && look.exit_code { exit::findings() } else { exit::DONE })
}

/// Whether anything was found. What a limit of files or memory kept from being seen is an error after the report.
async fn rounds(inspection: Inspection, look: &LookArgs, mut page: Page, none: [&str; 2]) -> Result<bool, CliError> {
    let system = |what| move |source| CliError::System { what, source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("handle SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system("handle SIGTERM"))?;
    let mut hangup = signals::hangup().map_err(system("handle SIGHUP"))?;
    signals::install().map_err(system("handle signals"))?;
    let end = look.duration.and_then(|time| Instant::now().checked_add(time));
    let mut said = Said::default();
    let (mut found, mut saw_any, mut looked) = (false, false, false);
    let mut next = Some((inspection, Instant::now()));
    while let Some((inspection, due)) = next.take() {
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = signals::next(&mut hangup) => break,
            () = end_of(end) => break,
            round = round_at(due, inspection) => {
                let (inspection, inspected) = round.map_err(|error| system("look at sockets")(error.into()))?;
                said.of(&inspected);
                looked = true;
                let sockets = inspected.report.sockets();
                found |= sockets > 0;
                saw_any |= inspected.report.namespaces_seen() > 0;
                if sockets == 0 && look.watch.is_none() {
                    let [none, none_known] = none;
                    let is_certain = inspected.report.age_unknown() == 0 && said.is_whole();
                    talk::note(if is_certain { &none } else { &none_known });
                }
                page.round(&inspected)?;
                next = look.watch.map(|interval| (inspection, after(due, interval)));
            }
        }
    }
    page.end()?;
    if looked && !saw_any && said.is_blocked() {
        return Err(CliError::Partial("no network namespace could be looked at".to_owned()));
    }
    said.limit().map_or(Ok(found), |why| Err(CliError::Partial(why)))
}

/// Looks at its time, on a thread of its own, so that signals are heard meanwhile.
async fn round_at(due: Instant, mut inspection: Inspection) -> Result<(Inspection, Inspected), JoinError> {
    sleep_until(due).await;
    spawn_blocking(move || {
        let inspected = inspection.round(&mut |wait| {
            if wait >= WORTH_SAYING {
                talk::note(&format!(
                    "waiting {:.1}s to see which sockets are older than the threshold",
                    wait.as_secs_f64()
                ));
            }
        });
        (inspection, inspected)
    })
    .await
}

/// The next round is due an interval after the last one; what a slow one took is not caught up on.
fn after(due: Instant, interval: Duration) -> Instant {
    let now = Instant::now();
    due.checked_add(interval).map_or(now, |next| next.max(now))
}

async fn end_of(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// A number of things.
pub(super) fn count(number: u64, what: &str) -> String {
    let plural = match what.ends_with('s') {
        _ if number == 1 => "",
        true => "es",
        false => "s",
    };
    format!("{number} {what}{plural}")
}
