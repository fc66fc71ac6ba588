//! Network namespaces by the word that `--netns` takes.

use std::{collections::BTreeSet, fs, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};
use tcptrace_tests::{
    netns::NetNs,
    pair::Pair,
    tool::{self, Line, Tool},
    wait,
};

use crate::{
    harness::{Folder, SOON, bounded},
    stage::{Stage, name_it, private_mounts},
};

fn run(words: &[&str]) -> Result<String> {
    let finished = Tool::start(tool::command(words)?)?.finish(SOON)?;
    finished.expect_code(0)?;
    Ok(finished.stdout)
}

fn lines(words: &[&str]) -> Result<Vec<Line>> {
    run(&[words, &["--output", "json"]].concat())?.lines().map(Line::parse).collect()
}

/// Each word that is told leads back to the namespace: what is listed there is what `--netns WORD` lists.
#[test]
fn listings_and_advice_name_namespaces() -> Result<()> {
    bounded(|| {
        Stage::set(|stage| {
            let words = ["leaks", "--sockets", "--leak-after", "1ms"];
            let told = lines(&words)?;
            let table = run(&words)?;
            let pid = stage.other.holder.pid().to_string();
            let places = [
                (&stage.named, stage.named_inode, stage.name.clone(), stage.name.clone()),
                (&stage.other, stage.other_inode, pid.clone(), format!("pid {pid}")),
            ];
            for (leak, inode, word, in_words) in places {
                for kind in ["finding", "leak_group"] {
                    let line = told.iter().find(|line| line.is(kind) && line.in_netns(inode)).context("not listed")?;
                    ensure!(*line.at("/netns_name") == word.as_str(), "{}", line.text);
                }
                ensure!(table.contains(&format!("in netns {in_words} ")), "no {in_words} in\n{table}");
                ensure!(!table.contains(&inode.to_string()), "an inode in\n{table}");
                let there = lines(&[&words[..], &["--netns", &word]].concat())?;
                ensure!(there.iter().any(|line| line.has_ends(leak.ends)), "{word} leads elsewhere");
                let advice = lines(&["doctor", "--only", "fin_timeout", "--netns", &word])?;
                ensure!(*advice.first().context("no row")?.at("/netns_name") == word.as_str(), "{advice:?}");
            }
            let advice = run(&["doctor", "--only", "fin_timeout"])?;
            ensure!(advice.contains(&format!("network namespace {}\n", stage.name)), "no name in\n{advice}");
            ensure!(!advice.contains(&stage.named_inode.to_string()), "an inode in\n{advice}");
            Ok(())
        })
    })
}

/// Closes in a namespace with a name, while another one has none but a thread of this process.
#[test]
fn captures_hold_names() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let (named, other) = (NetNs::new()?, NetNs::new()?);
        let (file, name) = (folder.file("run.cap"), "tcptrace-web".to_owned());
        let live = named.run(|_| {
            private_mounts()?;
            name_it(&name)?;
            let tool = Tool::live(&["record", &file], &["--show", "--output", "json"])?;
            close()?;
            other.run(|_| close())?;
            tool.wait_for_closes(named.inode(), 2, SOON)?;
            tool.wait_for_closes(other.inode(), 2, SOON)?;
            tool.stop()
        })?;
        live.expect_code(0)?;
        let closes = live.lines_in(named.inode())?;
        ensure!(closes.iter().all(|line| *line.at("/netns_name") == name.as_str()), "{}", live.stdout);
        ensure!(run(&["replay", &file, "--output", "json"])? == live.stdout, "the replay differs");
        let only = lines(&["replay", &file, "--netns", &name])?;
        let closes: Vec<&Line> = only.iter().filter(|line| line.is("close")).collect();
        ensure!(closes.len() == 2 && closes.iter().all(|line| line.in_netns(named.inode())), "{only:?}");
        let by = ["replay", &file, "--by", "netns"];
        let table = run(&by)?;
        ensure!(table.contains(&name) && !table.contains(&named.inode().to_string()), "no name in\n{table}");
        let rows = lines(&by)?;
        let row = rows.iter().find(|line| *line.at("/key/netns") == named.inode()).context("no row")?;
        ensure!(*row.at("/key/netns_name") == name.as_str(), "{}", row.text);
        ensure!(fs::metadata(&file)?.len() > 0, "an empty capture");
        Ok(())
    })
}

/// Others may be given an inode that was to come again.
const ROUNDS_MAX: usize = 15;

/// The kernel gives the inode of a namespace that is gone to a later one, which has another name or none.
#[test]
fn a_name_goes_with_its_namespace() -> Result<()> {
    bounded(|| {
        let home = NetNs::new()?;
        home.run(|_| {
            private_mounts()?;
            let tool = Tool::trace(&[])?;
            let mut known = BTreeSet::new();
            let (mut reused, mut named) = (0, 0);
            let names = ["tcptrace-one", "tcptrace-two", "", "tcptrace-three", ""].into_iter().cycle();
            for (round, name) in names.take(ROUNDS_MAX).enumerate() {
                if reused >= 2 {
                    break;
                }
                let netns = NetNs::new()?;
                let inode = netns.inode();
                reused += u32::from(!known.insert(inode));
                let before = tool.stdout().lines().count();
                netns.run(|_| {
                    if !name.is_empty() {
                        name_it(name)?;
                    }
                    close()
                })?;
                let closes = wait::until("its closes", SOON, || {
                    let lines: Result<Vec<Line>> = tool.stdout().lines().skip(before).map(Line::parse).collect();
                    let closes = lines?.into_iter().filter(|line| line.is("close") && line.in_netns(inode));
                    Ok(Some(closes.collect::<Vec<Line>>()).filter(|closes| closes.len() >= 2))
                })?;
                for line in closes {
                    // Where others have many, one may go without a name, and never with another's.
                    let told = line.at("/netns_name");
                    named += u32::from(!told.is_null());
                    let is_right = told.is_null() || *told == name && !name.is_empty();
                    ensure!(is_right, "round {round} is {name:?}: {}", line.text);
                }
                if !name.is_empty() {
                    unmount(format!("/run/netns/{name}").as_str(), UnmountFlags::DETACH)?;
                }
                drop(netns);
                // Until the kernel has taken it down, on a worker of its own (`cleanup_net()`), and words are tried
                // again.
                thread::sleep(Duration::from_millis(400));
            }
            ensure!(named > 0, "none of them has a name");
            ensure!(reused > 0, "no inode came again: {known:?}");
            tool.stop()?.expect_code(0)
        })
    })
}

fn close() -> Result<()> {
    let Pair { client, server, .. } = Pair::connect()?;
    drop(client);
    drop(server);
    Ok(())
}
