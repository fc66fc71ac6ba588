//! Lost segments without a firewall: a classic BPF filter on a TCP socket drops what arrives for it, and the
//! sender never learns why. It sees the segment from the TCP header on.

use std::net::TcpStream;

use anyhow::{Context, Result};
use socket2::{SockFilter, SockRef};

const TCPHDR_FIN: u32 = 0x01;
const TCPHDR_PSH: u32 = 0x08;
/// Offset of the flags in a TCP header.
const FLAGS_OFFSET: u32 = 13;

const LOAD_BYTE_ABSOLUTE: u16 = 0x30;
const AND_CONSTANT: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN_CONSTANT: u16 = 0x06;
const WHOLE: u32 = u32::MAX;

/// Drops arriving segments with FIN.
///
/// # Errors
/// When the kernel refuses the filter.
pub fn drop_fins(stream: &TcpStream) -> Result<()> {
    attach(stream, TCPHDR_FIN, TCPHDR_FIN, 0, WHOLE)
}

/// Drops arriving segments without FIN.
///
/// # Errors
/// When the kernel refuses the filter.
pub fn keep_only_fins(stream: &TcpStream) -> Result<()> {
    attach(stream, TCPHDR_FIN, TCPHDR_FIN, WHOLE, 0)
}

/// Drops every arriving segment but those with both FIN and PSH, which no bare FIN has.
///
/// # Errors
/// When the kernel refuses the filter.
pub fn keep_only_marked_fins(stream: &TcpStream) -> Result<()> {
    attach(stream, TCPHDR_FIN | TCPHDR_PSH, TCPHDR_FIN | TCPHDR_PSH, WHOLE, 0)
}

/// Drops every arriving segment.
///
/// # Errors
/// When the kernel refuses the filter.
pub fn drop_all(stream: &TcpStream) -> Result<()> {
    attach(stream, 0, 0, 0, 0)
}

/// Lets everything in again.
///
/// # Errors
/// When there is no filter.
pub fn remove(stream: &TcpStream) -> Result<()> {
    SockRef::from(stream).detach_filter().context("cannot detach the socket filter")
}

/// `return (flags & mask) == value ? then : otherwise`: how many bytes of a segment to keep.
fn attach(stream: &TcpStream, mask: u32, value: u32, then: u32, otherwise: u32) -> Result<()> {
    let program = [
        SockFilter::new(LOAD_BYTE_ABSOLUTE, 0, 0, FLAGS_OFFSET),
        SockFilter::new(AND_CONSTANT, 0, 0, mask),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, value),
        SockFilter::new(RETURN_CONSTANT, 0, 0, then),
        SockFilter::new(RETURN_CONSTANT, 0, 0, otherwise),
    ];
    SockRef::from(stream).attach_filter(&program).context("cannot attach a socket filter")
}
