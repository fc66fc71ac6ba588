//! Events per second at a given number of open connections.

use std::{hint::black_box, time::Duration};

use tcptrace::{
    decode::decode_record,
    engine::{Config, Engine},
    model::{Event, Input, Output},
};

use crate::{
    clock::CpuTime,
    load::{Load, Raw},
    stats::median,
};

/// Events made at a time, outside of the measured time. Many, because making them disturbs the caches.
const BATCH: usize = 1 << 16;
const BATCHES_PER_ROUND: usize = 24;
/// Each gives one figure of each kind, in turn; the median counts.
const ROUNDS: usize = 7;
/// No connection is that slow here, so that findings do not mix into the figures.
const NEVER_NS: u64 = 1 << 60;

/// Figures of one size.
pub(crate) struct Speed {
    /// Closing connections, as the engine counts them at the end.
    pub(crate) open: u64,
    /// Nanoseconds per event: the engine alone.
    pub(crate) engine_ns: f64,
    /// Nanoseconds per event: decode and engine.
    pub(crate) decoded_ns: f64,
    /// Of the decode and engine rounds, the fastest and the slowest.
    pub(crate) decoded_range_ns: (f64, f64),
}

/// A configuration in which nothing is ever late.
pub(crate) fn calm() -> Config {
    Config { stuck_after_ns: NEVER_NS, leak_after_ns: NEVER_NS, ..Config::default() }
}

/// Measures; an error when what was measured is not what it should be.
pub(crate) fn measure(open: usize) -> Result<Speed, String> {
    let mut engine = Engine::new(calm());
    let mut closes = 0;
    let mut load = Load::new(open, |raw| run_raw(&mut engine, raw, &mut closes));
    // A table in the order of its making would be kinder to caches than a host that runs for days.
    for _ in 0..2 * open {
        run_raw(&mut engine, &load.next(), &mut closes);
    }
    closes = 0;
    let mut alone = Vec::new();
    let mut decoded = Vec::new();
    for _ in 0..ROUNDS {
        alone.push(round(&mut load, |raws| engine_batch(&mut engine, raws, &mut closes)));
        decoded.push(round(&mut load, |raws| raw_batch(&mut engine, raws, &mut closes)));
    }
    check(&engine, open, closes)?;
    let fastest = decoded.iter().copied().fold(f64::INFINITY, f64::min);
    let slowest = decoded.iter().copied().fold(0.0, f64::max);
    Ok(Speed {
        open: engine.status().open.iter().sum(),
        engine_ns: median(&mut alone),
        decoded_ns: median(&mut decoded),
        decoded_range_ns: (fastest, slowest),
    })
}

/// Nanoseconds per event over one round.
fn round(load: &mut Load, mut batch: impl FnMut(&[Raw]) -> Duration) -> f64 {
    let mut raws = Vec::with_capacity(BATCH);
    let mut time = Duration::ZERO;
    for _ in 0..BATCHES_PER_ROUND {
        raws.clear();
        raws.extend((0..BATCH).map(|_| load.next()));
        time += batch(&raws);
    }
    time.as_secs_f64() * 1e9 / (BATCH * BATCHES_PER_ROUND) as f64
}

fn engine_batch(engine: &mut Engine, raws: &[Raw], closes: &mut u64) -> Duration {
    let events: Vec<Event> = raws.iter().filter_map(|raw| decode_record(raw).ok()).collect();
    let start = CpuTime::now();
    for events in events.chunks(Engine::AHEAD) {
        run_events(engine, events, closes);
    }
    start.elapsed()
}

fn raw_batch(engine: &mut Engine, raws: &[Raw], closes: &mut u64) -> Duration {
    let start = CpuTime::now();
    let mut events = Vec::with_capacity(Engine::AHEAD);
    for raws in raws.chunks(Engine::AHEAD) {
        events.clear();
        for raw in raws {
            match decode_record(raw) {
                Ok(event) => events.push(event),
                Err(refusal) => engine.handle(&Input::Refused(refusal)),
            }
        }
        run_events(engine, &events, closes);
    }
    start.elapsed()
}

fn run_raw(engine: &mut Engine, raw: &Raw, closes: &mut u64) {
    if let Ok(event) = decode_record(raw) {
        run_event(engine, &event, closes);
    }
}

fn run_events(engine: &mut Engine, events: &[Event], closes: &mut u64) {
    engine.read_ahead(events);
    for event in events {
        run_event(engine, event, closes);
    }
}

fn run_event(engine: &mut Engine, event: &Event, closes: &mut u64) {
    engine.handle_event(event);
    while let Some(output) = engine.poll() {
        if let Output::Close(close) = black_box(&output) {
            *closes += u64::from(close.complete);
        }
    }
}

/// A figure counts only if the engine did the work: as many open as asked for, all understood, and they end.
fn check(engine: &Engine, asked: usize, closes: u64) -> Result<(), String> {
    let status = engine.status();
    let open: u64 = status.open.iter().sum();
    let oddities: u64 = status.anomalies.named().iter().map(|(_, count)| count).sum();
    if oddities > 0 || status.books.refused > 0 {
        return Err(format!("the engine did not follow the load: {status:?}"));
    }
    if open.abs_diff(asked as u64) > asked as u64 / 20 || closes == 0 {
        return Err(format!("{open} connections are open and {closes} closed, with {asked} asked for"));
    }
    Ok(())
}
