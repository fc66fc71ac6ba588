//! The BPF object: one small file a program, each saying what it traces and what it yields.
#![no_std]
#![no_main]
#![allow(
    clippy::cast_possible_truncation,
    reason = "the kernel keeps states, families and errnos in wider types than their values need"
)]

mod emit;
mod maps;
mod nesting;
mod owners;
mod programs;
mod sock;
mod socket_filter;
mod stored;
mod task;

/// The kernel offers some of the helpers to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses programs that could get here, so nothing ever does.
    loop {}
}
