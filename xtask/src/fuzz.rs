//! `cargo xtask fuzz`: libFuzzer on the stable toolchain. What `cargo fuzz` does with a nightly, without address
//! sanitizer: nothing that is fuzzed has unsafe code, so what is to be found are panics, endless loops and hoards.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{process, setup};

/// Counts edges and compares operands, so that the fuzzer sees what an input reaches.
const FLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions=on",
];
/// More than any target needs that keeps its bounds.
const MEMORY_MAX_MB: u32 = 512;
/// One input takes microseconds.
const INPUT_MAX_S: u32 = 10;
/// Room for some hundred events, or a few blocks of a capture.
const INPUT_MAX_BYTES: u32 = 8192;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds for each target
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Targets; all of them unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let known = known_targets(&workspace)?;
    let targets = chosen(&args.targets, &known)?;
    if process::in_path("c++").is_none() {
        bail!("libFuzzer needs a C++ compiler: install one (Debian: `apt-get install g++`)");
    }
    setup::ensure_build(&workspace)?;
    let binaries = build(&workspace)?;
    for target in &targets {
        eprintln!("fuzz: {target}: {} s", args.seconds);
        fuzz(&workspace, &binaries, target, args.seconds)?;
    }
    Ok(())
}

/// One file each below tests/fuzz/targets.
fn known_targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("tests/fuzz/targets");
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    Ok(files(&folder)?.into_iter().filter_map(stem).collect())
}

fn chosen(named: &[String], known: &[String]) -> Result<Vec<String>> {
    if let Some(name) = named.iter().find(|name| !known.contains(name)) {
        bail!("there is no fuzz target `{name}`, but {}", known.join(", "));
    }
    Ok(if named.is_empty() { known.to_vec() } else { named.to_vec() })
}

/// Builds all targets and says in which folder they are.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    let host = process::output(rustc.args(["--print", "host-tuple"]).current_dir(&workspace.root))?;
    let target_dir = workspace.target.join("fuzz");
    let mut command = workspace.cargo();
    command
        .args(["build", "--release", "--bins", "--manifest-path", "tests/fuzz/Cargo.toml"])
        // Named although it is the host: else build scripts are instrumented too, and do not link.
        .args(["--target", host.trim()])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    process::run(&mut command)?;
    Ok(target_dir.join(host.trim()).join("release"))
}

fn fuzz(workspace: &Workspace, binaries: &Path, target: &str, seconds: u32) -> Result<()> {
    let folder = |name: &str| {
        let folder = workspace.target.join("fuzz").join(name).join(target);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        anyhow::Ok(folder)
    };
    let (corpus, artifacts) = (folder("corpus")?, folder("artifacts")?);
    let before: BTreeSet<PathBuf> = files(&artifacts)?.into_iter().collect();
    let binary = binaries.join(target);
    let log = workspace.target.join("fuzz").join(format!("{target}.log"));
    let writer = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(&binary);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={MEMORY_MAX_MB}"))
        .arg(format!("-timeout={INPUT_MAX_S}"))
        .arg(format!("-max_len={INPUT_MAX_BYTES}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        // New inputs go into the first folder; the second is only read.
        .arg(&corpus)
        .arg(workspace.root.join("tests/fuzz/seeds").join(target))
        .env("RUST_BACKTRACE", "1")
        // Hundreds of lines of which a person needs two.
        .stderr(writer);
    let result = process::run(&mut command);
    let talk = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let talk = String::from_utf8_lossy(&talk);
    let Err(error) = result else {
        eprintln!("fuzz: {target}: {} inputs tried, nothing found", tried(&talk).unwrap_or("?"));
        return Ok(());
    };
    eprintln!("{}", complaint(&talk));
    let found: Vec<String> = files(&artifacts)?
        .into_iter()
        .filter(|file| !before.contains(file))
        .map(|file| format!("{} {}", binary.display(), file.display()))
        .collect();
    if found.is_empty() {
        return Err(
            error.context(format!("the fuzz target {target} failed without an input to blame, see {}", log.display()))
        );
    }
    bail!("the fuzz target {target} found an input that breaks it; replay it with `{}`", found.join("`, `"));
}

/// How many inputs libFuzzer says that it tried.
fn tried(talk: &str) -> Option<&str> {
    let number = talk.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    number.map(str::trim)
}

/// What libFuzzer or a panic says of an input, without what was said before; at most so many lines.
fn complaint(talk: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = talk.lines().collect();
    let speaks = |line: &&str| line.contains("panicked at") || line.contains("ERROR: libFuzzer");
    let from = lines.iter().position(speaks).unwrap_or(lines.len().saturating_sub(LINES));
    lines.into_iter().skip(from).take(LINES).collect::<Vec<_>>().join("\n")
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry.with_context(|| format!("cannot list {}", folder.display()))?.path());
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_all_or_the_named_ones() {
        let known = ["capture", "engine"].map(str::to_owned);
        assert_eq!(chosen(&[], &known).unwrap(), known);
        assert_eq!(chosen(&["engine".to_owned()], &known).unwrap(), ["engine"]);
        let error = chosen(&["motor".to_owned()], &known).unwrap_err().to_string();
        assert_eq!(error, "there is no fuzz target `motor`, but capture, engine");
    }

    #[test]
    fn the_complaint_is_shown_and_the_rest_is_not() {
        let talk = "#1\tNEW\nthread '<unnamed>' panicked at a.rs:1:1:\nno\nstat::number_of_executed_units: 77\n";
        assert_eq!(complaint(talk).lines().count(), 3);
        assert_eq!(tried(talk), Some("77"));
        assert_eq!(complaint("killed"), "killed");
    }

    #[test]
    fn every_target_has_seeds_and_is_built() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let workspace = Workspace { target: root.join("target"), root };
        let manifest = std::fs::read_to_string(workspace.root.join("tests/fuzz/Cargo.toml")).unwrap();
        let targets = known_targets(&workspace).unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in the manifest");
            let seeds = files(&workspace.root.join("tests/fuzz/seeds").join(&target)).unwrap();
            assert!(!seeds.is_empty(), "{target} has no seeds");
        }
    }
}
