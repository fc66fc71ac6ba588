//! Any bytes as one record: refused, or what stands in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcptrace::{
    decode::{Frame, decode, decode_record},
    model::{Input, Refusal},
};
use tcptrace_ebpf::record::RECORD_LEN;

fuzz_target!(|bytes: &[u8]| {
    let result = decode_record(bytes);
    match &result {
        Ok(event) => {
            assert_eq!(bytes.len(), RECORD_LEN);
            assert_eq!(event.time_ns.to_ne_bytes(), bytes[..8]);
            assert_eq!(event.socket.key.0.to_ne_bytes(), bytes[8..16]);
            assert_eq!(event.loss_mark.to_ne_bytes(), bytes[124..128]);
            assert_eq!(event.sk_err.to_ne_bytes(), bytes[68..70]);
            // What a peer or a program chose goes to terminals.
            let comm = event.owner.map(|owner| owner.comm.to_string()).unwrap_or_default();
            let shown = format!("{}{}{}{comm}", event.socket.key, event.socket.local, event.socket.remote);
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
        Err(refusal) => assert_eq!(*refusal == Refusal::Length, bytes.len() != RECORD_LEN),
    }
    let expected = result.map_or_else(Input::Refused, Input::Event);
    assert_eq!(decode(Frame::Record(bytes)), expected);
});
