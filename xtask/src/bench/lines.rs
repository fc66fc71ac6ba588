//! What tcptrace wrote: `trace --output json`, one object a line.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What the measurements need of a run's output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Close lines of the namespace that has most of them: the load's own.
    pub(super) closes: u64,
    pub(super) bytes: u64,
    pub(super) seen: u64,
    pub(super) delivered: u64,
    pub(super) lost: u64,
    pub(super) refused: u64,
}

pub(super) fn read(path: &Path) -> Result<Written> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    parse(BufReader::new(file)).with_context(|| format!("in {}", path.display()))
}

fn parse(mut file: impl BufRead) -> Result<Written> {
    let mut written = Written::default();
    let mut closes: HashMap<String, u64> = HashMap::new();
    let mut line = String::new();
    let mut summary = None;
    loop {
        line.clear();
        let length = file.read_line(&mut line).context("cannot read the output of tcptrace")?;
        if length == 0 {
            break;
        }
        written.bytes += length as u64;
        // Half a million lines: these two are found without reading each as JSON.
        if line.starts_with(r#"{"type":"close""#) {
            let netns = netns(&line).context("a close names no netns")?;
            match closes.get_mut(netns) {
                Some(count) => *count += 1,
                None => drop(closes.insert(netns.to_owned(), 1)),
            }
        } else if line.starts_with(r#"{"type":"summary""#) {
            summary = Some(serde_json::from_str::<Value>(&line).context("cannot read the summary")?);
        }
    }
    let Some(summary) = summary else {
        bail!("tcptrace wrote no summary");
    };
    let count = |name: &str| {
        let value = summary.get("events").and_then(|events| events.get(name)).and_then(Value::as_u64);
        value.with_context(|| format!("the summary does not say events.{name}"))
    };
    written.closes = closes.into_values().max().unwrap_or(0);
    written.seen = count("seen")?;
    written.delivered = count("delivered")?;
    written.lost = count("lost")?;
    written.refused = count("refused")?;
    if written.delivered == 0 || written.closes == 0 {
        bail!("tcptrace saw nothing of the load");
    }
    Ok(written)
}

fn netns(line: &str) -> Option<&str> {
    let (_, after) = line.split_once(r#""netns":"#)?;
    let end = after.find(|c: char| !c.is_ascii_digit())?;
    after.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_of_other_namespaces_do_not_count() {
        let text = concat!(
            "{\"type\":\"close\",\"netns\":5,\"x\":1}\n",
            "{\"type\":\"close\",\"netns\":77,\"x\":1}\n",
            "{\"type\":\"finding\",\"netns\":77}\n",
            "{\"type\":\"close\",\"netns\":77,\"x\":1}\n",
            "{\"type\":\"summary\",\"events\":{\"seen\":9,\"delivered\":8,\"lost\":1,\"refused\":0}}\n",
        );
        let written = parse(text.as_bytes()).unwrap();
        let expected = Written { closes: 2, bytes: text.len() as u64, seen: 9, delivered: 8, lost: 1, refused: 0 };
        assert_eq!(written, expected);
    }

    #[test]
    fn a_run_without_an_end_is_no_measurement() {
        assert!(parse("{\"type\":\"close\",\"netns\":5}\n".as_bytes()).is_err());
        assert!(parse("".as_bytes()).is_err());
    }
}
