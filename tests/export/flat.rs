//! The rows that have to come, made from the lines of a replay by docs/export.md alone.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use tcptrace_tests::tool::Finished;

use crate::support::{golden, json as lines, run};

/// One row: column and value.
pub(crate) type Flat = Map<String, Value>;

/// All captures there are.
pub(crate) const CAPTURES: &[&str] = &["closes", "orderly", "families", "resets", "open", "many", "looks"];
/// As the options name them.
pub(crate) const TABLES: &[&str] = &["closes", "findings"];
pub(crate) const FORMATS: &[&str] = &["parquet", "csv", "jsonl"];

/// Everything of a table that a replay with these arguments tells.
pub(crate) fn expected(capture: &Path, table: &str, arguments: &[&str]) -> Result<Vec<Flat>> {
    let capture = capture.to_str().context("an odd path")?;
    let finished = run(["replay", capture, "--output", "json"].iter().chain(arguments))?;
    let kind = table.trim_end_matches('s');
    let objects = lines(&finished.stdout)?.into_iter().filter(|line| line["type"] == kind);
    objects.map(|object| if kind == "close" { close(&object) } else { finding(&object) }).collect()
}

/// Runs `export` into files that begin with `prefix`.
pub(crate) fn export(capture: &Path, prefix: &Path, format: &str, arguments: &[&str]) -> Result<Finished> {
    let (capture, prefix) = (capture.to_str().context("an odd path")?, prefix.to_str().context("an odd path")?);
    run(["export", capture, "--out", prefix, "--format", format].iter().chain(arguments))
}

/// The path of a golden capture.
pub(crate) fn capture(name: &str) -> std::path::PathBuf {
    golden(&format!("{name}.cap"))
}

fn close(object: &Value) -> Result<Flat> {
    let mut flat = head(object)?;
    for name in ["role", "outcome", "reason"] {
        flat.insert(name.to_owned(), object[name].clone());
    }
    owner(&mut flat, object);
    for name in ["fin_wait1", "fin_wait2", "closing", "close_wait", "last_ack"] {
        flat.insert(format!("{name}_ns"), object["phases_ns"][name].clone());
    }
    let phase = |name: &str| object["phases_ns"][name].as_u64();
    let network: Vec<u64> = ["fin_wait1", "closing", "last_ack"].into_iter().filter_map(phase).collect();
    let is_known = object["complete"] == true && !network.is_empty();
    flat.insert("close_ns".to_owned(), object["close_ns"].clone());
    let again = object["fin_retransmits"].as_object().is_some_and(|kinds| kinds.values().any(|count| *count != 0));
    let round_trip_ns = object["srtt_us"].as_u64().filter(|us| *us > 0).map(|us| us * 1000);
    let waited = round_trip_ns.filter(|_| is_known && object["outcome"] == "fin" && !again);
    let waited = waited.map(|ns| network.iter().sum::<u64>().saturating_sub(ns));
    flat.insert("ack_wait_ns".to_owned(), json!(waited));
    flat.insert("network_ns".to_owned(), if is_known { json!(network.iter().sum::<u64>()) } else { Value::Null });
    flat.insert("local_app_ns".to_owned(), object["phases_ns"]["close_wait"].clone());
    flat.insert("remote_app_ns".to_owned(), object["phases_ns"]["fin_wait2"].clone());
    for name in ["lifetime_ns", "orphan", "three_way", "complete"] {
        flat.insert(name.to_owned(), object[name].clone());
    }
    retransmits(&mut flat, object);
    for name in ["srtt_us", "bytes_sent", "bytes_received"] {
        flat.insert(name.to_owned(), object[name].clone());
    }
    flat.insert("mptcp".to_owned(), json!(object["mptcp"] == true));
    Ok(flat)
}

fn finding(object: &Value) -> Result<Flat> {
    let mut flat = head(object)?;
    owner(&mut flat, object);
    for name in ["kind", "status", "outcome", "reason", "age_ns", "age_is_lower_bound", "may_be_over", "orphan"] {
        flat.insert(name.to_owned(), object[name].clone());
    }
    retransmits(&mut flat, object);
    for name in ["gives_up_in_ns", "never_gives_up", "next_attempt_in_ns", "unsent_bytes", "unacked_bytes"] {
        flat.insert(name.to_owned(), object[name].clone());
    }
    for name in ["total", "in_epoll", "partial"] {
        flat.insert(format!("holders_{name}"), object["holders"][name].clone());
    }
    let list = object["holders"]["list"].as_array().map(|list| {
        let of = |holder: &Value| ["pid", "comm", "fd", "cgroup"].map(|name| format!("\"{name}\":{}", holder[name]));
        let holders: Vec<String> = list.iter().map(|holder| format!("{{{}}}", of(holder).join(","))).collect();
        format!("[{}]", holders.join(","))
    });
    flat.insert("holders".to_owned(), list.map_or(Value::Null, Value::String));
    flat.insert("mptcp".to_owned(), json!(object["mptcp"] == true));
    Ok(flat)
}

fn head(object: &Value) -> Result<Flat> {
    let mut flat = Flat::new();
    flat.insert("time".to_owned(), object["time"].clone());
    // Of all golden captures; a test of theirs makes sure.
    flat.insert("host".to_owned(), json!("demo"));
    // In replays it is there in samples alone.
    flat.insert("weight".to_owned(), json!(object["weight"].as_u64().unwrap_or(1)));
    let cookie = object["cookie"].as_str().and_then(|cookie| cookie.strip_prefix("0x")).context("no cookie")?;
    flat.insert("cookie".to_owned(), json!(u64::from_str_radix(cookie, 16)?));
    for name in ["netns", "family"] {
        flat.insert(name.to_owned(), object[name].clone());
    }
    for end in ["local", "remote"] {
        let (addr, port) = object[end].as_str().and_then(|end| end.rsplit_once(':')).context("no address")?;
        flat.insert(format!("{end}_addr"), json!(addr.trim_matches(['[', ']'])));
        flat.insert(format!("{end}_port"), json!(port.parse::<u16>()?));
    }
    ensure!(flat.len() == 10, "columns are missing: {flat:?}");
    // In a line only where the socket is bound to one.
    for name in ["interface", "interface_index"] {
        flat.insert(name.to_owned(), object[name].clone());
    }
    Ok(flat)
}

fn owner(flat: &mut Flat, object: &Value) {
    for name in ["pid", "comm", "cgroup", "unit", "container", "pod"] {
        flat.insert(name.to_owned(), object["owner"][name].clone());
    }
    flat.insert("owner_source".to_owned(), object["owner"]["source"].clone());
}

fn retransmits(flat: &mut Flat, object: &Value) {
    for name in ["tlp", "rto", "fast", "failed"] {
        flat.insert(format!("fin_retransmits_{name}"), object["fin_retransmits"][name].clone());
    }
}
