//! What tcptrace wrote: `trace --output json`, one object a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What the measurements need of a run's output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Close lines of the load's namespace.
    pub(super) closes: u64,
    pub(super) bytes: u64,
    pub(super) seen: u64,
    pub(super) delivered: u64,
    pub(super) lost: u64,
    pub(super) refused: u64,
}

/// Reads a run's output; `netns` is the load's namespace.
pub(super) fn read(path: &Path, netns: u64) -> Result<Written> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    parse(BufReader::new(file), netns).with_context(|| format!("in {}", path.display()))
}

fn parse(mut file: impl BufRead, netns: u64) -> Result<Written> {
    let mut written = Written::default();
    let netns = format!(r#","netns":{netns},"#);
    let mut line = String::new();
    let mut summary = None;
    loop {
        line.clear();
        let length = file.read_line(&mut line).context("cannot read the output of tcptrace")?;
        if length == 0 {
            break;
        }
        written.bytes += length as u64;
        // Half a million lines: what counts is found without reading each as JSON.
        if line.starts_with(r#"{"type":"close""#) {
            written.closes += u64::from(line.contains(&netns));
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
    written.seen = count("seen")?;
    written.delivered = count("delivered")?;
    written.lost = count("lost")?;
    written.refused = count("refused")?;
    if written.delivered == 0 || written.closes == 0 {
        bail!("tcptrace saw nothing of the load");
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_of_other_namespaces_do_not_count() {
        let text = concat!(
            "{\"type\":\"close\",\"a\":0,\"netns\":5,\"x\":1}\n",
            "{\"type\":\"close\",\"a\":0,\"netns\":77,\"x\":1}\n",
            "{\"type\":\"finding\",\"netns\":77}\n",
            "{\"type\":\"close\",\"a\":0,\"netns\":77,\"x\":1}\n",
            "{\"type\":\"summary\",\"events\":{\"seen\":9,\"delivered\":8,\"lost\":1,\"refused\":0}}\n",
        );
        let written = parse(text.as_bytes(), 77).unwrap();
        let expected = Written { closes: 2, bytes: text.len() as u64, seen: 9, delivered: 8, lost: 1, refused: 0 };
        assert_eq!(written, expected);
    }

    #[test]
    fn a_run_without_an_end_is_no_measurement() {
        assert!(parse("{\"type\":\"close\",\"netns\":5}\n".as_bytes(), 5).is_err());
        assert!(parse("".as_bytes(), 5).is_err());
    }
}
