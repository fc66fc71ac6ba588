//! How big the BPF programs may be on each kernel: `xtask/budget.json`. What grows past it fails, so that growth is
//! decided and not noticed; `cargo xtask vm --record` writes down what is, with some room.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::results::Results;
use crate::workspace::Workspace;

const FILE: &str = "xtask/budget.json";
/// Percent that a program may grow beyond what was recorded before somebody has to look.
const ROOM: u64 = 10;

/// Of one program. `verified` is null where the kernel does not tell (before 5.16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Size {
    /// Instructions that the verifier went through, on all paths.
    pub(super) verified: Option<u64>,
    /// Bytes of BPF after the verifier's changes.
    pub(super) translated: Option<u64>,
    /// Bytes of machine code.
    pub(super) machine_code: Option<u64>,
}

impl Size {
    pub(super) fn of(program: &Value) -> Self {
        let number = |name: &str| program.get(name).and_then(Value::as_u64);
        Self {
            verified: number("verified_instructions"),
            translated: number("translated_bytes"),
            machine_code: number("machine_code_bytes"),
        }
    }

    fn numbers(self) -> [(&'static str, Option<u64>); 3] {
        [("verified instructions", self.verified), ("bytes", self.translated), ("machine code", self.machine_code)]
    }

    fn with_room(self) -> Self {
        let more = |number: Option<u64>| number.map(|number| (number * (100 + ROOM)).div_ceil(100));
        Self { verified: more(self.verified), translated: more(self.translated), machine_code: more(self.machine_code) }
    }
}

/// By series and program.
pub(super) struct Budget {
    path: PathBuf,
    sizes: BTreeMap<String, BTreeMap<String, Size>>,
}

impl Budget {
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        let path = workspace.root.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
        Ok(Self { sizes: serde_json::from_str(&text).with_context(|| format!("{FILE} is not understood"))?, path })
    }

    /// What is over it, or has none.
    pub(super) fn judge(&self, series: &str, results: &Results) -> Vec<String> {
        let mut over = Vec::new();
        let budgeted = self.sizes.get(series).into_iter().flatten().map(|(name, _)| name.as_str());
        let absent = budgeted.filter(|name| results.programs().all(|(told, _)| told != *name));
        over.extend(absent.map(|name| format!("{name} has a budget and was not told of")));
        for (name, program) in results.programs() {
            let Some(most) = self.sizes.get(series).and_then(|sizes| sizes.get(name)) else {
                over.push(format!("{name} has no budget: `cargo xtask vm --record` makes one"));
                continue;
            };
            for ((what, is), (_, most)) in Size::of(program).numbers().into_iter().zip(most.numbers()) {
                match (is, most) {
                    (Some(is), Some(most)) if is > most => {
                        over.push(format!("{name}: {is} {what}, and {most} is its budget"));
                    }
                    (Some(_), Some(_)) | (None, None) => {}
                    _ => over.push(format!("{name}: {what}: {is:?}, and {most:?} is its budget")),
                }
            }
        }
        over
    }

    /// Only what a good run told: another one may have told of half of the programs.
    pub(super) fn record(&mut self, series: &str, results: &Results) -> Result<()> {
        if !results.is_good() || results.programs().next().is_none() {
            return Ok(());
        }
        let sizes = results.programs().map(|(name, program)| (name.to_owned(), Size::of(program).with_room()));
        self.sizes.insert(series.to_owned(), sizes.collect());
        fs::write(&self.path, serde_json::to_string_pretty(&self.sizes)? + "\n")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(verified: u64) -> Results {
        let report = format!("@ checked {{\"program\":{{\"name\":\"p\",\"verified_instructions\":{verified}}}}}\n");
        Results::read(&report, "", "")
    }

    fn budget(series: &str) -> Budget {
        let size = Size { verified: Some(100), ..Size::default() }.with_room();
        let sizes = BTreeMap::from([(series.to_owned(), BTreeMap::from([("p".to_owned(), size)]))]);
        Budget { path: PathBuf::new(), sizes }
    }

    #[test]
    fn growth_is_noticed() {
        assert!(budget("6.1").judge("6.1", &results(110)).is_empty());
        assert_eq!(budget("6.1").judge("6.1", &results(111)), ["p: 111 verified instructions, and 110 is its budget"]);
    }

    #[test]
    fn what_is_not_told_is_noticed() {
        let none = Results::read("", "", "");
        assert_eq!(budget("6.1").judge("6.1", &none), ["p has a budget and was not told of"]);
        let untold = Results::read("@ checked {\"program\":{\"name\":\"p\",\"verified_instructions\":null}}\n", "", "");
        assert_eq!(budget("6.1").judge("6.1", &untold).len(), 1);
    }

    #[test]
    fn a_program_without_a_budget_fails() {
        assert_eq!(budget("6.1").judge("5.10", &results(1)).len(), 1);
    }
}
