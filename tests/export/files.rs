//! Where tables go, and what is left when they cannot: nothing.

use std::{
    fs::{self, OpenOptions},
    io::{Write, pipe},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal};
use tcptrace_tests::{tool, wait};

use crate::{
    flat::{FORMATS, capture, export},
    support::{Folder, golden, run},
};

fn names(folder: &Folder) -> Result<Vec<String>> {
    let entries: std::io::Result<Vec<_>> = fs::read_dir(folder.file(""))?.collect();
    let mut names: Vec<String> =
        entries?.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

#[test]
fn tables_are_for_their_owner_alone() -> Result<()> {
    let folder = Folder::new()?;
    let exported = export(&capture("closes"), &folder.file("a"), "csv", &[])?;
    exported.expect_code(0)?;
    ensure!(exported.stdout.is_empty(), "data: {}", exported.stdout);
    ensure!(exported.stderr.contains("exported 18 closes to"), "it said: {}", exported.stderr);
    ensure!(names(&folder)? == ["a.closes.csv", "a.findings.csv"], "{:?}", names(&folder)?);
    for name in names(&folder)? {
        let mode = fs::metadata(folder.file(&name))?.permissions().mode();
        ensure!(mode & 0o777 == 0o600, "{name}: {mode:o}");
    }
    Ok(())
}

#[test]
fn names_come_from_the_capture() -> Result<()> {
    let folder = Folder::new()?;
    let mut command = tool::command(["export".as_ref(), capture("orderly").as_os_str()])?;
    ensure!(command.current_dir(folder.file("")).stderr(Stdio::null()).status()?.success(), "it failed");
    ensure!(names(&folder)? == ["orderly.closes.parquet", "orderly.findings.parquet"], "{:?}", names(&folder)?);
    Ok(())
}

#[test]
fn nothing_is_overwritten_unless_asked_for() -> Result<()> {
    let folder = Folder::new()?;
    let prefix = folder.file("a");
    let kept = folder.file("a.findings.jsonl");
    fs::write(&kept, "mine")?;
    let refused = export(&capture("closes"), &prefix, "jsonl", &[])?;
    refused.expect_code(5)?;
    ensure!(refused.stderr.contains("exists already") && refused.stderr.contains("--force"), "{}", refused.stderr);
    ensure!(fs::read_to_string(&kept)? == "mine" && names(&folder)?.len() == 1, "{:?}", names(&folder)?);
    export(&capture("closes"), &prefix, "jsonl", &["--force"])?.expect_code(0)?;
    ensure!(fs::read_to_string(&kept)?.starts_with("{\"time\""), "not overwritten");
    ensure!(names(&folder)?.len() == 2, "{:?}", names(&folder)?);
    Ok(())
}

#[test]
fn links_and_directories_are_left_alone() -> Result<()> {
    let folder = Folder::new()?;
    fs::write(folder.file("precious"), "mine")?;
    symlink(folder.file("precious"), folder.file("a.closes.csv"))?;
    fs::create_dir(folder.file("b.closes.csv"))?;
    for (prefix, words) in [("a", "symbolic link"), ("b", "no regular file"), ("none/a", "No such file")] {
        let refused = export(&capture("closes"), &folder.file(prefix), "csv", &["--force"])?;
        refused.expect_code(5)?;
        ensure!(refused.stderr.contains(words), "{prefix}: {}", refused.stderr);
    }
    ensure!(fs::read_to_string(folder.file("precious"))? == "mine", "overwritten");
    ensure!(names(&folder)?.len() == 3, "{:?}", names(&folder)?);
    Ok(())
}

#[test]
fn wrong_usage_is_2() -> Result<()> {
    for (arguments, words) in [
        (&["closes.cap", "--out", "-"][..], "--table"),
        (&["closes.cap", "orderly.cap"], "--out"),
        (&["closes.cap", "--out", "/tmp/"], "file name"),
        (&["closes.cap", "--format", "xml"], "parquet"),
        (&[], "<FILE>"),
        (&["closes.cap", "--out", "-", "--table", "closes", "--netns", "self"], "inode"),
    ] {
        let finished = run(["export"].iter().chain(arguments))?;
        finished.expect_code(2)?;
        ensure!(finished.stderr.contains(words) && finished.stdout.is_empty(), "{arguments:?}: {}", finished.stderr);
    }
    Ok(())
}

/// As of a disk that is full: the same error on another number, and needs no file system of its own.
#[test]
fn a_file_that_cannot_grow_leaves_nothing() -> Result<()> {
    for format in FORMATS {
        let folder = Folder::new()?;
        let script = r#"ulimit -f 1; exec "$0" export "$1" --out "$2" --format "$3""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(tool::binary()?).arg(capture("many")).arg(folder.file("a")).arg(format);
        let output = shell.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(5), "{format}: {}: {said}", output.status);
        ensure!(said.contains("File too large") && said.contains("a.closes."), "{format}: {said}");
        ensure!(said.lines().count() == 1, "{format}: said more than once: {said}");
        ensure!(names(&folder)?.is_empty(), "{format}: left {:?}", names(&folder)?);
    }
    Ok(())
}

