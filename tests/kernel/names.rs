//! Programs whose names turn a line round, or cannot be seen.

use std::{net::TcpListener, os::unix::fs::symlink, path::Path, time::Duration};

use anyhow::{Result, ensure};
use tcptrace_tests::{
    child::Actor,
    netns::NetNs,
    pair::Ends,
    proc_net::{self, State},
    tool::{self, Line, Tool},
};

use crate::harness::{Folder, SOON, bounded};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const LIMIT: Duration = Duration::from_secs(30);

/// Names of programs, as JSON has them and as tables show them.
const NAMES: [(&str, &str, &str); 3] = [
    ("a\u{202e}b", "a\u{fffd}b", "a\u{fffd}b"),
    ("\u{1b}[2J\n\u{200b}", "\u{fffd}[2J\u{fffd}\u{fffd}", "\u{fffd}[2J\u{fffd}\u{fffd}"),
    ("   ", "   ", "\"   \""),
];

/// What `leaks` says of the namespace, as a table and in JSON.
fn leaks(netns: &NetNs) -> Result<(String, String)> {
    let inode = netns.inode().to_string();
    let said = |output| -> Result<String> {
        let look = ["leaks", "--netns", &inode, "--leak-after", "1ms", "--output", output];
        let finished = Tool::start(tool::command(look)?)?.finish(LIMIT)?;
        finished.expect_code(0)?;
        Ok(finished.stdout)
    };
    Ok((said("table")?, said("json")?))
}

#[test]
fn are_shown_harmless_and_found_by_either_form() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        for (name, json, shown) in NAMES {
            // A program is called as the file that was run.
            let program = folder.file(name);
            symlink(ACTOR, &program)?;
            let netns = NetNs::new()?;
            let by_name = Tool::trace(&["--comm", name])?;
            let as_printed = Tool::trace(&["--comm", json])?;
            netns.run(|netns| {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let actor = Actor::connect(Path::new(&program), listener.local_addr()?)?;
                let (server, _) = listener.accept()?;
                let ends = Ends::of(&server)?.reversed();
                drop(server);
                proc_net::wait_for(ends, State::CloseWait)?;
                let (table, lines) = leaks(netns)?;
                ensure!(table.contains(&format!("{shown}/{}", actor.pid())), "{table}");
                ensure!(lines.contains(&format!("\"comm\":\"{json}\"")), "{lines}");
                Ok(())
            })?;
            let is_its = |line: &Line| line.is("close") && *line.at("/owner/comm") == json;
            for tool in [by_name, as_printed] {
                tool.wait_for(netns.inode(), "its close", |lines| lines.iter().any(is_its), SOON)?;
                tool.stop()?.expect_code(0)?;
            }
        }
        Ok(())
    })
}
