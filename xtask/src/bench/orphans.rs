//! `cargo xtask bench orphans`: the churn load with closes that go on in timewait sockets, so that each has to be
//! looked up; and what an audit of a table full of such sockets costs.

use std::process::Command;

use anyhow::Result;

use super::churn::{self, Pair};
use super::cleanup::Cleanup;
use super::load::Ending;
use super::{Bench, median};
use crate::process;

/// Orphan closes a second that are to be had at a tenth of a core.
const AIM_PER_SECOND: f64 = 40_000.0;
const AIMS: &str =
    "aims: the look-up thread below 0.100 of a core at 40,000 orphan closes/s, none unknown, none missing";
/// The load's clients alone: their peers' events would tell what looks are to tell.
const TRACE: [&str; 3] = ["trace", "--remote-port", "99"];
/// Sockets in TIME_WAIT, for the audit.
const TIMEWAIT: u32 = 30_000;

/// What the looks of one run came to.
struct Looks<'a>(&'a Pair);

impl Looks<'_> {
    fn seconds(&self) -> f64 {
        self.0.with.connections as f64 / self.0.with.per_second
    }

    fn orphans_a_second(&self) -> f64 {
        self.0.watched.written.orphans.handed_over as f64 / self.seconds()
    }

    fn asked_each(&self) -> f64 {
        let orphans = &self.0.watched.written.orphans;
        orphans.asked as f64 / orphans.handed_over.max(1) as f64
    }

    /// Of the look-up thread, as a share of a core.
    fn core(&self) -> f64 {
        self.0.watched.look.as_secs_f64() / self.seconds()
    }

    fn core_at_aim(&self) -> f64 {
        self.core() * AIM_PER_SECOND / self.orphans_a_second()
    }

    /// Closes of the load without a line, be it that they still waited; below 0 if there were too many.
    fn missing(&self) -> i64 {
        let wanted = i64::try_from(self.0.with.connections).unwrap_or(i64::MAX);
        wanted.saturating_sub_unsigned(self.0.watched.written.closes)
    }

    fn unknown(&self) -> u64 {
        self.0.watched.written.orphans.unknown.values().sum()
    }
}

pub(super) fn run(bench: &Bench) -> Result<()> {
    let _cleanup = Cleanup::of_folder(&bench.folder)?;
    // First, because it stands whatever others do to the pairs.
    process::run(Command::new(&bench.diag).args(["--audit", &TIMEWAIT.to_string()]))?;
    println!(
        "orphans: {} pairs of {} s, {} --output json to a file on disk",
        bench.pairs,
        bench.seconds,
        TRACE.join(" ")
    );
    println!(
        "  pair  without/s     with/s   kept  orphans/s looks   core  at 40k  unknown  missing  waiting  others   steal"
    );
    let mut pairs = Vec::new();
    for number in 1..=bench.pairs {
        let pair = churn::pair(bench, &TRACE, Ending::HandOver, number)?;
        show(number, &pair);
        pairs.push(pair);
    }
    conclude(&pairs)
}

fn show(number: u32, pair: &Pair) {
    let looks = Looks(pair);
    println!(
        "  {number:>4}{:>11.0}{:>11.0}{:>7.3}{:>11.0}{:>6.3}{:>7.3}{:>8.3}{:>9}{:>9}{:>9}{:>6.1} %{:>6.1} %{}",
        pair.without.per_second,
        pair.with.per_second,
        pair.kept(),
        looks.orphans_a_second(),
        looks.asked_each(),
        looks.core(),
        looks.core_at_aim(),
        looks.unknown(),
        looks.missing(),
        pair.watched.written.orphans.waiting,
        100.0 * pair.foreign(),
        100.0 * pair.stolen(),
        if pair.counts() { "" } else { "  left out" }
    );
    for (reason, count) in &pair.watched.written.orphans.unknown {
        println!("        unknown: {reason} {count}");
    }
}

fn conclude(pairs: &[Pair]) -> Result<()> {
    // These add up, in pairs that are left out, too.
    let sum = |figure: fn(&Pair) -> u64| pairs.iter().map(figure).sum::<u64>();
    println!(
        "  in all: {} orphans, {} unknown, {} closes missing, {} waiting, {} looks without an answer, {} events lost",
        sum(|pair| pair.watched.written.orphans.handed_over),
        sum(|pair| Looks(pair).unknown()),
        pairs.iter().map(|pair| Looks(pair).missing()).sum::<i64>(),
        sum(|pair| pair.watched.written.orphans.waiting),
        sum(|pair| pair.watched.written.orphans.unanswered),
        sum(|pair| pair.watched.written.lost),
    );
    let counted: Vec<&Pair> = pairs.iter().filter(|pair| pair.counts()).collect();
    let middle = |figure: fn(&Pair) -> f64| median(counted.iter().map(|pair| figure(pair)));
    let (Some(kept), Some(rate), Some(core), Some(at_aim), Some(dump)) = (
        middle(Pair::kept),
        middle(|pair| Looks(pair).orphans_a_second()),
        middle(|pair| Looks(pair).core()),
        middle(|pair| Looks(pair).core_at_aim()),
        middle(|pair| pair.watched.dump.as_secs_f64() / Looks(pair).seconds()),
    ) else {
        return Err(churn::too_busy());
    };
    println!(
        "  median: kept {kept:.3}; {rate:.0} orphan closes/s at {core:.3} of a core, which is {at_aim:.3} at 40,000"
    );
    println!("  {AIMS}");
    println!("  the dump thread took {dump:.3} of a core; {} of {} pairs count", counted.len(), pairs.len());
    Ok(())
}
