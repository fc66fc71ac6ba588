//! What is in the rows, of the formats that are text.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    flat::{CAPTURES, Flat, TABLES, capture, expected, export},
    support::{Folder, json, run},
};

/// Filters and thresholds mean what they mean to `replay`.
const VIEWS: &[(&str, &[&str])] = &[
    ("closes", &["--min-latency", "1s"]),
    ("closes", &["--stuck-after", "200ms", "--leak-after", "200ms"]),
    ("closes", &["--comm", "nobody"]),
    ("families", &["--family", "ipv6"]),
    ("families", &["--addr", "::1"]),
];

#[test]
fn json_lines_are_what_a_replay_says() -> Result<()> {
    let whole = CAPTURES.iter().map(|name| (*name, &[][..]));
    for (name, arguments) in whole.chain(VIEWS.iter().copied()) {
        let folder = Folder::new()?;
        let prefix = folder.file("out");
        let exported = export(&capture(name), &prefix, "jsonl", arguments)?;
        exported.expect_code(0)?;
        for table in TABLES {
            let wanted = expected(&capture(name), table, arguments)?;
            let text = fs::read_to_string(folder.file(&format!("out.{table}.jsonl")))?;
            let rows: Vec<Flat> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            same(&rows, &wanted).with_context(|| format!("{name} {arguments:?} {table}"))?;
            // Every line has every column, in one order.
            let names = |row: &Flat| row.keys().cloned().collect::<Vec<_>>();
            ensure!(rows.windows(2).all(|two| names(&two[0]) == names(&two[1])), "{name} {table}: other columns");
        }
    }
    Ok(())
}

fn same(rows: &[Flat], wanted: &[Flat]) -> Result<()> {
    ensure!(rows.len() == wanted.len(), "{} rows and not {}", rows.len(), wanted.len());
    for (row, wanted) in rows.iter().zip(wanted) {
        ensure!(row == wanted, "\n  is     {row:?}\n  should {wanted:?}");
    }
    Ok(())
}

#[test]
fn the_captures_have_rows_of_both_tables() -> Result<()> {
    for table in TABLES {
        let counts: Result<Vec<usize>> =
            CAPTURES.iter().map(|name| Ok(expected(&capture(name), table, &[])?.len())).collect();
        ensure!(counts?.iter().sum::<usize>() > 4, "hardly any {table}");
    }
    Ok(())
}

/// The values of JSON lines in the order of the header, CRLF, and nothing for null.
#[test]
fn csv_says_the_same() -> Result<()> {
    for name in CAPTURES {
        let capture = capture(name);
        let capture = capture.to_str().context("an odd path")?;
        for table in TABLES {
            let printed = |format| run(["export", capture, "--table", table, "--out", "-", "--format", format]);
            let (csv, jsonl) = (printed("csv")?.stdout, printed("jsonl")?.stdout);
            let mut records = csv::ReaderBuilder::new();
            let mut records = records.terminator(csv::Terminator::CRLF).from_reader(csv.as_bytes());
            let header: Vec<String> = records.headers()?.iter().map(str::to_owned).collect();
            let objects = json(&jsonl)?;
            let mut count = 0;
            for (record, object) in records.records().zip(&objects) {
                let record = record?;
                for (column, field) in header.iter().zip(record.iter()) {
                    let wanted = match &object[column] {
                        Value::Null => String::new(),
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    ensure!(field == wanted, "{name} {table} {column}: {field:?} and not {wanted:?}");
                }
                count += 1;
            }
            ensure!(count == objects.len(), "{name} {table}: {count} records and not {}", objects.len());
            ensure!(csv.lines().count() == csv.matches("\r\n").count(), "{name} {table}: lines without CRLF");
        }
    }
    Ok(())
}

#[test]
fn a_fleet_stands_in_the_order_of_its_files() -> Result<()> {
    let jsonl = |files: &[&str]| {
        let common = ["--table", "closes", "--format", "jsonl", "--out", "-"];
        run(["export"].iter().chain(files).chain(&common))
    };
    let told = jsonl(&["orderly.cap", "families.cap"])?.stderr;
    ensure!(told.contains("2 captures are of a host named"), "namesakes are not told of: {told}");
    ensure!(!jsonl(&["orderly.cap"])?.stderr.contains("named"), "one host is no namesake");
    let jsonl = |files: &[&str]| jsonl(files).map(|finished| finished.stdout);
    let (one, other) = (jsonl(&["orderly.cap"])?, jsonl(&["families.cap"])?);
    ensure!(jsonl(&["orderly.cap", "families.cap"])? == format!("{one}{other}"), "not one after the other");
    ensure!(jsonl(&["families.cap", "orderly.cap"])? == format!("{other}{one}"), "not one after the other");
    Ok(())
}