fn to_stdout(format: &str, stdout: Stdio) -> Result<(Option<i32>, String)> {
    let arguments = ["export", "many.cap", "--table", "closes", "--out", "-", "--format", format];
    let mut command = tool::command(arguments)?;
    let output = command.current_dir(golden("")).stdout(stdout).stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[test]
fn a_full_disk_behind_standard_output_is_5() -> Result<()> {
    for format in FORMATS {
        let (code, said) = to_stdout(format, OpenOptions::new().write(true).open("/dev/full")?.into())?;
        ensure!(code == Some(5), "{format}: {code:?}: {said}");
        ensure!(said.contains("standard output") && said.contains("No space left"), "{format}: {said}");
    }
    Ok(())
}

#[test]
fn a_reader_that_went_away_ends_it_quietly() -> Result<()> {
    for format in FORMATS {
        let (reader, writer) = pipe()?;
        drop(reader);
        let (code, said) = to_stdout(format, writer.into())?;
        ensure!(code == Some(0) && said.is_empty(), "{format}: {code:?}: {said}");
    }
    Ok(())
}

/// A table that goes to standard output is the one in the file.
#[test]
fn standard_output_takes_any_format() -> Result<()> {
    let folder = Folder::new()?;
    for format in FORMATS {
        export(&capture("closes"), &folder.file("a"), format, &["--table", "closes"])?.expect_code(0)?;
        let path = folder.file(&format!("b.{format}"));
        let arguments = ["export", "closes.cap", "--table", "closes", "--out", "-", "--format", format];
        let mut command = tool::command(arguments)?;
        let file = fs::File::create(&path)?;
        ensure!(command.current_dir(golden("")).stdout(file).status()?.success(), "{format} failed");
        let same = fs::read(&path)? == fs::read(folder.file(&format!("a.closes.{format}")))?;
        ensure!(same, "{format}: not the same");
    }
    Ok(())
}

#[test]
fn damaged_captures_give_what_they_hold() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden("closes.cap"))?;
    let path = folder.file("cut.cap");
    fs::write(&path, &bytes[..bytes.len() * 2 / 3])?;
    let path = path.to_str().context("an odd path")?;
    let replayed = run(["replay", path, "--output", "json"])?;
    let exported = run(["export", path, "--table", "closes", "--format", "jsonl", "--out", "-"])?;
    ensure!(exported.status.code() == replayed.status.code(), "another exit code: {}", exported.status);
    ensure!(!replayed.stderr.is_empty() && exported.stderr.contains(&replayed.stderr), "{}", exported.stderr);
    let closes = replayed.stdout.matches(r#""type":"close""#).count();
    ensure!(closes > 0 && exported.stdout.lines().count() == closes, "not {closes} rows: {}", exported.stdout);
    Ok(())
}

