//! `tcptrace hist` on real closes.

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use tcptrace::source::differences::{RESET_REASONS, SOCKET_COOKIES};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::NetNs,
    pair::{self, Ends, Pair},
    proc_net,
    tool::{Line, Tool},
};

use crate::{
    harness::{bounded, is_older_than},
    judge,
};

/// In each of two bursts.
const CONNECTIONS: u64 = 300;
/// Connections that the server resets.
const LOST: u64 = 5;

/// Counts of the histograms of a span, by role.
fn by_role(lines: &[Line], of: &str, span: &str) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    let wanted = |line: &&Line| line.is("histogram") && *line.at("/of") == of && *line.at("/span") == span;
    for line in lines.iter().filter(wanted) {
        let role = line.at("/key/role").as_str().with_context(|| format!("no role: {}", line.text))?;
        let buckets = line.at("/buckets").as_array().context("no buckets")?;
        let sum: u64 = buckets.iter().filter_map(|bucket| bucket.get(1)?.as_u64()).sum();
        ensure!(sum == line.count("/count"), "buckets do not add up: {}", line.text);
        *counts.entry(role.to_owned()).or_default() += sum;
    }
    Ok(counts)
}

/// Closes that have no duration are not in any histogram, and are counted beside it: who resets, and why.
#[test]
fn aborted_closes_are_counted_beside_the_histogram() -> Result<()> {
    if is_older_than(&RESET_REASONS) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        let by = ["--by", "outcome,reason", "--netns", &netns.inode().to_string()];
        let tool = Tool::live(&["hist", "--output", "json"], &by)?;
        netns.run(|_| {
            for number in 0..7 {
                let Pair { client, server, .. } = Pair::connect()?;
                let gone = Ends::of(&server)?;
                if number < 3 {
                    pair::shut(&client)?;
                    pair::read_eof(&server)?;
                    pair::close_passive(server)?;
                    pair::read_eof(&client)?;
                } else {
                    pair::close_with_reset(client)?;
                    proc_net::wait_gone(gone)?;
                }
            }
            Ok(())
        })?;
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let mut told = BTreeMap::new();
        for line in finished.lines()?.iter().filter(|line| line.is("histogram") && *line.at("/span") == "total") {
            let outcome = line.at("/key/outcome").as_str().with_context(|| format!("no outcome: {}", line.text))?;
            let reason = line.at("/key/reason").as_str().with_context(|| format!("no reason: {}", line.text))?;
            let (count, without) = (line.count("/count"), line.count("/without"));
            ensure!(line.count("/closes") == count + without, "{}", line.text);
            ensure!(line.at("/closes_per_second").as_f64().is_some_and(|rate| rate > 0.0), "{}", line.text);
            told.insert(format!("{outcome} {reason}"), (count, without));
        }
        let wanted = [("fin none", (6, 0)), ("reset_received none", (0, 4)), ("reset_sent linger_0", (0, 4))];
        let wanted: BTreeMap<_, _> = wanted.map(|(outcome, counts)| (outcome.to_owned(), counts)).into_iter().collect();
        ensure!(told == wanted, "{told:?} and not {wanted:?}");
        let summary = finished.summary()?;
        let reasons = summary.at("/reasons").as_array().context("no reasons")?;
        let text =
            |reason: &serde_json::Value| format!("{} {} {}", reason["outcome"], reason["reason"], reason["closes"]);
        let mut reasons: Vec<String> = reasons.iter().map(text).collect();
        reasons.sort_unstable();
        let wanted = [r#""reset_received" null 4"#, r#""reset_sent" "linger_0" 4"#];
        ensure!(reasons == wanted, "{reasons:?} and not {wanted:?}");
        Ok(())
    })
}

/// Intervals add up to the total, which is what the sockets did; the filter keeps to the namespace.
#[test]
fn intervals_and_the_total_count_every_close() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let by = ["--of", "close,close-wait", "--by", "role,netns", "--interval", "500ms", "--netns", &inode];
        let tool = Tool::live(&["hist", "--output", "json"], &by)?;
        for _ in 0..2 {
            netns.run(|netns| load::run(netns, Amount::Connections(CONNECTIONS), Ending::ThreeWay))?;
            // Also what has to be looked up is told by then.
            thread::sleep(Duration::from_millis(1500));
        }
        let finished = tool.stop()?;
        finished.expect_code(0)?;
        let summary = finished.summary()?;
        judge::books(&summary)?;
        ensure!(summary.count("/closes") == 4 * CONNECTIONS, "{}", summary.text);
        let lines = finished.lines()?;
        let wanted: BTreeMap<String, u64> =
            ["active", "passive"].map(|role| (role.to_owned(), 2 * CONNECTIONS)).into_iter().collect();
        for span in ["interval", "total"] {
            let counts = by_role(&lines, "close", span)?;
            ensure!(counts == wanted, "{span}: {counts:?} and not {wanted:?}");
        }
        let passive = by_role(&lines, "close_wait", "total")?;
        ensure!(passive.get("passive") == wanted.get("passive"), "close_wait: {passive:?}");
        let is_other = |line: &&Line| line.is("histogram") && *line.at("/key/netns") != netns.inode();
        ensure!(!lines.iter().any(|line| is_other(&line)), "closes of another namespace");
        Ok(())
    })
}

/// Where nothing of owners is told or compared, their `connect()`s stay in the kernel; where it is, those name who lost
/// a connection to the peer's reset.
#[test]
fn connects_cross_where_owners_are_asked_for() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let (inode, pid) = (netns.inode().to_string(), std::process::id().to_string());
        let [outcome, process, own] = [
            ["--by", "outcome", "--netns", &inode].as_slice(),
            &["--by", "process", "--netns", &inode],
            &["--by", "outcome", "--netns", &inode, "--pid", &pid],
        ]
        .map(|arguments| Tool::live(&["hist", "--output", "json"], arguments));
        let tools = [outcome?, process?, own?];
        netns.run(|_| {
            for _ in 0..LOST {
                let Pair { client, server, .. } = Pair::connect()?;
                let gone = Ends::of(&client)?;
                pair::close_with_reset(server)?;
                proc_net::wait_gone(gone)?;
                drop(client);
            }
            Ok(())
        })?;
        let mut delivered = Vec::new();
        for tool in tools {
            let finished = tool.stop()?;
            finished.expect_code(0)?;
            let summary = finished.summary()?;
            judge::books(&summary)?;
            ensure!(summary.count("/closes") == 2 * LOST, "{}", summary.text);
            let nobody = |line: &&Line| line.is("histogram") && line.text.contains(r#""process":null"#);
            ensure!(!finished.lines()?.iter().any(|line| nobody(&line)), "a close without its owner");
            delivered.push(summary.count("/events/delivered"));
        }
        let [outcome, process, own] = delivered[..] else { unreachable!() };
        ensure!(process == outcome + LOST && own >= process, "{outcome} without owners, {process} and {own} with");
        Ok(())
    })
}
