//! Measures the user side without a kernel: events per second, bytes per connection, and the price of a line of
//! output. `cargo xtask bench engine` runs it; docs/benchmarks.md says what the figures mean.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints figures for a person")]

mod allocator;
mod clock;
mod keys;
mod load;
mod memory;
mod speed;
mod stats;
mod text;

use std::process::ExitCode;

use speed::Speed;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

const FEW: usize = 10_000;
const MANY: usize = 1_000_000;
const AIM_FEW_PER_S: f64 = 8e6;
const AIM_MANY_PER_S: f64 = 3e6;
const KEYS: [usize; 3] = [10, 1_000, 100_000];
const AIM_BYTES: f64 = 200.0;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench_engine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    println!("engine: whole lives in random order, CPU time of one thread; medians");
    println!("  open         engine alone            decode + engine (range)            aim");
    let few = speed::measure(FEW)?;
    show(&few, AIM_FEW_PER_S);
    let many = speed::measure(MANY)?;
    show(&many, AIM_MANY_PER_S);
    println!(
        "  time of an event, 1 million open : 10 thousand open   engine alone {:.2}   decode + engine {:.2}",
        many.engine_ns / few.engine_ns,
        many.decoded_ns / few.decoded_ns
    );
    println!("memory: bytes for each connection (at the worst moment of growing)");
    for count in [FEW, MANY] {
        let (open, connects) = (memory::open(count), memory::connects(count));
        println!(
            "  {count:>9}    open {:.0} ({:.0}), aim {AIM_BYTES:.0}    remembered connect {:.0} ({:.0})",
            open.held, open.peak, connects.held, connects.peak
        );
    }
    let text = text::measure()?;
    println!("output: nanoseconds for each close");
    println!(
        "  report {:.0}    JSON line {:.0} ({:.0} bytes)    table line {:.0}",
        text.report_ns, text.json_ns, text.json_bytes, text.table_ns
    );
    println!("  whole pipeline {:.0}, from {:.1} records to a line of JSON", text.all_ns, text.records);
    println!("histograms: a close counted by key, beside its line of JSON");
    println!("     keys   ns a close   : a line   bytes a key, as told (as allocated)");
    for keys in KEYS {
        let found = keys::measure(keys)?;
        println!(
            "  {:>7}   {:>10.0}   {:>8.3}   {:>11.0} ({:.0})",
            found.keys,
            found.close_ns,
            found.close_ns / text.json_ns,
            found.told_bytes,
            found.held_bytes
        );
    }
    Ok(())
}

fn show(speed: &Speed, aim_per_s: f64) {
    let millions = |ns: f64| 1e3 / ns;
    let (fastest_ns, slowest_ns) = speed.decoded_range_ns;
    println!(
        "  {:>9}    {:>5.1} ns  {:>5.2} M/s    {:>5.1} ns  {:>5.2} M/s ({:.2}-{:.2})    {:.0} M/s",
        speed.open,
        speed.engine_ns,
        millions(speed.engine_ns),
        speed.decoded_ns,
        millions(speed.decoded_ns),
        millions(slowest_ns),
        millions(fastest_ns),
        aim_per_s / 1e6
    );
}