/// The first file was good.
#[test]
fn one_bad_capture_of_a_fleet_leaves_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let refused = export(&capture("closes"), &folder.file("a"), "parquet", &["closes.txt"])?;
    refused.expect_code(5)?;
    ensure!(refused.stderr.contains("is no capture"), "{}", refused.stderr);
    ensure!(names(&folder)?.is_empty(), "left {:?}", names(&folder)?);
    Ok(())
}

/// What a killed run left is cleared by the next one; what a running one writes is not.
#[test]
fn kill_9_leaves_nothing_behind_the_next_run() -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(30);
    let folder = Folder::new()?;
    let begin = || -> Result<_> {
        let (reader, writer) = pipe()?;
        let mut command = tool::command([Path::new("export"), Path::new("-"), Path::new("--out")])?;
        let child = command.arg(folder.file("a")).stdin(reader).stderr(Stdio::null()).spawn()?;
        Ok((child, writer))
    };
    let (mut killed, _kept) = begin()?;
    wait::until("temporary files", LIMIT, || Ok((names(&folder)?.len() == 2).then_some(())))?;
    killed.kill()?;
    killed.wait()?;
    ensure!(names(&folder)?.len() == 2, "left {:?}", names(&folder)?);
    let (mut running, mut feed) = begin()?;
    let of_running = format!(".{}.tmp", running.id());
    let is_of_running = |names: &[String]| names.len() == 2 && names.iter().all(|name| name.ends_with(&of_running));
    wait::until("other temporary files", LIMIT, || Ok(is_of_running(&names(&folder)?).then_some(())))?;
    export(&capture("closes"), &folder.file("a"), "parquet", &[])?.expect_code(0)?;
    let left = names(&folder)?;
    ensure!(left.iter().filter(|name| name.ends_with(&of_running)).count() == 2, "{left:?}");
    ensure!(left.len() == 4, "{left:?}");
    feed.write_all(&fs::read(golden("closes.cap"))?)?;
    drop(feed);
    ensure!(running.wait()?.code() == Some(5), "it overwrote tables");
    ensure!(names(&folder)?.len() == 2, "left {:?}", names(&folder)?);
    Ok(())
}

/// One signal, while nothing comes.
#[test]
fn ctrl_c_ends_a_wait_for_input() -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(30);
    let folder = Folder::new()?;
    let (reader, _writer) = pipe()?;
    let mut command = tool::command([Path::new("export"), Path::new("-"), Path::new("--out")])?;
    let mut child = command.arg(folder.file("a")).stdin(reader).stderr(Stdio::null()).spawn()?;
    wait::until("temporary files", LIMIT, || Ok((names(&folder)?.len() == 2).then_some(())))?;
    rustix::process::kill_process(Pid::from_child(&child), Signal::INT)?;
    let status = wait::until("tcptrace to end", LIMIT, || Ok(child.try_wait()?))?;
    ensure!(status.code() == Some(5) && names(&folder)?.is_empty(), "{status}: {:?}", names(&folder)?);
    Ok(())
}

#[test]
fn ctrl_c_leaves_nothing() -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(30);
    let folder = Folder::new()?;
    let bytes = fs::read(golden("closes.cap"))?;
    let (reader, mut writer) = pipe()?;
    let mut command = tool::command([Path::new("export"), Path::new("/dev/stdin"), Path::new("--out")])?;
    let mut child = command.arg(folder.file("a")).stdin(reader).stderr(Stdio::null()).spawn()?;
    drop(command);
    writer.write_all(&bytes[..100])?;
    wait::until("temporary files", LIMIT, || Ok((names(&folder)?.len() == 2).then_some(())))?;
    rustix::process::kill_process(Pid::from_child(&child), Signal::INT)?;
    // It may look for the signal behind the next bytes only.
    std::thread::sleep(Duration::from_millis(100));
    let _ = writer.write_all(&bytes[100..]);
    drop(writer);
    let status = wait::until("tcptrace to end", LIMIT, || Ok(child.try_wait()?))?;
    ensure!(status.code() == Some(5), "{status}");
    ensure!(names(&folder)?.is_empty(), "left {:?}", names(&folder)?);
    Ok(())
}
