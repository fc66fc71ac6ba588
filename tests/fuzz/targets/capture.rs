//! Any bytes as a capture: reading ends, in little memory, and counts what it gave; and what is written comes back.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tcptrace::{
    capture::{BreakReason, Ending, Reader},
    decode::decode,
    engine::Config,
    model::Input,
};
use tcptrace_fuzz::{
    captures::{frame_of_look, mend, round_trip},
    play::play,
    watch::watch,
};

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut mended = bytes.to_vec();
    mend(&mut mended);
    read(&mended);
    let (_, inputs) = play(bytes);
    round_trip(|put| inputs.iter().filter_map(frame_of_look).for_each(|frame| put(&frame)));
});

fn read(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(Cursor::new(bytes), "fuzz") else { return };
    assert!(matches!(reader.ending(), Ending::BrokeOff { reason: BreakReason::Unread, .. }));
    let mut inputs: Vec<Input> = Vec::new();
    let whole = round_trip(|put| {
        loop {
            match reader.next() {
                Ok(Some(frame)) => {
                    put(&frame);
                    inputs.push(decode(frame));
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
            // A frame has a header of four bytes.
            assert!(inputs.len() <= bytes.len() / 4, "more frames than bytes");
        }
    });
    let stats = reader.stats();
    assert_eq!(stats.frames, inputs.len() as u64);
    assert!(stats.skipped_bytes <= bytes.len() as u64);
    if let Ending::BrokeOff { at_offset, reason } = reader.ending() {
        assert!(at_offset <= bytes.len() as u64);
        // After an error it may name the damage before it instead.
        assert!(reason != BreakReason::Unread && !(whole && reason == BreakReason::Failed));
    }
    assert!(matches!(reader.next(), Ok(None)) || !whole, "an end is an end");
    let _ = watch(Config::default(), &inputs);
}
