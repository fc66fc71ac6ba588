//! What tcptrace wrote with `--output json`, one object a line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What the measurements need of a run's output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Close lines of the load's namespace, or what histograms count of it in all.
    pub(super) closes: u64,
    pub(super) bytes: u64,
    pub(super) seen: u64,
    pub(super) delivered: u64,
    pub(super) lost: u64,
    pub(super) refused: u64,
    pub(super) orphans: Orphans,
}

impl Written {
    /// Fails where nothing was seen of the load, which would make figures of nothing.
    pub(super) fn of_something(self) -> Result<Self> {
        if self.delivered == 0 || self.closes == 0 {
            bail!("tcptrace saw nothing of the load");
        }
        Ok(self)
    }
}

/// Closes that went on in a timewait socket, whose FIN_WAIT2 only a look can tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Orphans {
    /// `looks.orphans` of the summary.
    pub(super) handed_over: u64,
    /// Looks at single sockets, and those that were not answered in time.
    pub(super) asked: u64,
    pub(super) unanswered: u64,
    /// Those that no look had told the end of when tcptrace ended.
    pub(super) waiting: u64,
    /// Close lines of the load's namespace that end as `unknown`, by reason.
    pub(super) unknown: BTreeMap<String, u64>,
}

/// Reads a run's output; `netns` is the load's namespace.
pub(super) fn read(path: &Path, netns: u64) -> Result<Written> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    parse(BufReader::new(file), netns).with_context(|| format!("in {}", path.display()))
}

fn parse(mut file: impl BufRead, netns: u64) -> Result<Written> {
    let mut written = Written::default();
    let (number, netns) = (netns, format!(r#","netns":{netns},"#));
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
            if line.contains(&netns) {
                written.closes += 1;
                if let Some(reason) = unknown(&line) {
                    *written.orphans.unknown.entry(reason.to_owned()).or_default() += 1;
                }
            }
        } else if line.starts_with(r#"{"type":"histogram""#) {
            written.closes += counted(&line, number)?;
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
    // Where sock_diag does not answer, the summary has none of these.
    let look = |path: &str| summary.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    written.orphans.handed_over = look("/looks/orphans");
    written.orphans.asked = look("/looks/asked");
    written.orphans.unanswered = look("/looks/unanswered");
    written.orphans.waiting = look("/orphans_waiting");
    Ok(written)
}

/// What a histogram of the whole run counts of a namespace.
fn counted(line: &str, netns: u64) -> Result<u64> {
    let histogram: Value = serde_json::from_str(line).context("cannot read a histogram")?;
    let is_ours = histogram.pointer("/key/netns").and_then(Value::as_u64) == Some(netns);
    let is_total = histogram.get("span").and_then(Value::as_str) == Some("total");
    let count = histogram.get("count").and_then(Value::as_u64).context("a histogram without its count")?;
    Ok(if is_ours && is_total { count } else { 0 })
}

/// Why the end of a close is not known, if it is not.
fn unknown(line: &str) -> Option<&str> {
    let (_, reason) = line.split_once(r#""outcome":"unknown","reason":"#)?;
    let (reason, _) = reason.split_once(',')?;
    Some(reason.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_what_is_not_known_are_counted() {
        let text = concat!(
            "{\"type\":\"close\",\"a\":0,\"netns\":7,\"outcome\":\"unknown\",\"reason\":\"timewait_gone\",\"b\":0}\n",
            "{\"type\":\"close\",\"a\":0,\"netns\":7,\"outcome\":\"unknown\",\"reason\":null,\"b\":0}\n",
            "{\"type\":\"close\",\"a\":0,\"netns\":7,\"outcome\":\"fin\",\"reason\":null,\"b\":0}\n",
            "{\"type\":\"summary\",\"events\":{\"seen\":9,\"delivered\":9,\"lost\":0,\"refused\":0},",
            "\"looks\":{\"asked\":5,\"unanswered\":1,\"orphans\":4},\"orphans_waiting\":2}\n",
        );
        let orphans = parse(text.as_bytes(), 7).unwrap().orphans;
        let unknown = [("null".to_owned(), 1), ("timewait_gone".to_owned(), 1)].into();
        assert_eq!(orphans, Orphans { handed_over: 4, asked: 5, unanswered: 1, waiting: 2, unknown });
    }

    #[test]
    fn histograms_count_in_all() {
        let text = concat!(
            "{\"type\":\"histogram\",\"span\":\"interval\",\"key\":{\"netns\":7},\"count\":3}\n",
            "{\"type\":\"histogram\",\"span\":\"total\",\"key\":{\"netns\":7},\"count\":5}\n",
            "{\"type\":\"histogram\",\"span\":\"total\",\"key\":{\"netns\":8},\"count\":6}\n",
            "{\"type\":\"summary\",\"events\":{\"seen\":9,\"delivered\":8,\"lost\":1,\"refused\":0}}\n",
        );
        assert_eq!(parse(text.as_bytes(), 7).unwrap().closes, 5);
    }

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
        let expected = Written {
            closes: 2,
            bytes: text.len() as u64,
            seen: 9,
            delivered: 8,
            lost: 1,
            refused: 0,
            ..Written::default()
        };
        assert_eq!(written, expected);
    }

    #[test]
    fn a_run_without_an_end_is_no_measurement() {
        assert!(parse("{\"type\":\"close\",\"netns\":5}\n".as_bytes(), 5).is_err());
        assert!(parse("".as_bytes(), 5).is_err());
    }
}
