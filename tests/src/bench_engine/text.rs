//! What a finished close costs after the engine: the report, and its line of JSON or table.

use std::{hint::black_box, io, time::Duration};

use tcptrace::{
    decode::{Frame, decode},
    engine::Engine,
    filter::Filter,
    model::{CgroupName, Output, Tick},
    output::{Format, Renderer, Style},
    pipeline::{Parts, Pipeline},
    report::{Context, Report},
};

use crate::{
    clock::CpuTime,
    load::{CGROUP_ID, Load, Raw},
    speed::calm,
    stats::median,
};

const OPEN: usize = 10_000;
const EVENTS: usize = 1 << 19;
const ROUNDS: usize = 7;

/// Nanoseconds per close, and bytes per line.
pub(crate) struct Text {
    pub(crate) report_ns: f64,
    pub(crate) json_ns: f64,
    pub(crate) json_bytes: f64,
    pub(crate) table_ns: f64,
    /// Everything from the raw records to JSON: decode, engine, report and output.
    pub(crate) all_ns: f64,
    /// Records per close.
    pub(crate) records: f64,
}

/// Measures; an error when there was nothing to measure.
pub(crate) fn measure() -> Result<Text, String> {
    let mut raws = Vec::new();
    let mut load = Load::new(OPEN, |raw| raws.push(*raw));
    raws.extend((0..EVENTS).map(|_| load.next()));
    let (closes, context) = (closes(&raws), context());
    if closes.is_empty() {
        return Err("the load has no closes".to_owned());
    }
    let count = closes.len() as f64;
    let (json_ns, json_bytes) = render(Format::Json, &closes, &context);
    let (table_ns, _) = render(Format::Table, &closes, &context);
    Ok(Text {
        report_ns: rounds(|| report(&closes)) / count,
        json_ns: json_ns / count,
        json_bytes: json_bytes / count,
        table_ns: table_ns / count,
        all_ns: pipeline_ns(&raws)? / count,
        records: raws.len() as f64 / count,
    })
}

fn closes(raws: &[Raw]) -> Vec<Output> {
    let mut engine = Engine::new(calm());
    let mut closes = Vec::new();
    for raw in raws {
        engine.handle(&decode(Frame::Record(raw)));
        while let Some(output) = engine.poll() {
            closes.push(output);
        }
    }
    engine.finish();
    closes.extend(std::iter::from_fn(|| engine.poll()));
    closes
}

const TICK: Tick = Tick { mono_ns: 1_000_000_000_000, real_ns: 1_767_323_045_678_901_234 };

fn cgroup() -> CgroupName {
    CgroupName { id: CGROUP_ID, path: "/system.slice/nginx.service".to_owned() }
}

fn context() -> Context {
    let mut context = Context::default();
    context.tick(TICK);
    context.cgroup(cgroup());
    context
}

fn report(closes: &[Output]) {
    let mut report = Report::default();
    for close in closes {
        report.record(close, 1);
    }
    black_box(&report);
}

/// Nanoseconds and bytes for all closes.
fn render(format: Format, closes: &[Output], context: &Context) -> (f64, f64) {
    const FLUSH_BYTES: usize = 64 << 10;
    let mut renderer = Renderer::new(format, Style::default());
    let mut text = Vec::with_capacity(2 * FLUSH_BYTES);
    let mut bytes = 0;
    let ns = rounds(|| {
        bytes = 0;
        for close in closes {
            renderer.render(&mut text, close, context);
            if text.len() >= FLUSH_BYTES {
                bytes += black_box(&text).len();
                text.clear();
            }
        }
        bytes += text.len();
        text.clear();
    });
    (ns, bytes as f64)
}

fn pipeline_ns(raws: &[Raw]) -> Result<f64, String> {
    let mut result = Ok(());
    let ns = rounds(|| result = result.clone().and(pipeline(raws).map_err(|error| error.to_string())));
    result.map(|()| ns)
}

fn pipeline(raws: &[Raw]) -> io::Result<()> {
    let mut pipeline = Pipeline::to_text(Parts {
        renderer: Renderer::new(Format::Json, Style::default()),
        out: io::sink(),
        lines: true,
        draw: None,
        failed_connects: false,
        max_rate: None,
    });
    let host = pipeline.add_host(calm(), Filter::default());
    pipeline.frame(host, Frame::Tick(TICK))?;
    pipeline.frame(host, Frame::Cgroup(cgroup()))?;
    for raw in raws {
        pipeline.frame(host, Frame::Record(raw))?;
    }
    black_box(pipeline.finish()?);
    Ok(())
}

/// Nanoseconds of one round, the median.
fn rounds(mut round: impl FnMut()) -> f64 {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = CpuTime::now();
        round();
        times.push(start.elapsed());
    }
    let mut ns: Vec<f64> = times.iter().map(Duration::as_secs_f64).map(|seconds| seconds * 1e9).collect();
    median(&mut ns)
}
