//! Any stream of inputs: the engine stands, keeps its bounds, and says the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcptrace_fuzz::{script::Script, watch::watch};

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let config = script.config();
    let mut now_ns = 1_000_000_000_000;
    let inputs: Vec<_> = std::iter::from_fn(|| script.input(&mut now_ns)).collect();
    let said = watch(config, &inputs);
    assert!(said == watch(config, &inputs), "the same inputs say the same");
});
