//! Which capability each ability takes, seen by running the tool with some and no others. docs/requirements.md prints
//! the table that this test makes.

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use anyhow::{Context, Result, ensure};
use rustix::thread::CapabilitySet;
use tcptrace_tests::{
    pair::{Ends, Pair},
    tool::{Finished, Line, Tool},
};

use crate::{
    harness::{SOON, bounded},
    stage::{MINE, Stage},
};

const DOCS: &str = include_str!("../../docs/requirements.md");
const USAGE: i32 = 2;
const PRIVILEGE: i32 = 3;
/// Done, but not everything could be looked at.
const PARTLY: i32 = 5;

/// Those that decide about anything the tool does; the narrow ones come first.
const CANDIDATES: [(&str, CapabilitySet); 6] = [
    ("CAP_BPF", CapabilitySet::BPF),
    ("CAP_PERFMON", CapabilitySet::PERFMON),
    ("CAP_SYS_PTRACE", CapabilitySet::SYS_PTRACE),
    ("CAP_DAC_READ_SEARCH", CapabilitySet::DAC_READ_SEARCH),
    ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN),
    ("CAP_DAC_OVERRIDE", CapabilitySet::DAC_OVERRIDE),
];

/// What the tool can do, in words, and whether it does with these capabilities.
type Ability = (&'static str, fn(&mut Trials<'_>, CapabilitySet) -> Result<bool>);

const ABILITIES: [Ability; 10] = [
    ("load and attach the programs: `trace`, `hist`, `record`, `doctor --watch`", |trials, set| trials.traces(set)),
    ("the same with names of cgroups", |trials, set| trials.names_cgroups(set)),
    ("sockets of the own network namespace", |trials, set| trials.lists(set, |stage| stage.own.ends)),
    ("who holds a socket: processes of the same user", |trials, set| trials.owns(set, true)),
    ("who holds a socket: processes of other users", |trials, set| trials.owns(set, false)),
    ("which network namespaces there are: those with a name", |trials, set| trials.finds(set, true)),
    ("which network namespaces there are: those of other users' processes", |trials, set| trials.finds(set, false)),
    ("sockets of network namespaces with a name", |trials, set| trials.lists(set, |stage| stage.named.ends)),
    ("sockets of network namespaces of other users' processes", |trials, set| {
        trials.lists(set, |stage| stage.other.ends)
    }),
    ("settings and counters of the own network namespace (`doctor`)", |trials, set| trials.reads_settings(set)),
];

/// Runs of the tool on one stage; each is made once.
struct Trials<'a> {
    stage: &'a Stage,
    listings: BTreeMap<u64, (Vec<Line>, String)>,
    traces: BTreeMap<u64, bool>,
}

