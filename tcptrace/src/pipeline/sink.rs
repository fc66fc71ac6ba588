//! Where what was found comes together: the report, and the text.

use std::io::{self, Write};

use super::{Parts, Rate};
use crate::{
    model::{FindingStatus, Output, Status},
    output::Renderer,
    report::{Context, Report, Run, Summary},
};

/// Text is handed to the writer when this much has gathered, and at each flush.
const BUFFER_BYTES: usize = 64 << 10;

pub(super) struct Sink<W> {
    report: Report,
    renderer: Renderer,
    out: W,
    text: Vec<u8>,
    lines: bool,
    rate: Option<Rate>,
    findings: u64,
    /// Sees each output, too.
    pub(super) observer: Option<super::Observer>,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(parts: Parts<W>) -> Self {
        Self {
            report: Report::default(),
            renderer: parts.renderer,
            out: parts.out,
            text: Vec::with_capacity(2 * BUFFER_BYTES),
            lines: parts.lines,
            rate: parts.max_rate.map(Rate::new),
            findings: 0,
            observer: None,
        }
    }

    /// Counts an output, and prints it if it is `shown`.
    pub(super) fn output(&mut self, output: &Output, shown: bool, context: &Context) -> io::Result<()> {
        if let Output::Finding(finding) = output
            && finding.status == FindingStatus::Raised
        {
            self.findings += 1;
        }
        if let Some(observer) = &mut self.observer {
            observer(output);
        }
        self.report.record(output, context.weight());
        if self.lines && shown {
            self.print(output, context)?;
        }
        Ok(())
    }

    fn print(&mut self, output: &Output, context: &Context) -> io::Result<()> {
        if let Some(rate) = &mut self.rate {
            let time_ns = context.real_ns(output.time_ns());
            if !rate.admits(time_ns) {
                return Ok(());
            }
            if let Some(lines) = rate.tell() {
                self.renderer.held_back(&mut self.text, lines, time_ns);
            }
        }
        self.renderer.render(&mut self.text, output, context);
        if self.text.len() >= BUFFER_BYTES { self.write() } else { Ok(()) }
    }

    pub(super) fn write(&mut self) -> io::Result<()> {
        if !self.text.is_empty() {
            self.out.write_all(&self.text)?;
            self.text.clear();
            self.out.flush()?;
        }
        Ok(())
    }

    /// Writes the summary. `status` is that of all hosts, with times since 1970.
    pub(super) fn finish(mut self, status: Status, hosts: &[&Context]) -> io::Result<(Summary, u64)> {
        if let Some(lines) = self.rate.as_mut().and_then(Rate::tell) {
            self.renderer.held_back(&mut self.text, lines, status.last_ns);
        }
        let run = Run {
            held_back: self.rate.as_ref().map(Rate::total),
            sample_one_in: hosts.iter().map(|host| host.weight()).max().unwrap_or(1),
            hosts: hosts.iter().filter_map(|host| host.shown_host()).map(ToOwned::to_owned).collect(),
        };
        let summary = self.report.summary(status, run);
        self.renderer.summary(&mut self.text, &summary);
        self.write()?;
        Ok((summary, self.findings))
    }
}
