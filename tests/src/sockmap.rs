//! A sockmap whose program passes on all that arrives at one socket through another one, as proxies in the kernel do.

use std::{
    io,
    net::TcpStream,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use anyhow::{Context, Result};

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_MAP_TYPE_SOCKMAP: u32 = 15;
const BPF_PROG_TYPE_SK_SKB: u32 = 14;
const BPF_SK_SKB_STREAM_VERDICT: u32 = 5;
const BPF_FUNC_SK_REDIRECT_MAP: u32 = 52;
const BPF_PSEUDO_MAP_FD: u8 = 1;
const SOURCE: u32 = 0;
const TARGET: u32 = 1;
/// Enough of `union bpf_attr` for these calls; what a kernel does not know may be there as long as it is 0.
const ATTR_LEN: usize = 72;

/// The map and its program; the sockets stay in it while it lasts.
#[derive(Debug)]
pub struct Sockmap {
    _map: OwnedFd,
    _program: OwnedFd,
}

impl Sockmap {
    /// Sends what arrives at `source` to the peer of `target`.
    ///
    /// # Errors
    /// When the kernel refuses one of the parts.
    pub fn redirect(source: &TcpStream, target: &TcpStream) -> Result<Self> {
        let map =
            descriptor(BPF_MAP_CREATE, &words(&[BPF_MAP_TYPE_SOCKMAP, 4, 4, 2])).context("cannot make a sockmap")?;
        let program = load(&map)?;
        let fd = |fd: &OwnedFd| fd.as_raw_fd().cast_unsigned();
        bpf(BPF_PROG_ATTACH, &words(&[fd(&map), fd(&program), BPF_SK_SKB_STREAM_VERDICT])).context("cannot attach")?;
        for (key, socket) in [(TARGET, target), (SOURCE, source)] {
            let value = socket.as_raw_fd().cast_unsigned();
            let mut attr = words(&[fd(&map)]);
            put(&mut attr, 8, &(&raw const key as u64).to_ne_bytes());
            put(&mut attr, 16, &(&raw const value as u64).to_ne_bytes());
            bpf(BPF_MAP_UPDATE_ELEM, &attr).context("cannot put a socket into the sockmap")?;
        }
        Ok(Self { _map: map, _program: program })
    }
}

/// `return bpf_sk_redirect_map(skb, &map, TARGET, 0)`.
fn load(map: &OwnedFd) -> Result<OwnedFd> {
    let instruction = |code: u8, registers: u8, value: u32| {
        let mut bytes = [code, registers, 0, 0, 0, 0, 0, 0];
        bytes[4..].copy_from_slice(&value.to_ne_bytes());
        bytes
    };
    let program = [
        instruction(0x18, 2 | BPF_PSEUDO_MAP_FD << 4, map.as_raw_fd().cast_unsigned()),
        instruction(0, 0, 0),
        instruction(0xb7, 3, TARGET),
        instruction(0xb7, 4, 0),
        instruction(0x85, 0, BPF_FUNC_SK_REDIRECT_MAP),
        instruction(0x95, 0, 0),
    ];
    let licence = c"GPL";
    let mut attr = words(&[BPF_PROG_TYPE_SK_SKB, u32::try_from(program.len())?]);
    put(&mut attr, 8, &(program.as_ptr() as u64).to_ne_bytes());
    put(&mut attr, 16, &(licence.as_ptr() as u64).to_ne_bytes());
    put(&mut attr, 68, &BPF_SK_SKB_STREAM_VERDICT.to_ne_bytes());
    descriptor(BPF_PROG_LOAD, &attr).context("cannot load a verdict program")
}

fn words(words: &[u32]) -> [u8; ATTR_LEN] {
    let mut attr = [0; ATTR_LEN];
    for (at, word) in words.iter().enumerate() {
        put(&mut attr, at * 4, &word.to_ne_bytes());
    }
    attr
}

fn put(attr: &mut [u8; ATTR_LEN], at: usize, bytes: &[u8]) {
    if let Some(place) = attr.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn descriptor(command: libc::c_long, attr: &[u8; ATTR_LEN]) -> Result<OwnedFd> {
    let fd = i32::try_from(bpf(command, attr)?)?;
    // SAFETY: the kernel has just made this descriptor for these commands, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The pointers in `attr` are to what the callers hold until this returns.
fn bpf(command: libc::c_long, attr: &[u8; ATTR_LEN]) -> Result<libc::c_long> {
    // SAFETY: `attr` is as long as said; what it points at lives in the caller's frame, and the kernel writes to none
    // of it.
    let code = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_ptr(), ATTR_LEN) };
    if code < 0 { Err(io::Error::last_os_error().into()) } else { Ok(code) }
}