impl Trials<'_> {
    fn command(&self, words: &[&str], set: CapabilitySet) -> Command {
        self.stage.tool(words, MINE, set)
    }

    /// Lines of `leaks --sockets`, and what was said. What it advises is never held already.
    fn listing(&mut self, set: CapabilitySet) -> Result<&(Vec<Line>, String)> {
        if !self.listings.contains_key(&set.bits()) {
            let words = ["leaks", "--sockets", "--leak-after", "1ms", "--output", "json"];
            let finished = Tool::start(self.command(&words, set))?.finish(SOON)?;
            finished.expect_code(0)?;
            advises_nothing_that_is_held(&finished, set)?;
            self.listings.insert(set.bits(), (finished.lines()?, finished.stderr.clone()));
        }
        self.listings.get(&set.bits()).context("it was made")
    }

    fn lists(&mut self, set: CapabilitySet, of: fn(&Stage) -> Ends) -> Result<bool> {
        let ends = of(self.stage);
        Ok(self.listing(set)?.0.iter().any(|line| line.is("finding") && line.has_ends(ends)))
    }

    fn owns(&mut self, set: CapabilitySet, mine: bool) -> Result<bool> {
        let leak = if mine { &self.stage.mine } else { &self.stage.own };
        let (ends, pid) = (leak.ends, leak.holder.pid());
        let (lines, said) = self.listing(set)?;
        let line = lines.iter().find(|line| line.is("finding") && line.has_ends(ends)).context("it is not listed")?;
        let found = *line.at("/owner/pid") == pid;
        ensure!(found != line.at("/owner").is_null(), "another owner: {}", line.text);
        // Nobody is left to wonder.
        let is_said = said.contains("who holds");
        ensure!(found || is_said, "no holder with {set:?}, and not a word: {said}");
        Ok(found)
    }

    /// It is asked for by the word that the tool itself has for it.
    fn finds(&mut self, set: CapabilitySet, named: bool) -> Result<bool> {
        let word = if named { self.stage.name.clone() } else { self.stage.other.holder.pid().to_string() };
        let finished = Tool::start(self.command(&["leaks", "--netns", &word], set))?.finish(SOON)?;
        advises_nothing_that_is_held(&finished, set)?;
        let found = finished.status.code() != Some(USAGE);
        if found && !finished.status.success() {
            // It was found, and could not be entered.
            finished.expect_code(PARTLY)?;
        }
        Ok(found)
    }

    fn traces(&mut self, set: CapabilitySet) -> Result<bool> {
        if let Some(known) = self.traces.get(&set.bits()) {
            return Ok(*known);
        }
        let words = ["trace", "--output", "json", "--duration", "1ms"];
        let finished = Tool::start(self.command(&words, set))?.finish(SOON)?;
        let can = finished.status.success();
        if !can {
            finished.expect_code(PRIVILEGE)?;
            advises_nothing_that_is_held(&finished, set)?;
            let checked = Tool::start(self.command(&["check"], set))?.finish(SOON)?;
            checked.expect_code(PRIVILEGE)?;
            advises_nothing_that_is_held(&checked, set)?;
        }
        self.traces.insert(set.bits(), can);
        Ok(can)
    }

    fn names_cgroups(&mut self, set: CapabilitySet) -> Result<bool> {
        if !self.traces(set)? {
            return Ok(false);
        }
        let netns = self.stage.own_inode;
        let words = ["trace", "--output", "json", "--duration", "60s", "--netns", "self"];
        let tool = Tool::watching(self.command(&words, set))?;
        let Pair { client, server, .. } = Pair::connect()?;
        drop(client);
        drop(server);
        tool.wait_for_closes(netns, 2, SOON)?;
        let finished = tool.stop()?;
        let lines = finished.lines_in(netns)?;
        let owned = lines.iter().find(|line| !line.at("/owner").is_null()).context("no owner at all")?;
        Ok(owned.at("/owner/cgroup").is_string())
    }

    fn reads_settings(&mut self, set: CapabilitySet) -> Result<bool> {
        let words = ["doctor", "--netns", "self", "--only", "fin_timeout", "--output", "json"];
        let finished = Tool::start(self.command(&words, set))?.finish(SOON)?;
        finished.expect_code(0)?;
        let lines = finished.lines()?;
        let row = lines.first().context("no row")?;
        Ok(row.at("/evidence/tcp_fin_timeout_s").is_u64())
    }
}

/// Capabilities are named by what is printed only if they are missing. (`setcap` names them in small letters.)
fn advises_nothing_that_is_held(finished: &Finished, set: CapabilitySet) -> Result<()> {
    let advice = finished.stderr.lines().chain(finished.stdout.lines().filter(|line| line.contains("->")));
    for line in advice {
        for (name, capability) in CANDIDATES {
            // A row of `check` is about one capability, whose name comes before its advice.
            let advised = line.split([' ', ';', ',', ':', '.']).any(|word| word == name);
            ensure!(!(advised && set.contains(capability)), "{name} is held: {line}");
        }
    }
    Ok(())
}

/// The smallest sets of at most two that give an ability.
fn smallest(trials: &mut Trials<'_>, ability: &Ability) -> Result<Vec<CapabilitySet>> {
    let singles = CANDIDATES.map(|(_, one)| one);
    let pairs = singles.iter().enumerate().flat_map(|(place, one)| {
        let others = singles.iter().skip(place + 1);
        others.map(|other| *one | *other).collect::<Vec<_>>()
    });
    let mut found: Vec<CapabilitySet> = Vec::new();
    for set in [CapabilitySet::empty()].into_iter().chain(singles).chain(pairs) {
        if !found.iter().any(|smaller| set.contains(*smaller)) && (ability.1)(trials, set)? {
            found.push(set);
        }
    }
    Ok(found)
}

fn in_words(sets: &[CapabilitySet]) -> String {
    let names = |set: &CapabilitySet| {
        let names = CANDIDATES.iter().filter(|(_, one)| set.contains(*one)).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(" and ")
    };
    match sets {
        [] => "more than two".to_owned(),
        [none] if none.is_empty() => "none".to_owned(),
        sets => sets.iter().map(names).collect::<Vec<_>>().join("; or "),
    }
}

#[test]
fn the_table_of_the_docs_is_what_runs_show() -> Result<()> {
    bounded(|| {
        Stage::set(|stage| {
            let mut trials = Trials { stage, listings: BTreeMap::new(), traces: BTreeMap::new() };
            let mut table = "| ability | capabilities |\n|---|---|\n".to_owned();
            for ability in &ABILITIES {
                let found = smallest(&mut trials, ability)?;
                writeln!(table, "| {} | {} |", ability.0, in_words(&found))?;
            }
            ensure!(DOCS.contains(&table), "docs/requirements.md does not have this table:\n{table}");
            Ok(())
        })
    })
}
