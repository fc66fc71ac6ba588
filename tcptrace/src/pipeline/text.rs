//! What was found as text: a line for each, and a summary at the end.

use std::io::{self, Write};

use super::{Parts, Rate, Sink, drawn::Drawn};
use crate::{
    model::{FindingStatus, Input, Output, Status},
    output::Renderer,
    report::{Context, Report, Run, Summary},
};

/// Text is handed to the writer when this much has gathered, and at each flush.
const BUFFER_BYTES: usize = 64 << 10;

/// Counts, prints, and sums up.
pub struct Text<W> {
    report: Report,
    renderer: Renderer,
    out: W,
    text: Vec<u8>,
    lines: bool,
    drawn: Option<Drawn>,
    rate: Option<Rate>,
    findings: u64,
    losses: Losses,
}

/// Events that were lost, and how many of them lines have told.
#[derive(Default)]
struct Losses {
    total: u64,
    told: u64,
    /// When they were told last, nanoseconds since 1970.
    told_ns: Option<u64>,
}

/// Between two lines of losses, in the hosts' time: a long one is no flood of lines.
const LOSS_INTERVAL_NS: u64 = 1_000_000_000;

impl Losses {
    /// How many are to be told now, if any are.
    fn untold(&mut self, time_ns: u64) -> Option<u64> {
        let early = self.told_ns.is_some_and(|told_ns| time_ns < told_ns.saturating_add(LOSS_INTERVAL_NS));
        if early || self.total == self.told {
            return None;
        }
        let more = self.total - self.told;
        (self.told, self.told_ns) = (self.total, Some(time_ns));
        Some(more)
    }
}

impl<W: Write> Text<W> {
    pub(super) fn new(parts: Parts<W>) -> Self {
        Self {
            report: Report::default().telling_failed_connects(parts.failed_connects),
            renderer: parts.renderer,
            out: parts.out,
            text: Vec::with_capacity(2 * BUFFER_BYTES),
            lines: parts.lines,
            drawn: parts.draw.map(Drawn::new),
            rate: parts.max_rate.map(Rate::new),
            findings: 0,
            losses: Losses::default(),
        }
    }

    fn print(&mut self, output: &Output, context: &Context) -> io::Result<()> {
        // Findings are few, and what one looks for.
        if let (Some(rate), false) = (&mut self.rate, matches!(output, Output::Finding(_))) {
            let time_ns = context.real_ns(output.time_ns());
            if !rate.admits(time_ns) {
                return Ok(());
            }
            if let Some(lines) = rate.tell() {
                self.renderer.held_back(&mut self.text, lines, time_ns);
            }
        }
        self.renderer.render(&mut self.text, output, context);
        if self.text.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// A line where lines are missing, or may not be whole.
    fn tell_losses(&mut self, time_ns: u64) {
        if self.lines
            && let Some(events) = self.losses.untold(time_ns)
        {
            self.renderer.lost(&mut self.text, events, time_ns);
        }
    }

    /// Writes the summary. `status` is that of all hosts, with times since 1970.
    pub(super) fn finish(mut self, status: Status, hosts: &[&Context]) -> io::Result<(Summary, u64)> {
        if let Some(lines) = self.rate.as_mut().and_then(Rate::tell) {
            self.renderer.held_back(&mut self.text, lines, status.last_ns);
        }
        if let Some(drawn) = &mut self.drawn {
            drawn.finish(&mut self.text, &mut self.renderer, status.last_ns);
        }
        let samples = || hosts.iter().map(|host| host.weight());
        let run = Run {
            held_back: self.rate.as_ref().map(Rate::total),
            sample_one_in: samples().max().unwrap_or(1),
            samples_differ: samples().min() != samples().max(),
            hosts: hosts.iter().filter_map(|host| host.shown_host()).map(ToOwned::to_owned).collect(),
        };
        let summary = self.report.summary(status, run);
        self.renderer.summary(&mut self.text, &summary);
        self.flush()?;
        Ok((summary, self.findings))
    }
}

impl<W: Write> Sink for Text<W> {
    fn output(&mut self, output: &Output, shown: bool, context: &Context) -> io::Result<()> {
        if let Output::Finding(finding) = output
            && finding.status == FindingStatus::Raised
        {
            self.findings += 1;
        }
        self.report.record(output, context.weight());
        if let (Output::Close(close), Some(drawn)) = (output, &mut self.drawn) {
            drawn.close(close, context);
        }
        if self.lines && shown {
            self.print(output, context)?;
        }
        Ok(())
    }

    fn input(&mut self, input: &Input) {
        if let (Input::Host(host), Some(drawn)) = (input, &mut self.drawn) {
            drawn.sampled(host.sample_one_in);
        }
    }

    fn tick(&mut self, time_ns: u64) -> io::Result<()> {
        if let Some(drawn) = &mut self.drawn {
            drawn.tick(&mut self.text, &mut self.renderer, time_ns);
        }
        if let Some(lines) = self.rate.as_mut().and_then(|rate| rate.tell_at(time_ns)) {
            self.renderer.held_back(&mut self.text, lines, time_ns);
        }
        self.tell_losses(time_ns);
        Ok(())
    }

    fn lost(&mut self, events: u64, time_ns: u64) -> io::Result<()> {
        if let Some(drawn) = &mut self.drawn {
            drawn.lost(events.saturating_sub(self.losses.total));
        }
        self.losses.total = self.losses.total.max(events);
        self.tell_losses(time_ns);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.text.is_empty() {
            self.out.write_all(&self.text)?;
            self.text.clear();
            self.out.flush()?;
        }
        Ok(())
    }
}
