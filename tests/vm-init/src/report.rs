//! What is told to the outside, on the second serial line: `@ WORD VALUE`, and lines of other programs after `| `.

use std::{
    fs::{File, OpenOptions},
    io::Write,
};

use anyhow::{Context, Result};

const SERIAL: &str = "/dev/ttyS1";
/// Of a failed test's words: the serial line is slow, and what failed stands at the end.
const SHOWN_MOST: usize = 6000;

pub(crate) struct Report(File);

impl Report {
    pub(crate) fn open() -> Result<Self> {
        let file = OpenOptions::new().write(true).open(SERIAL).with_context(|| format!("cannot open {SERIAL}"))?;
        Ok(Self(file))
    }

    pub(crate) fn line(&mut self, word: &str, value: &str) -> Result<()> {
        let value = value.replace('\n', " ");
        // One write, so that a machine that is stopped leaves whole lines.
        self.0.write_all(format!("@ {word} {value}\n").as_bytes()).context("cannot report")
    }

    /// The end of what a program said.
    pub(crate) fn words(&mut self, text: &str) -> Result<()> {
        let mut start = text.len().saturating_sub(SHOWN_MOST);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        for line in text.get(start..).unwrap_or_default().lines() {
            self.0.write_all(format!("| {line}\n").as_bytes()).context("cannot report")?;
        }
        Ok(())
    }
}
