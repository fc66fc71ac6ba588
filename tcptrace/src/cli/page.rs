//! Where rounds of looks go: one after the other, or on a terminal each in place of the one before.

use std::io::{IsTerminal, Stdout, Write};

use super::{args::OutputFormat, setup};
use crate::{
    inspection::{Inspected, Report},
    output::{Renderer, clock_line},
    report::Context,
};

/// Home, and everything from there on cleared: less flicker than the other way round (ECMA-48 CUP, ED).
const REDRAW: &[u8] = b"\x1b[H\x1b[J";

/// Standard output.
pub(super) struct Page {
    out: Stdout,
    renderer: Renderer,
    context: Context,
    text: Vec<u8>,
    own_netns: u32,
    /// Each socket of a group, too.
    sockets: bool,
    /// Rounds are told apart; `None` where there is only one, or JSON has the time in each line.
    rounds: Option<Rounds>,
}

#[derive(Clone, Copy)]
enum Rounds {
    Redrawn,
    Appended,
}

impl Page {
    pub(super) fn new(output: OutputFormat, watch: bool, sockets: bool, own_netns: u32) -> Self {
        let out = std::io::stdout();
        let rounds = match (watch && output == OutputFormat::Table, out.is_terminal()) {
            (false, _) => None,
            (true, true) => Some(Rounds::Redrawn),
            (true, false) => Some(Rounds::Appended),
        };
        let renderer = setup::renderer(output, &out);
        Self { out, renderer, context: Context::default(), text: Vec::new(), own_netns, sockets, rounds }
    }

    /// Prints a round.
    pub(super) fn round(&mut self, inspected: &Inspected) -> std::io::Result<()> {
        self.context.tick(inspected.tick);
        inspected.interfaces.iter().for_each(|name| self.context.interface(name));
        inspected.names.iter().for_each(|name| self.context.netns_name(name.clone()));
        self.text.clear();
        if let Some(width) = setup::terminal_width() {
            self.renderer.set_width(width);
        }
        if self.rounds.is_some() {
            clock_line(&mut self.text, inspected.tick.real_ns);
        }
        match &inspected.report {
            Report::Stuck(report) => {
                self.renderer.stuck(&mut self.text, report, self.sockets, self.own_netns, &self.context);
            }
            Report::Leaks(report) => {
                self.renderer.leaks(&mut self.text, report, self.sockets, self.own_netns, &self.context);
            }
        }
        let mut out = self.out.lock();
        match self.rounds {
            Some(Rounds::Redrawn) => {
                out.write_all(REDRAW)?;
                out.write_all(&fitting(&self.text, rows(&self.out)))?;
            }
            Some(Rounds::Appended) | None => out.write_all(&self.text)?,
        }
        out.flush()
    }

    /// What comes after the last round, a shell's prompt, begins a line.
    pub(super) fn end(&self) -> std::io::Result<()> {
        match self.rounds {
            Some(Rounds::Redrawn) => self.out.lock().write_all(b"\n"),
            Some(Rounds::Appended) | None => Ok(()),
        }
    }
}

fn rows(out: &Stdout) -> usize {
    terminal_size::terminal_size_of(out).map_or(usize::MAX, |(_, height)| usize::from(height.0))
}

/// What does not fit would push the beginning, which matters most, out of sight.
fn fitting(text: &[u8], rows: usize) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let count = lines.clone().count();
    if count < rows {
        return text.to_vec();
    }
    let shown = rows.saturating_sub(2);
    let mut fitting = lines.take(shown).collect::<Vec<_>>().concat();
    fitting.extend_from_slice(format!("({} more lines)", count - shown).as_bytes());
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_stays_in_sight() {
        let text = b"one\ntwo\nthree\nfour\n";
        assert_eq!(fitting(text, 5), text);
        assert_eq!(fitting(text, usize::MAX), text);
        assert_eq!(fitting(text, 4), b"one\ntwo\n(2 more lines)");
        assert_eq!(fitting(text, 0), b"(4 more lines)");
    }
}
