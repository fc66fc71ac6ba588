//! Any stream of inputs: the engine stands, keeps its bounds, and says the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcptrace_fuzz::{play::play, watch::watch};

fuzz_target!(|bytes: &[u8]| {
    let (config, inputs) = play(bytes);
    let said = watch(config, &inputs);
    assert!(said == watch(config, &inputs), "the same inputs say the same");
});
