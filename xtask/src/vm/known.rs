//! The kernels that are known, from the one file that names them (`xtask/kernels.json`).

use anyhow::{Context, Result};
use serde::Deserialize;

/// Everything that comes from Debian's archives, with its version.
const DATA: &str = include_str!("../../kernels.json");

#[derive(Debug, Deserialize)]
pub(super) struct Known {
    /// From the oldest to the newest.
    pub(super) kernels: Vec<Kernel>,
    /// Shell and network tools of the machines.
    pub(super) busybox: Busybox,
    /// What runs the machines.
    pub(super) qemu: Qemu,
    /// What tests need and distributions build as modules.
    pub(super) modules: Vec<String>,
    /// The same of what not every kernel was built with.
    pub(super) optional_modules: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Kernel {
    /// `5.10`: what users call it.
    pub(super) series: String,
    /// `uname -r`, part of its packages' names.
    pub(super) release: String,
    /// Of its packages.
    pub(super) version: String,
    pub(super) archive: String,
    pub(super) suite: String,
    packages: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Busybox {
    pub(super) version: String,
    pub(super) archive: String,
    pub(super) suite: String,
    pub(super) package: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Qemu {
    /// An emulator of the host is used from this version on.
    pub(super) at_least: String,
    pub(super) version: String,
    pub(super) archive: String,
    pub(super) suite: String,
    pub(super) package: String,
}

impl Kernel {
    pub(super) fn packages(&self) -> Vec<String> {
        self.packages.iter().map(|name| name.replace("{release}", &self.release)).collect()
    }
}

impl Known {
    pub(super) fn read() -> Result<Self> {
        serde_json::from_str(DATA).context("xtask/kernels.json is not understood")
    }

    /// Those that are asked for by series, `oldest` or `newest`; all of them if none is.
    pub(super) fn choose(&self, names: &[String]) -> Result<Vec<Kernel>> {
        if names.is_empty() {
            return Ok(self.kernels.clone());
        }
        let found = names.iter().map(|name| {
            let kernel = match name.as_str() {
                "oldest" => self.kernels.first(),
                "newest" => self.kernels.last(),
                series => self.kernels.iter().find(|kernel| kernel.series == series),
            };
            kernel.cloned().with_context(|| format!("no kernel {name} is known: see `cargo xtask vm --list`"))
        });
        let mut chosen: Vec<Kernel> = Vec::new();
        for kernel in found.collect::<Result<Vec<_>>>()? {
            // Two machines would write into the same files.
            if chosen.iter().all(|other| other.series != kernel.series) {
                chosen.push(kernel);
            }
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::numbers;
    use super::*;

    #[test]
    fn the_data_is_in_order() {
        let known = Known::read().unwrap();
        let numbers: Vec<_> = known.kernels.iter().map(|kernel| numbers(&kernel.series).unwrap()).collect();
        assert!(numbers.is_sorted() && numbers.len() >= 5, "{numbers:?}");
        for kernel in &known.kernels {
            assert!(kernel.release.starts_with(&kernel.series), "{kernel:?}");
            assert!(kernel.packages().iter().all(|name| name.ends_with(&kernel.release)), "{kernel:?}");
        }
    }

    #[test]
    fn kernels_are_asked_for_by_name() {
        let known = Known::read().unwrap();
        let series = |names: &[&str]| -> Vec<String> {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            known.choose(&names).unwrap().into_iter().map(|kernel| kernel.series).collect()
        };
        assert_eq!(series(&[]).len(), known.kernels.len());
        assert_eq!(series(&["oldest", "6.1", "5.10"]), ["5.10", "6.1"]);
        assert!(known.choose(&["2.6".to_owned()]).is_err());
    }
}
