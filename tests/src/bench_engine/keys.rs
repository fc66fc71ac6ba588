//! What a close costs to count by keys, and what the keys take.

use std::hint::black_box;

use tcptrace::{
    decode::{Frame, decode},
    model::{Close, Output},
    report::{
        Context,
        histogram::{By, Config, Histograms, Of},
    },
};

use crate::{
    allocator,
    clock::CpuTime,
    load::{Load, Raw},
    speed::calm,
    stats::median,
};

/// Closes that are counted in a round, however many keys there are.
const CLOSES: usize = 1 << 20;
const ROUNDS: usize = 5;
const END_NS: u64 = 1;

/// Figures of one number of keys.
pub(crate) struct Keys {
    /// Rows that the histograms have in the end.
    pub(crate) keys: u64,
    /// Nanoseconds for each close.
    pub(crate) close_ns: f64,
    /// What the histograms say they take, and what the allocator was asked for, bytes for each key.
    pub(crate) told_bytes: f64,
    pub(crate) held_bytes: f64,
}

/// Counts closes to so many remote addresses, in random order.
pub(crate) fn measure(keys: usize) -> Result<Keys, String> {
    let close = close()?;
    let closes = closes(close, keys)?;
    let context = Context::default();
    let by: By = "remote-addr".parse()?;
    let mut times = Vec::new();
    let mut found = None;
    for _ in 0..ROUNDS {
        drop(found.take());
        let config = Config { ofs: vec![Of::Close], bys: vec![by], ..Config::default() };
        let mut histograms = Histograms::new(config);
        let before = allocator::in_use();
        // Keys are made once in a run, which may be long.
        closes.iter().for_each(|close| histograms.record(close, 0, 1, &context));
        let held = allocator::in_use().saturating_sub(before);
        let start = CpuTime::now();
        closes.iter().for_each(|close| histograms.record(close, 0, 1, &context));
        times.push(start.elapsed().as_secs_f64() * 1e9 / closes.len() as f64);
        found = Some((black_box(histograms), held));
    }
    let (histograms, held) = found.ok_or("no round")?;
    let none = Histograms::new(histograms.config().clone()).interval(END_NS, &[]).memory.bytes;
    let memory = histograms.interval(END_NS, &[]).memory;
    if memory.keys != keys as u64 || memory.closes_folded > 0 {
        return Err(format!("{keys} keys were asked for: {memory:?}"));
    }
    let each = |bytes: u64| bytes as f64 / keys as f64;
    Ok(Keys {
        keys: memory.keys,
        close_ns: median(&mut times),
        told_bytes: each(memory.bytes.saturating_sub(none)),
        held_bytes: each(held as u64),
    })
}

/// Any close of the load.
fn close() -> Result<Close, String> {
    let mut engine = tcptrace::engine::Engine::new(calm());
    let mut raws: Vec<Raw> = Vec::new();
    let _ = Load::new(100, |raw| raws.push(*raw));
    for raw in &raws {
        engine.handle(&decode(Frame::Record(raw)));
        while let Some(output) = engine.poll() {
            if let Output::Close(close) = output {
                return Ok(close);
            }
        }
    }
    engine.finish();
    match engine.poll() {
        Some(Output::Close(close)) => Ok(close),
        _ => Err("the load has no close".to_owned()),
    }
}

/// That close from many peers, of many lengths: as many of each peer, in random order.
fn closes(close: Close, keys: usize) -> Result<Vec<Close>, String> {
    let mut random = 0x5eed_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut closes = Vec::with_capacity(CLOSES.max(keys));
    for number in 0..CLOSES.max(keys) {
        let peer = u32::try_from(number % keys).map_err(|_| "too many keys".to_owned())?;
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&peer.to_be_bytes());
        let remote = tcptrace::model::Endpoint::from_bytes(bytes, false, 443);
        let socket = tcptrace::model::Identity { remote, ..close.socket };
        // From some microseconds to some seconds, as often in each doubling.
        let close_ns = Some((1_000 << (next() % 22)) + next() % 1_000);
        closes.push(Close { socket, close_ns, ..close });
    }
    for at in (1..closes.len()).rev() {
        let other = usize::try_from(next() % (at as u64 + 1)).unwrap_or(0);
        closes.swap(at, other);
    }
    Ok(closes)
}
