//! Load for measurements: opens and closes connections over loopback, in a namespace of its own, as quickly
//! as two threads can. Prints one line of JSON.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns,
};

const USAGE: &str = "usage: churn (--seconds N | --connections N) [--hand-over]";

fn main() -> Result<ExitCode> {
    let (amount, ending) = arguments(env::args().skip(1))?;
    let report = netns::run(|netns| load::run(netns, amount, ending))?;
    writeln!(io::stdout(), "{}", report.to_json())?;
    Ok(if report.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn arguments(mut arguments: impl Iterator<Item = String>) -> Result<(Amount, Ending)> {
    let (Some(name), Some(value)) = (arguments.next(), arguments.next()) else { bail!(USAGE) };
    let ending = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ending::ThreeWay,
        (Some("--hand-over"), None) => Ending::HandOver,
        _ => bail!(USAGE),
    };
    let amount = match name.as_str() {
        "--seconds" => {
            let seconds = value.parse().context(USAGE)?;
            Amount::Time(Duration::try_from_secs_f64(seconds).context(USAGE)?)
        }
        "--connections" => Amount::Connections(value.parse().context(USAGE)?),
        _ => bail!(USAGE),
    };
    Ok((amount, ending))
}
