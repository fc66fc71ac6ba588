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
    /// From one line of output.
    ///
    /// # Errors
    /// When it is no JSON object with a `type`.
    pub fn parse(text: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(text).with_context(|| format!("not JSON: {text}"))?;
        ensure!(json.get("type").is_some_and(Value::is_string), "no type: {text}");
        Ok(Self { text: text.to_owned(), json })
    }

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

    /// Its `time`: seconds within the day.
    ///
    /// # Errors
    /// When it has none in RFC 3339 and UTC.
    pub fn seconds(&self) -> Result<f64> {
        let time = self.at("/time").as_str().with_context(|| format!("no time: {}", self.text))?;
        let clock = time.split_once('T').and_then(|(_, clock)| clock.strip_suffix('Z'));
        let mut total = 0.0;
        for part in clock.with_context(|| format!("not a time: {time}"))?.split(':') {
            total = total * 60.0 + part.parse::<f64>()?;
        }
        Ok(total)
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
    /// The lines about sockets of a namespace. The rest, of which a busy host has a lot, is not looked at.
    ///
    /// # Errors
    /// When one is no JSON object with a `type`.
    pub fn lines_in(&self, netns: u64) -> Result<Vec<Line>> {
        parse_in(netns, &self.stdout)
    }

    /// All lines.
    ///
    /// # Errors
    /// When one is no JSON object with a `type`.
    pub fn lines(&self) -> Result<Vec<Line>> {
        self.stdout.lines().map(Line::parse).collect()
    }

    /// The summary, which must be the last line and the only one of its kind.
    ///
    /// # Errors
    /// When it is not.
    pub fn summary(&self) -> Result<Line> {
        let is_summary = |text: &&str| text.starts_with(r#"{"type":"summary""#);
        let summaries = self.stdout.lines().filter(is_summary).count();
        let last = self.stdout.lines().last().filter(is_summary);
        let last = last.filter(|_| summaries == 1).with_context(|| {
            let last = self.stdout.lines().last().unwrap_or("nothing");
            format!("{summaries} summaries, and the last line is {last}; it said: {}", self.stderr)
        })?;
        Line::parse(last)
    }

    /// Fails if it did not end with this exit code.
    ///
    /// # Errors
    /// With all that it said.
    pub fn expect_code(&self, code: i32) -> Result<()> {
        ensure!(
            self.status.code() == Some(code),
            "expected exit code {code}, got {}; the last that it printed: {:?}; it said: {}",
            self.status,
            self.stdout.lines().last(),
            self.stderr
        );
        Ok(())
    }
}

/// The lines about a namespace, one object a line.
pub(super) fn parse_in(netns: u64, text: &str) -> Result<Vec<Line>> {
    let inode = netns.to_string();
    let candidates = text.lines().filter(|line| line.contains(&inode));
    let lines: Vec<Line> = candidates.map(Line::parse).collect::<Result<_>>()?;
    Ok(lines.into_iter().filter(|line| line.in_netns(netns)).collect())
}
