//! What to do, as `cargo xtask vm` wrote it: a word and its value on each line.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order in which they must be loaded.
    pub(crate) modules: Vec<PathBuf>,
    /// For every program.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) tool: PathBuf,
    pub(crate) tests: PathBuf,
    /// Only tests whose name contains this.
    pub(crate) filter: String,
    /// For one test.
    pub(crate) limit: Duration,
}

impl Plan {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(&fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut plan = Self::default();
        for line in text.lines() {
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "module" => plan.modules.push(value.into()),
                "env" => {
                    let (name, value) = value.split_once('=').with_context(|| format!("no value in {line:?}"))?;
                    plan.environment.push((name.to_owned(), value.to_owned()));
                }
                "tool" => plan.tool = value.into(),
                "tests" => plan.tests = value.into(),
                "filter" => value.clone_into(&mut plan.filter),
                "limit" => plan.limit = Duration::from_secs(value.parse().context("a limit in seconds")?),
                _ => bail!("{line:?} is not understood"),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read() {
        let plan = Plan::parse("module /a.ko\nmodule /b.ko\nenv A=b=c\ntool /t\ntests /k\nfilter \nlimit 3\n").unwrap();
        assert_eq!(plan.modules, [PathBuf::from("/a.ko"), "/b.ko".into()]);
        assert_eq!(plan.environment, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!((plan.filter.as_str(), plan.limit), ("", Duration::from_secs(3)));
        assert!(Plan::parse("what is this").is_err());
    }
}
