//! What tcptrace printed.

use std::process::ExitStatus;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::pair::Ends;

/// One line of JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// As printed.
    pub text: String,
    /// As understood.
    pub json: Value,
}

impl Line {
    /// The member at a JSON pointer such as `/owner/pid`; null when there is none.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Whether it is of this `type`.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        self.at("/type") == kind
    }

    /// Whether it speaks of a socket in this namespace.
    #[must_use]
    pub fn in_netns(&self, inode: u64) -> bool {
        self.at("/netns") == inode
    }

    /// Whether it speaks of the socket with these ends.
    #[must_use]
    pub fn has_ends(&self, ends: Ends) -> bool {
        self.at("/local") == ends.local.to_string().as_str() && self.at("/remote") == ends.remote.to_string().as_str()
    }

    /// A count; 0 when there is none.
    #[must_use]
    pub fn count(&self, pointer: &str) -> u64 {
        self.at(pointer).as_u64().unwrap_or_default()
    }
}

/// A tcptrace that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Its data.
    pub stdout: String,
    /// Its talk.
    pub stderr: String,
}

impl Finished {
    /// Every line that it printed.
    ///
    /// # Errors
    /// When one is no JSON object with a `type`.
    pub fn lines(&self) -> Result<Vec<Line>> {
        parse(&self.stdout)
    }

    /// The summary, which must be the last line and the only one of its kind.
    ///
    /// # Errors
    /// When it is not.
    pub fn summary(&self) -> Result<Line> {
        let mut lines = self.lines()?;
        let summaries = lines.iter().filter(|line| line.is("summary")).count();
        ensure!(summaries == 1, "{summaries} summaries in:\n{}{}", self.stdout, self.stderr);
        let last = lines.pop().context("no lines")?;
        ensure!(last.is("summary"), "the last line is no summary: {}", last.text);
        Ok(last)
    }

    /// Fails if it did not end with this exit code.
    ///
    /// # Errors
    /// With all that it said.
    pub fn expect_code(&self, code: i32) -> Result<()> {
        ensure!(
            self.status.code() == Some(code),
            "expected exit code {code}, got {}; stdout:\n{}stderr:\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        Ok(())
    }
}

/// One object a line.
pub(super) fn parse(text: &str) -> Result<Vec<Line>> {
    let line = |text: &str| {
        let json: Value = serde_json::from_str(text).with_context(|| format!("not JSON: {text}"))?;
        ensure!(json.get("type").is_some_and(Value::is_string), "no type: {text}");
        Ok(Line { text: text.to_owned(), json })
    };
    text.lines().map(line).collect()
}
