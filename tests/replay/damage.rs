//! Captures that lost something: what is whole is delivered, what is not is said on standard error.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tcptrace_tests::tool::Finished;

use crate::{
    blocks::{BLOCK_HEADER, Block, blocks, flipped},
    support::{Folder, golden, json, run},
};

/// Of several blocks, with closes in most of them.
const CAPTURE: &str = "closes.cap";

fn replay(folder: &Folder, bytes: &[u8]) -> Result<Finished> {
    let path = folder.write("damaged.cap", bytes)?;
    let path = path.to_str().context("an odd path")?;
    run(["replay", path, "--output", "json"])
}

fn closes(finished: &Finished) -> impl Iterator<Item = &str> {
    finished.stdout.lines().filter(|line| line.starts_with(r#"{"type":"close""#))
}

/// Of every close that is called complete, whatever is told is told of the whole capture, too; null says that it
/// is not known, and retransmits may be missing. And the summary counts what was printed.
fn tells_the_truth(damaged: &Finished, whole: &Finished) -> Result<()> {
    damaged.expect_code(0)?;
    let known = json(&whole.stdout)?;
    let told = json(&damaged.stdout)?;
    for line in &told {
        if line["type"] == "close" && line["complete"] == true {
            let mut line = line.clone();
            line["fin_retransmits"] = Value::Null;
            // Made from the newest tick that was read: another tick, some nanoseconds more or less.
            line["time"] = Value::Null;
            ensure!(known.iter().any(|whole| agrees(&line, whole)), "not so in the whole capture: {line}");
        }
    }
    let summary = told.last().context("no summary")?;
    ensure!(summary["type"] == "summary", "the last line is no summary: {summary}");
    ensure!(summary["closes"] == closes(damaged).count(), "the summary counts other closes: {summary}");
    Ok(())
}

/// Whether what is told is so, as far as it is known.
fn agrees(told: &Value, whole: &Value) -> bool {
    match (told, whole) {
        (Value::Null, _) => true,
        (Value::Object(told), Value::Object(whole)) => {
            told.iter().all(|(name, told)| whole.get(name).is_some_and(|whole| agrees(told, whole)))
        }
        _ => told == whole,
    }
}

fn said(finished: &Finished, words: &[String]) -> Result<()> {
    for word in words {
        ensure!(finished.stderr.contains(word), "no {word:?} in: {}", finished.stderr);
    }
    Ok(())
}

/// Where to cut: behind `length` bytes of the block.
fn cuts(block: &Block) -> [usize; 5] {
    let length = block.end - block.start;
    [0, 1, BLOCK_HEADER, BLOCK_HEADER + 1, length - 1].map(|length| block.start + length)
}

/// The whole blocks before the cut are delivered, and nothing of the one that it is in.
#[test]
fn cut_off() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden(CAPTURE))?;
    let whole = replay(&folder, &bytes)?;
    let (blocks, closing) = blocks(&bytes)?;
    ensure!(blocks.len() >= 3, "too few blocks for this test: {}", blocks.len());
    let mut least_closes = 0;
    for block in blocks.iter().chain([&closing]) {
        let mut first = None;
        for cut in cuts(block) {
            let damaged = replay(&folder, &bytes[..cut])?;
            tells_the_truth(&damaged, &whole).with_context(|| format!("cut at byte {cut}"))?;
            said(&damaged, &["damaged.cap".to_owned(), format!("breaks off at byte {}", block.start)])?;
            let why = if cut == block.start { "without a closing block" } else { "cut off" };
            said(&damaged, &[why.to_owned()])?;
            let first = first.get_or_insert_with(|| damaged.stdout.clone());
            ensure!(*first == damaged.stdout, "a part of a block makes a difference: byte {cut}");
            let count = closes(&damaged).count();
            ensure!(count >= least_closes, "more bytes, less closes: byte {cut}");
            least_closes = count;
        }
    }
    ensure!(least_closes == closes(&whole).count(), "all frames are there, {least_closes} closes");
    Ok(())
}

/// A capture that was cut is not called balanced; one that only lost its closing block has nothing to hide.
#[test]
fn the_books_of_a_cut_capture() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden(CAPTURE))?;
    let (blocks, closing) = blocks(&bytes)?;
    let balanced = |end: usize| -> Result<bool> {
        let lines = json(&replay(&folder, &bytes[..end])?.stdout)?;
        Ok(lines.last().context("no summary")?["events"]["balanced"] == true)
    };
    ensure!(balanced(bytes.len())?, "nothing is missing");
    // Without its closing block nobody knows what else the capture held.
    for end in blocks.iter().map(|block| block.start).chain([closing.start]) {
        ensure!(!balanced(end)?, "cut at byte {end}");
    }
    Ok(())
}

