//! Files that are no captures, or none that can be read: one sentence, exit code 5, no data.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use tcptrace_tests::tool::Tool;

use crate::{
    bad::refused,
    blocks::{self, checksum, flipped},
    support::{Folder, LIMIT, golden, run},
};

const NOBODY: u32 = 65534;
/// Of the file header.
const MAJOR_AT: usize = 8;
const WIRE_AT: usize = 12;
const FLAGS_AT: usize = 14;
const ORDER_AT: usize = 16;
const CHECKSUM_AT: usize = 28;

fn is_refused(path: &Path, words: &[&str]) -> Result<()> {
    let path = path.to_str().context("an odd path")?;
    for arguments in [&[][..], &["--output", "json"], &["--summary"]] {
        let finished = run(["replay", path].iter().chain(arguments))?;
        let words: Vec<&str> = words.iter().copied().chain([path]).collect();
        refused(&finished, 5, &words)?;
    }
    Ok(())
}

/// The orderly capture with another byte in its header, whose checksum fits.
fn patched(folder: &Folder, at: usize, value: u8) -> Result<std::path::PathBuf> {
    let mut bytes = fs::read(golden("orderly.cap"))?;
    bytes[at] = value;
    let sum = checksum(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..][..4].copy_from_slice(&sum.to_le_bytes());
    folder.write("patched.cap", &bytes)
}

#[test]
fn the_checksum_is_that_of_captures() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden("orderly.cap"))?;
    let same = patched(&folder, MAJOR_AT, bytes[MAJOR_AT])?;
    anyhow::ensure!(fs::read(same)? == bytes, "another checksum");
    Ok(())
}

#[test]
fn a_missing_file() -> Result<()> {
    is_refused(&Folder::new()?.file("none.cap"), &["cannot open", "No such file", "check the name"])
}

/// The file begins with a hole: what is behind it is read as after any damage.
#[test]
fn a_file_that_was_cut_while_it_was_written() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden("closes.cap"))?;
    let (blocks, _) = blocks::blocks(&bytes)?;
    let at = blocks.get(1).context("one block")?.start;
    let mut cut = vec![0; at];
    cut.extend_from_slice(bytes.get(at..).unwrap_or_default());
    let path = folder.write("cut.cap", &cut)?;
    let finished = run([Path::new("replay"), &path, Path::new("--output"), Path::new("json")])?;
    finished.expect_code(0)?;
    anyhow::ensure!(finished.stderr.contains("1 blocks damaged or missing"), "{}", finished.stderr);
    anyhow::ensure!(finished.stderr.contains(&format!("{at} bytes skipped")), "{}", finished.stderr);
    anyhow::ensure!(finished.stdout.contains(r#""type":"close""#), "no close:\n{}", finished.stdout);
    Ok(())
}

#[test]
fn a_directory() -> Result<()> {
    let folder = Folder::new()?;
    is_refused(&folder.file(""), &["is a directory"])
}

#[test]
fn an_empty_file() -> Result<()> {
    let folder = Folder::new()?;
    is_refused(&folder.write("empty.cap", b"")?, &["is empty"])
}

#[test]
fn foreign_files_are_named_where_they_are_known() -> Result<()> {
    let folder = Folder::new()?;
    let text = "GET / HTTP/1.1\r\n".repeat(100);
    for (bytes, word) in [
        (text.as_bytes(), "text"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00rest of a packet capture", "pcap"),
        (b"\x1f\x8b\x08\x00compressed, so that its bytes say nothing", "gzip"),
        (b"{\"type\":\"close\"}\n", "JSON"),
        (&[0; 4096], "did not reach the disk"),
        (b"\x01", "no capture"),
    ] {
        is_refused(&folder.write("foreign.cap", bytes)?, &["is no capture", word])?;
    }
    Ok(())
}

/// Nothing was recorded in either.
#[test]
fn a_capture_that_ends_in_its_header() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden("orderly.cap"))?;
    for length in [1, 8, 31] {
        is_refused(&folder.write("short.cap", &bytes[..length])?, &[])?;
    }
    Ok(())
}

#[test]
fn a_damaged_header() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden("orderly.cap"))?;
    for at in [MAJOR_AT, WIRE_AT, ORDER_AT, CHECKSUM_AT] {
        let path = folder.write("damaged.cap", &flipped(&bytes, at))?;
        is_refused(&path, &["header", "damaged"])?;
    }
    Ok(())
}

#[test]
fn a_newer_major_version() -> Result<()> {
    let folder = Folder::new()?;
    is_refused(&patched(&folder, MAJOR_AT, 2)?, &["format 2.0", "use a newer tcptrace"])
}

#[test]
fn an_older_major_version() -> Result<()> {
    let folder = Folder::new()?;
    is_refused(&patched(&folder, MAJOR_AT, 0)?, &["format 0.0", "use an older tcptrace"])
}

#[test]
fn a_newer_wire_version() -> Result<()> {
    let folder = Folder::new()?;
    is_refused(&patched(&folder, WIRE_AT, 99)?, &["wire version 99", "use a newer tcptrace"])
}

#[test]
fn a_newer_feature() -> Result<()> {
    let folder = Folder::new()?;
    is_refused(&patched(&folder, FLAGS_AT, 1)?, &["newer"])
}

#[test]
fn the_other_byte_order() -> Result<()> {
    let folder = Folder::new()?;
    let mut bytes = fs::read(golden("orderly.cap"))?;
    bytes[ORDER_AT..][..4].reverse();
    let sum = checksum(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..][..4].copy_from_slice(&sum.to_le_bytes());
    is_refused(&folder.write("other.cap", &bytes)?, &["byte order"])
}

/// Root may read everything, so root asks as somebody else.
#[test]
fn an_unreadable_file() -> Result<()> {
    let folder = Folder::new()?;
    let path = folder.write("secret.cap", &fs::read(golden("orderly.cap"))?)?;
    fs::set_permissions(&path, Permissions::from_mode(0o000))?;
    let mut command = Command::new(folder.program()?);
    command.arg("replay").arg(&path).current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let finished = Tool::start(command)?.finish(LIMIT)?;
    refused(&finished, 5, &["cannot open", "secret.cap", "ermission denied"])
}

/// A wrong filter is a wrong usage, whatever the file.
#[test]
fn usage_is_2() -> Result<()> {
    refused(&run(["replay", "orderly.cap", "--port", "0"])?, 2, &["--port"])
}
