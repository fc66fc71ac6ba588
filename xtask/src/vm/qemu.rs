//! The emulator: the host's where it is new enough, else Debian's with all of its libraries, unpacked below the target
//! folder and run with its own loader, so that nothing is installed and no package of the host can be in the way.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{
    archive::{Suite, unpacked_with_dependencies},
    known::Qemu as Wanted,
    results::numbers,
};
use crate::process;

const PROGRAM: &str = "qemu-system-x86_64";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Firmware and option ROMs, in the order in which qemu searches.
const DATA: [&str; 3] = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];

/// How to start the emulator.
pub(super) struct Qemu {
    /// The program and the arguments that come before those of a machine.
    words: Vec<OsString>,
    /// What is found, for people.
    pub(super) shown: String,
}

impl Qemu {
    /// Finds an emulator, or fetches one.
    pub(super) fn find(cache: &Path, wanted: &Wanted) -> Result<Self> {
        if let Some(path) = process::in_path(PROGRAM)
            && let Some(version) = version_of(Command::new(&path))
            && is_enough(&version, &wanted.at_least)
        {
            let shown = format!("{} {version}", path.display());
            return Ok(Self { words: vec![path.into()], shown });
        }
        let from = Suite { archive: &wanted.archive, suite: &wanted.suite, version: &wanted.version };
        let folder = unpacked_with_dependencies(cache, "qemu", &from, &wanted.package)?;
        let qemu = Self::unpacked_in(&folder)?;
        if version_of(qemu.command()).is_none() {
            bail!("the emulator that was unpacked into {0} does not run: remove {0} and try again", folder.display());
        }
        Ok(qemu)
    }

    fn unpacked_in(folder: &Path) -> Result<Self> {
        let loader = first_of(folder, &["usr/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"])?;
        let program = first_of(folder, &["usr/bin/qemu-system-x86_64"])?;
        let mut words: Vec<OsString> = vec![loader.into(), "--library-path".into(), folder.join(LIBRARIES).into()];
        let shown = program.display().to_string();
        words.push(program.into());
        for data in DATA.map(|place| folder.join(place)).into_iter().filter(|path| path.is_dir()) {
            words.push("-L".into());
            words.push(data.into());
        }
        Ok(Self { words, shown })
    }

    /// The words that start it, to which a machine adds its own.
    pub(super) fn words(&self) -> &[OsString] {
        &self.words
    }

    fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or(PROGRAM.as_ref(), OsString::as_os_str));
        command.args(words);
        command
    }
}

fn first_of(folder: &Path, places: &[&str]) -> Result<PathBuf> {
    let found = places.iter().map(|place| folder.join(place)).find(|path| path.exists());
    found.with_context(|| format!("{} holds no {}: remove it and try again", folder.display(), places.join(", ")))
}

/// `QEMU emulator version 10.0.2 (Debian ..)`; `None` for a program that does not run.
fn version_of(mut command: Command) -> Option<String> {
    let answer = process::output(command.arg("--version")).ok()?;
    parse_version(&answer).map(str::to_owned)
}

fn parse_version(answer: &str) -> Option<&str> {
    answer.split_whitespace().skip_while(|word| *word != "version").nth(1)
}

fn is_enough(version: &str, at_least: &str) -> bool {
    numbers(version).zip(numbers(at_least)).is_some_and(|(found, least)| found >= least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_enough_emulator_is_used() {
        let version = parse_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright").unwrap();
        assert_eq!(version, "10.0.2");
        assert!(is_enough(version, "7.2"));
        assert!(is_enough("7.2.22", "7.2"));
        assert!(!is_enough("5.2.0", "7.2"));
        assert!(!is_enough("unknown", "7.2"));
        assert_eq!(parse_version("no such program"), None);
    }

    #[test]
    fn an_incomplete_folder_says_what_to_do() {
        let error = Qemu::unpacked_in(Path::new("/nonexistent")).err().unwrap().to_string();
        assert!(error.contains("remove it and try again"), "{error}");
    }
}