/// One bit, in the header or in the payload of a block: this block is lost, and no other.
#[test]
fn one_flipped_bit_costs_one_block() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden(CAPTURE))?;
    let whole = replay(&folder, &bytes)?;
    let (blocks, _) = blocks(&bytes)?;
    for block in &blocks {
        let last = block.end - 1;
        // Magic, sequence, length, checksum; first, middle and last of the payload.
        for at in [0, 8, 28, 36, BLOCK_HEADER, (last - block.start).midpoint(BLOCK_HEADER), last - block.start] {
            let at = block.start + at;
            let damaged = replay(&folder, &flipped(&bytes, at))?;
            tells_the_truth(&damaged, &whole).with_context(|| format!("byte {at}"))?;
            said(
                &damaged,
                &[
                    "damaged.cap".to_owned(),
                    format!("{} frames lost to damage", block.frames),
                    "1 blocks damaged or missing".to_owned(),
                    format!("{} bytes skipped", block.end - block.start),
                    format!("first damage at byte {}", block.start),
                ],
            )
            .with_context(|| format!("byte {at}"))?;
        }
    }
    Ok(())
}

/// What comes after the damage is told, too.
#[test]
fn closes_behind_the_damage_are_told() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden(CAPTURE))?;
    let whole = replay(&folder, &bytes)?;
    let (blocks, _) = blocks(&bytes)?;
    let largest = blocks.iter().max_by_key(|block| block.end - block.start).context("no block")?;
    let damaged = replay(&folder, &flipped(&bytes, largest.end - 1))?;
    let cookies = |finished: &Finished| -> Result<Vec<Value>> {
        let lines = json(&finished.stdout)?;
        Ok(lines.iter().filter(|line| line["type"] == "close").map(|line| line["cookie"].clone()).collect())
    };
    let (damaged, whole) = (cookies(&damaged)?, cookies(&whole)?);
    ensure!(damaged.first() == whole.first(), "not the first close: {damaged:?}");
    ensure!(damaged.last() == whole.last(), "not the last close: {damaged:?}");
    ensure!(damaged.len() < whole.len(), "nothing was lost: {damaged:?}");
    Ok(())
}

/// A socket that moved on, or ended, in a block that is lost is not called stuck or leaked, and a close whose
/// retransmits were in it is not called complete.
#[test]
fn nothing_behind_the_damage_is_made_up() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden(CAPTURE))?;
    let known = json(&replay(&folder, &bytes)?.stdout)?;
    let (blocks, _) = blocks(&bytes)?;
    for block in &blocks {
        let damaged = replay(&folder, &flipped(&bytes, block.end - 1))?;
        for line in json(&damaged.stdout)? {
            let same: &[&str] = match line["type"].as_str() {
                // It says itself that it may be none.
                Some("finding") if line["may_be_over"] == true => continue,
                Some("finding") => &["cookie", "kind", "status"],
                Some("close") if line["complete"] == true => &["cookie", "fin_retransmits"],
                _ => continue,
            };
            let is_known = known.iter().any(|whole| same.iter().all(|name| whole[name] == line[name]));
            ensure!(is_known, "made up after the block at byte {}: {line}", block.start);
        }
    }
    Ok(())
}

/// The closing block holds no frames: all was delivered, only the end is not known to be one, so the books stay open.
#[test]
fn a_damaged_closing_block_costs_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let bytes = fs::read(golden(CAPTURE))?;
    let whole = replay(&folder, &bytes)?;
    let (_, closing) = blocks(&bytes)?;
    for at in [closing.start, closing.start + BLOCK_HEADER, closing.end - 1] {
        let damaged = replay(&folder, &flipped(&bytes, at))?;
        damaged.expect_code(0)?;
        let expected = whole.stdout.replace(r#""balanced":true"#, r#""balanced":false"#);
        ensure!(damaged.stdout == expected, "byte {at}:\n{}", damaged.stdout);
        said(&damaged, &[format!("breaks off at byte {}", closing.start)])?;
    }
    Ok(())
}

/// As a log rotation might leave it.
#[test]
fn bytes_behind_the_end_are_said() -> Result<()> {
    let folder = Folder::new()?;
    let mut bytes = fs::read(golden(CAPTURE))?;
    let whole = replay(&folder, &bytes)?;
    let end = bytes.len();
    bytes.extend(b"something else\n");
    let longer = replay(&folder, &bytes)?;
    longer.expect_code(0)?;
    ensure!(longer.stdout == whole.stdout, "it makes a difference:\n{}", longer.stdout);
    said(&longer, &["15 bytes skipped".to_owned(), format!("at byte {end}")])
}
