//! Does nothing on `sock:inet_sock_set_state`: what is counted for it is what counting costs. tcptrace never loads it;
//! `cargo xtask bench` does.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

#[btf_tracepoint(function = "inet_sock_set_state")]
fn idle(_ctx: BtfTracePointContext) -> i32 {
    0
}
