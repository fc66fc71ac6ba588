//! Colours and widths: what a terminal gets, and what everything else gets.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    process::{Child, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, Result, ensure};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tcptrace_tests::{tool, wait};

use crate::support::{LIMIT, golden, run};

const ESCAPE: char = '\x1b';
const RESET: &str = "\x1b[0m";

/// Runs tcptrace with a terminal of so many columns for what it writes, and returns what came there. It must succeed.
fn on_a_terminal(arguments: &[&str], columns: u16, variables: &[(&str, &str)]) -> Result<String> {
    let (shown, status) = run_on_a_terminal(arguments, columns, variables)?;
    ensure!(status.success(), "it failed:\n{shown}");
    Ok(shown)
}

/// As [`on_a_terminal`], however it ends.
pub(crate) fn on_any_terminal(arguments: &[&str], columns: u16, variables: &[(&str, &str)]) -> Result<String> {
    Ok(run_on_a_terminal(arguments, columns, variables)?.0)
}

fn run_on_a_terminal(arguments: &[&str], columns: u16, variables: &[(&str, &str)]) -> Result<(String, ExitStatus)> {
    let (master, terminal) = terminal(columns)?;
    let mut command = tool::command(arguments)?;
    command.current_dir(golden("")).stdin(Stdio::null()).stderr(terminal.try_clone()?).stdout(terminal);
    command.env("TERM", "xterm").env_remove("NO_COLOR").envs(variables.iter().copied());
    let child = command.spawn()?;
    // The last ends of the terminal on this side: then reading ends with the child.
    drop(command);
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        // EIO says that nobody has the terminal open any more.
        let _ = File::from(master).read_to_end(&mut bytes);
        bytes
    });
    let status = ended(child)?;
    let bytes = reading.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked));
    // A terminal shows a newline as two characters.
    Ok((String::from_utf8(bytes)?.replace("\r\n", "\n"), status))
}

fn terminal(columns: u16) -> Result<(OwnedFd, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).context("no terminal")?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name, flags, Mode::empty()).context("cannot open the terminal")?;
    tcsetwinsize(&terminal, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    Ok((master, terminal))
}

fn ended(mut child: Child) -> Result<ExitStatus> {
    let status = wait::until("tcptrace to end", LIMIT, || Ok(child.try_wait()?));
    if status.is_err() {
        child.kill()?;
    }
    status
}

/// Without its colours.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

#[test]
fn a_terminal_gets_colours() -> Result<()> {
    let shown = on_a_terminal(&["replay", "closes.cap"], 100, &[])?;
    ensure!(shown.contains(ESCAPE), "no colour:\n{shown}");
    for line in shown.lines() {
        let starts = line.matches(ESCAPE).count();
        ensure!(starts == 2 * line.matches(RESET).count(), "a colour without end: {line:?}");
    }
    for bad in ["STUCK fin_wait1", "LEAK close_wait"] {
        let line = shown.lines().find(|line| line.contains(bad)).with_context(|| format!("no {bad}"))?;
        ensure!(line.contains(&format!("{bad}{RESET}")), "not coloured: {line:?}");
    }
    Ok(())
}

/// Wide enough not to break lines; the heading comes again and again only on a terminal.
#[test]
fn colours_change_no_text() -> Result<()> {
    let shown = plain(&on_a_terminal(&["replay", "resets.cap"], 200, &[])?);
    let plainly = on_a_terminal(&["replay", "resets.cap"], 200, &[("NO_COLOR", "1")])?;
    ensure!(shown == plainly, "coloured:\n{shown}\nplain:\n{plainly}");
    Ok(())
}

#[test]
fn no_color_is_obeyed() -> Result<()> {
    let shown = on_a_terminal(&["replay", "closes.cap"], 100, &[("NO_COLOR", "1")])?;
    ensure!(!shown.contains(ESCAPE), "colour:\n{shown}");
    ensure!(shown.contains("STUCK fin_wait1"), "not the replay:\n{shown}");
    Ok(())
}

/// As no-color.org has it.
#[test]
fn an_empty_no_color_is_none() -> Result<()> {
    let shown = on_a_terminal(&["replay", "closes.cap"], 100, &[("NO_COLOR", "")])?;
    ensure!(shown.contains(ESCAPE), "no colour:\n{shown}");
    Ok(())
}

#[test]
fn a_dumb_terminal_gets_no_colours() -> Result<()> {
    let shown = on_a_terminal(&["replay", "closes.cap"], 100, &[("TERM", "dumb")])?;
    ensure!(!shown.contains(ESCAPE), "colour:\n{shown}");
    Ok(())
}

#[test]
fn json_gets_no_colours() -> Result<()> {
    let shown = on_a_terminal(&["replay", "closes.cap", "--output", "json"], 100, &[])?;
    ensure!(shown == run(["replay", "closes.cap", "--output", "json"])?.stdout, "other output:\n{shown}");
    Ok(())
}

#[test]
fn files_and_pipes_get_no_colours() -> Result<()> {
    for capture in ["closes.cap", "resets.cap", "open.cap"] {
        let finished = run(["replay", capture, "--transitions"])?;
        ensure!(!finished.stdout.contains(ESCAPE), "colour:\n{}", finished.stdout);
    }
    Ok(())
}

/// No line is wider than the terminal, which would break it in the middle of a word.
#[test]
fn lines_fit_the_terminal() -> Result<()> {
    for columns in [60, 80, 100, 140] {
        for capture in ["closes.cap", "families.cap", "resets.cap", "many.cap"] {
            let shown = plain(&on_a_terminal(&["replay", capture, "--transitions"], columns, &[])?);
            let wide = shown.lines().find(|line| line.chars().count() > usize::from(columns));
            ensure!(wide.is_none(), "{capture} at {columns} columns: {wide:?}");
        }
    }
    Ok(())
}

/// Broken lines hold the words of whole ones.
#[test]
fn a_narrow_terminal_loses_nothing() -> Result<()> {
    let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    // Fewer lines than one heading stands for.
    let narrow = plain(&on_a_terminal(&["replay", "orderly.cap"], 60, &[])?);
    ensure!(words(&narrow) == words(&run(["replay", "orderly.cap"])?.stdout), "other words:\n{narrow}");
    Ok(())
}
