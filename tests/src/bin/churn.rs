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
    load::{self, Amount},
    netns,
};

const USAGE: &str = "usage: churn --seconds N | --connections N";

fn main() -> Result<ExitCode> {
    let amount = amount(env::args().skip(1))?;
    let report = netns::run(|netns| load::run(netns, amount))?;
    writeln!(io::stdout(), "{}", report.to_json())?;
    Ok(if report.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn amount(mut arguments: impl Iterator<Item = String>) -> Result<Amount> {
    let (Some(name), Some(value), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        bail!(USAGE);
    };
    match name.as_str() {
        "--seconds" => {
            let seconds = value.parse().context(USAGE)?;
            Ok(Amount::Time(Duration::try_from_secs_f64(seconds).context(USAGE)?))
        }
        "--connections" => Ok(Amount::Connections(value.parse().context(USAGE)?)),
        _ => bail!(USAGE),
    }
}
